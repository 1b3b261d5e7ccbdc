"""The doubles take what the real classes take."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tests.notebook.fake_cloudops import FakeBackups, FakeCloudOps, FakeExecution, FakeSchedule

pytestmark = pytest.mark.fast


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("double", [FakeBackups, FakeCloudOps, FakeExecution, FakeSchedule])
def test_a_double_overrides_methods_with_the_parameters_of_the_real_ones(double: type) -> None:
    (real,) = double.__bases__
    overridden = [name for name in vars(double) if hasattr(real, name) and inspect.isfunction(getattr(double, name))]
    compared = {name: parameters(getattr(double, name)) for name in overridden if name != "__init__"}
    assert compared
    assert compared == {name: parameters(getattr(real, name)) for name in compared}
