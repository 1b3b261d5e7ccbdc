"""``df.cloudops`` on DataFrames of resources."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from cloudops_nb.client.answer import Answer
from cloudops_nb.errors import PromptError
from cloudops_nb.notebook import extension
from tests.sample_plans import stop_database

if TYPE_CHECKING:
    from pathlib import Path

    from tests.notebook.conftest import Notebook

pytestmark = pytest.mark.fast


def resources() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "identifier": ["i-1", "i-2"],
            "name": ["web", "web"],
            "resource_type": ["ec2_instance", "ec2_instance"],
            "account_id": ["123456789012", "123456789012"],
            "account_name": ["prod", "prod"],
            "state": ["running", "stopped"],
            "arn": [
                "arn:aws:ec2:eu-west-1:123456789012:instance/i-1",
                "arn:aws:ec2:eu-west-1:123456789012:instance/i-2",
            ],
            "tags": [{"Owner": "alice"}, {}],
            "score": [1.0, 0.5],
        }
    )


def test_asking_names_exactly_the_rows(notebook: Notebook) -> None:
    answer = resources().cloudops.ask("which of these are encrypted:")
    assert answer is notebook.cloudops.answer
    ((prompt, _),) = notebook.cloudops.called("ask")
    assert prompt == (
        "which of these are encrypted: arn:aws:ec2:eu-west-1:123456789012:instance/i-1, "
        "arn:aws:ec2:eu-west-1:123456789012:instance/i-2"
    )


def test_a_plan_for_the_rows_is_shown_as_a_card(notebook: Notebook) -> None:
    notebook.cloudops.answer = Answer("plan", "x", plan=stop_database())
    resources().cloudops.plan("stop")
    assert notebook.cloudops.called("ask")[0][0].startswith("stop arn:aws:ec2")
    assert any(name.startswith("cloudops-card") for name in notebook.screen.displays)


def test_rows_without_an_arn_are_named_by_identifier(notebook: Notebook) -> None:
    resources().assign(arn="").cloudops.plan("stop")
    assert notebook.cloudops.called("ask")[0][0] == "stop i-1, i-2"


@pytest.mark.parametrize("frame", [resources().head(0), pd.DataFrame({"x": [1]})])
def test_rows_that_name_nothing_are_refused(notebook: Notebook, frame: pd.DataFrame) -> None:
    with pytest.raises(PromptError):
        frame.cloudops.plan("stop")
    assert not notebook.cloudops.called("ask")


def test_a_redacted_copy_names_nothing_and_still_groups(notebook: Notebook) -> None:
    frame = resources()
    redacted = frame.cloudops.redact()
    shown = json.dumps(redacted.to_dict("records"))
    for private in ("i-1", "i-2", "web", "123456789012", "prod", "arn:", "alice"):
        assert private not in shown
    assert list(redacted.name) == ["name-1", "name-1"]
    assert list(redacted.state) == ["running", "stopped"]
    pd.testing.assert_frame_equal(frame, resources())


def diff(now: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    accessor: Any = now.cloudops  # the stubs take it for a column
    changes: pd.DataFrame = accessor.diff(before)
    return changes


def test_a_diff_lists_what_was_added_removed_and_changed(notebook: Notebook) -> None:
    before = resources()
    now = before.iloc[[0]].assign(state="stopped", score=9.0)
    now = pd.concat([now, before.iloc[[1]].assign(arn="arn:new")])
    changes = diff(now, before)
    assert [tuple(row) for row in changes.itertuples(index=False)] == [
        (before.arn[0], "changed", "state", "running", "stopped"),
        (before.arn[1], "removed", "", "", ""),
        ("arn:new", "added", "", "", ""),
    ]


def test_nothing_changed_is_an_empty_diff_with_its_columns(notebook: Notebook) -> None:
    changes = diff(resources(), resources())
    assert list(changes.columns) == ["key", "change", "field", "before", "after"]
    assert changes.empty


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r", "\n", " =", "\uff1d"])
def test_no_cell_of_an_export_is_a_formula(notebook: Notebook, start: str, tmp_path: Path) -> None:
    name = f'{start}cmd|"/c calc"!A1'
    frame = resources().assign(name=name)
    exported = pd.read_csv(io.StringIO(frame.cloudops.to_csv()), keep_default_na=False)
    assert set(exported["name"]) == {f"'{name}"}
    assert list(exported["score"]) == [1.0, 0.5]
    assert list(exported["arn"]) == list(frame["arn"])
    assert frame["name"][0] == name
    assert frame.cloudops.to_csv(tmp_path / "export.csv") is None
    assert (tmp_path / "export.csv").read_bytes().decode() == frame.cloudops.to_csv()


def test_the_accessor_is_removed_with_the_extension(notebook: Notebook) -> None:
    assert hasattr(pd.DataFrame, "cloudops")
    extension.unload(notebook.shell)
    assert not hasattr(pd.DataFrame, "cloudops")
    assert "cloudops" not in vars(pd.DataFrame)["_accessors"]
