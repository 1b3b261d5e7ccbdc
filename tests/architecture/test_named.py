from __future__ import annotations

import pytest

from tests.architecture.named import missing_names
from tests.architecture.passages import Kind, Passage
from tests.architecture.repository import REPOSITORY
from tests.architecture.sources import ROOT


def missing(kind: Kind, text: str, **where) -> list[str]:
    return [name for _, name in missing_names(Passage(kind, ROOT / "README.md", 1, text, **where), REPOSITORY)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cloudops_nb.errors.CloudOpsError, cloudops_nb.wish.Here", ["cloudops_nb.wish.Here"]),
        ("cloudops_nb.CloudOps.ask, cloudops_nb.CloudOps.wish", ["cloudops_nb.CloudOps.wish"]),
        ("%cloudops_scan, %%cloudops_ask, %cloudops_wish", ["%cloudops_wish"]),
        ("CLOUDOPS_REGIONS, CLOUDOPS_*, CLOUDOPS_WISH", ["CLOUDOPS_WISH"]),
        ("pip install 'cloudops_nb[dask,wish]', '.[demo]'", ["cloudops_nb[dask,wish]"]),
        ("ADR 1, ADR 1234", ["ADR 1234"]),
        ("tests/conftest.py, conftest.py, tests/wish.py, wish.yaml, <name>.py", ["tests/wish.py", "wish.yaml"]),
        ("tests/test_*.py, wish/*.py", ["wish/*.py"]),
        ("ops.ask(…), CloudOps.scan, ops.wish, drops.wish", ["ops.wish"]),
        ("%config CloudOps.regions, %config CloudOps.wish", ["CloudOps.wish"]),
        ("make a wish, `make test`, `make TORCH='a b' demo`", []),
        ("`make\nwish`, `make TORCH='a b' desire`", ["make wish", "make desire"]),
        ("`cloudops-nb ask`, `cloudops-nb wish`, cloudops-nb wish", ["cloudops-nb … wish"]),
        ("`cloudops-nb key export FILE`, `cloudops-nb key wish`", ["cloudops-nb … wish"]),
        ("`cloudops-nb scan --dry-run`, `cloudops-nb scan --wish`", ["cloudops-nb … --wish"]),
        ("`tests/retrieval`, `docs/adr/`, `docs/wish/`, `wish/adr/`", ["docs/wish/"]),
        ("`settings.Settings`, `settings.wish`, `wish.wish`", ["settings.wish"]),
        ("| setting | default |\n| --- | --- |\n| `regions`, `wish` | `wish` |", ["setting wish"]),
        ("| part | does |\n| --- | --- |\n| `settings`, `wish` | `wish` |", ["part wish"]),
        ("[a](README.md), [b](https://x.y), [c](WISH.md), [d](docs/wish)", ["WISH.md", "docs/wish"]),
        ("[a](README.md#from-python), [b](#from-python), [c](#wish)", ["#wish"]),
    ],
)
def test_a_name_in_a_document_that_names_nothing_is_found(text, names):
    assert missing(Kind.DOCUMENT, text) == names


@pytest.mark.parametrize(
    ("role", "names"),
    [
        (":class:`CloudOpsError`, :class:`~cloudops_nb.errors.CloudOpsError`, :class:`ValueError`", []),
        (":class:`WishError`, :exc:`KeyError`", [":class:`WishError`"]),
        (":meth:`CloudOps.scan`, :meth:`CloudOps.wish`", [":meth:`CloudOps.wish`"]),
        (":mod:`wsgiref.types`, :func:`wsgiref.wish`", [":func:`wsgiref.wish`"]),
    ],
)
def test_a_role_in_a_docstring_that_names_nothing_is_found(role, names):
    assert missing(Kind.NOTE, role, module="cloudops_nb.errors") == names


def test_a_message_may_speak_of_the_program_but_not_of_a_command_that_it_lacks():
    assert missing(Kind.TEXT, "a newer version of cloudops-nb wrote it") == []
    assert missing(Kind.TEXT, "Run cloudops-nb demo down, then up.") == []
    assert missing(Kind.TEXT, "Run cloudops-nb demo wish.") == ["cloudops-nb … wish"]


def test_an_example_in_a_language_has_names_of_its_own():
    assert missing(Kind.EXAMPLE, "  settings.wish   as in `wish`") == ["settings.wish"]
    assert missing(Kind.EXAMPLE, "settings.wish(ops.wish)", language="python") == ["ops.wish"]


def test_a_miss_is_at_its_line():
    passage = Passage(Kind.DOCUMENT, ROOT / "README.md", 7, "first\n%cloudops_wish\n\nADR 1234")
    assert missing_names(passage, REPOSITORY) == [(8, "%cloudops_wish"), (10, "ADR 1234")]
