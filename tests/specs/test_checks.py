"""The checks of a user's own declarations."""

from __future__ import annotations

import pytest

from cloudops_nb.specs.checks import model_problems
from cloudops_nb.specs.files import bundled_specs

pytestmark = pytest.mark.fast


def test_bundled_declarations_pass_the_checks_of_user_declarations() -> None:
    assert [problem for spec in bundled_specs() for problem in model_problems(spec)] == []
