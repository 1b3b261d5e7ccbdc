"""The quickstart notebook, run unattended from its first cell to its last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbformat import NotebookNode

    from cloudops_nb.demo import Demo

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "notebooks" / "01-quickstart.ipynb"


@pytest.fixture
def executed(
    demo: Demo,
    staging_database: Callable[[], str],
    models_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> NotebookNode:
    """The notebook after a run over the tests' own demo, found where the notebook looks for one."""
    import nbformat
    from nbclient import NotebookClient

    share = tmp_path / "share"
    (share / "cloudops").mkdir(parents=True)
    (share / "cloudops" / "demo").symlink_to(demo.path, target_is_directory=True)
    for name, value in {
        "XDG_DATA_HOME": share,
        "IPYTHONDIR": tmp_path / "ipython",
        "PYTHONPATH": ROOT,
        "CLOUDOPS_KEY_SOURCE": "file",
        "CLOUDOPS_EMBEDDING_PATH": models_path,
    }.items():
        monkeypatch.setenv(name, str(value))
    notebook = nbformat.read(QUICKSTART, as_version=4)
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    return notebook


def output_of(notebook: NotebookNode, source: str) -> str:
    """The text of the outputs of the one cell that starts with this."""
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.startswith(source)]
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    errors = [f"{output.ename}: {output.evalue}" for output in cell.outputs if output.output_type == "error"]
    return "\n".join([*texts, *errors])


@pytest.mark.fast
def test_the_notebook_in_the_repository_holds_no_output() -> None:
    notebook = json.loads(QUICKSTART.read_text("utf-8"))
    assert notebook["cells"]
    assert not [cell for cell in notebook["cells"] if cell.get("outputs") or cell.get("execution_count")]
    assert "widgets" not in notebook["metadata"]


def test_the_quickstart_runs_up_to_the_gate_and_stops_there(executed: NotebookNode) -> None:
    assert "resources" in output_of(executed, "%cloudops_scan")
    assert "pg-instance-main1" in output_of(executed, "%cloudops_search")
    request = output_of(executed, "%%ask --dry-run")
    assert "bytes would be sent" in request
    assert "pg-instance-staging1" not in request
    card = output_of(executed, "%%ask\n")
    assert "rds:StopDBInstance" in card
    assert "cloudops-nb approve" in card
    assert "ApprovalRequired" in output_of(executed, "%cloudops_apply")
    assert "awaiting_approval" in output_of(executed, "%cloudops_history")
    assert "sha256" in output_of(executed, "%cloudops_ledger")
    assert "widgets" not in executed.metadata
