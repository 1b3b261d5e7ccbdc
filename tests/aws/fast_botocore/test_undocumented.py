"""The list of botocore's undocumented names is complete, and the check of it notices each difference."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from botocore import hooks
from botocore.hooks import HierarchicalEmitter
from botocore.parsers import ResponseParser

from cloudops_nb.aws.fast_botocore import undocumented
from cloudops_nb.aws.fast_botocore.undocumented import UNDOCUMENTED_NAMES, UndocumentedName, first_problem
from tests.aws.fast_botocore.undocumented_uses import modules_of_the_package, undocumented_uses

if TYPE_CHECKING:
    from pathlib import Path


FAST = undocumented.__name__.rpartition(".")[0]
LISTED = {each.name for each in UNDOCUMENTED_NAMES}


def test_every_undocumented_name_in_the_fast_parts_is_listed_and_every_listed_name_is_used() -> None:
    modules = [each for each in modules_of_the_package() if each.__name__.startswith(FAST)]
    assert set[str]().union(*(undocumented_uses(each, fast=True) for each in modules)) == LISTED


def test_the_rest_of_the_package_uses_no_undocumented_name() -> None:
    modules = [each for each in modules_of_the_package() if not each.__name__.startswith(FAST)]
    used = {each.__name__: found for each in modules if (found := undocumented_uses(each, fast=False))}
    assert len(modules) > 50
    assert used == {}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("from botocore.hooks import HierarchicalEmitter, first_non_none_response", "first_non_none_response"),
        ("class A(HierarchicalEmitter):\n def _emit(self, *_): ...", "_emit"),
        ("class A(HierarchicalEmitter):\n def emit(self, *_): ...", "emit"),
        ("class A(HierarchicalEmitter):\n def a(self): return self._lookup_cache", "_lookup_cache"),
        ("class A(HierarchicalEmitter):\n def a(self): return super().emit('a')", "emit"),
        ("class A(HierarchicalEmitter):\n def a(self, node): return node['chunk']", "chunk"),
        ("class A(HierarchicalEmitter):\n def a(self, b): return getattr(self, f'_reg{b}')", "_reg"),
        ("def a(client): return client._endpoint", "_endpoint"),
        ("def a(loader): loader.extras_processor = None", "extras_processor"),
        ("def a(session): session.register_component('monitor', None)", "monitor"),
    ],
)
def test_a_name_that_is_used_and_not_listed_is_found(
    code: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert name not in LISTED
    (tmp_path / "made_up.py").write_text(f"from botocore.hooks import HierarchicalEmitter\n{code}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "made_up", raising=False)
    import made_up  # type: ignore[import-not-found]  # the test writes it

    assert isinstance(made_up, ModuleType)
    assert name in undocumented_uses(made_up, fast=True)


def test_the_tested_botocore_has_every_listed_name() -> None:
    assert first_problem() == ""


@pytest.mark.parametrize("name", UNDOCUMENTED_NAMES, ids=str)
def test_a_name_that_is_gone_is_noticed(name: UndocumentedName) -> None:
    assert replace(name, name=f"{name.name}_gone").problem()


def test_other_parameters_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(_: Any, response: Any, shape: Any, operation: Any) -> Any: ...

    monkeypatch.setattr(ResponseParser, "parse", parse)
    assert first_problem() == "botocore.parsers.ResponseParser.parse has other parameters"


def test_a_method_that_botocore_no_longer_calls_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def unregister(*_: Any, **__: Any) -> None: ...

    monkeypatch.setattr(HierarchicalEmitter, "unregister", unregister)
    assert (
        first_problem() == "botocore.hooks.HierarchicalEmitter._handlers is not used in HierarchicalEmitter.unregister"
    )


def test_a_missing_module_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, hooks.__name__, None)
    assert "cannot be checked" in first_problem()
