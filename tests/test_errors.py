"""Errors read as three short parts, and suggest the nearest name."""

from __future__ import annotations

import re

import pytest

from cloudops_nb import errors
from cloudops_nb.errors import CloudOpsError, did_you_mean

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("it failed",), "it failed."),
        (("it failed", "the file is gone."), "it failed: the file is gone."),
        (("unknown setting region", "did you mean regions?"), "unknown setting region: did you mean regions?"),
        (("unknown name", "did you mean b?", "See --help."), "unknown name: did you mean b? See --help."),
        (("two\n lines", "with  spaces", "In\none."), "two lines: with spaces. In one."),
    ],
)
def test_an_error_is_what_why_and_what_to_do_and_ends_with_its_own_mark(parts, text):
    assert str(CloudOpsError(*parts)) == text


def test_the_nearest_name_is_suggested_and_one_that_contains_what_was_typed_counts_as_near():
    assert did_you_mean("acounts", ["regions", "accounts"]) == "did you mean accounts?"
    assert did_you_mean("db", ["ec2_instance", "rds_db_instance_of_a_long_name"]).endswith("of_a_long_name?")
    assert did_you_mean("zzz", ["accounts"], otherwise="known are accounts") == "known are accounts"
    assert did_you_mean("", ["accounts"]) == ""


def test_every_error_is_in_the_tree_at_the_top_of_the_module():
    classes = {
        each.__name__ for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)
    }
    missing = sorted(classes - set(re.findall(r"\w+", errors.__doc__)))

    assert not missing, f"errors.py: add to the tree in the docstring: {', '.join(missing)}"
