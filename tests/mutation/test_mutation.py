from __future__ import annotations

import pytest

from tests.mutation.equivalent import listed
from tests.mutation.mutants import MODULES, mutants, path_of

pytestmark = pytest.mark.fast


def test_each_mutant_of_the_list_changes_a_line_that_exists_and_has_a_reason():
    for key, why in listed(MODULES).items():
        assert key.line in map(str.strip, path_of(key.module).read_text("utf-8").splitlines())
        assert why.endswith(".")


SOURCE = """\
if TYPE_CHECKING:
    import typing


class Box:

    @property
    def full(self) -> int | None:
        return self.size > 5
"""


def test_each_mutant_is_another_program_and_names_its_line():
    made = {(each.key.function, each.key.line, each.key.becomes): each.lines for each in mutants("box", SOURCE)}

    assert made == {
        ("Box.full", "@property", ""): range(7, 9),
        ("Box.full", "return self.size > 5", "return self.size >= 5"): range(9, 10),
        ("Box.full", "return self.size > 5", "return self.size < 5"): range(9, 10),
        ("Box.full", "return self.size > 5", "return self.size <= 5"): range(9, 10),
        ("Box.full", "return self.size > 5", "return self.size > 6"): range(9, 10),
        ("Box.full", "return self.size > 5", "return self.size > 4"): range(9, 10),
    }
