"""Scans into the store: what an interrupt, a failing write, or a dead process leaves behind."""

from __future__ import annotations

import pytest

from cloudops_nb.errors import StorageError
from cloudops_nb.model import CellState
from cloudops_nb.scanner.running.row_budget import RowBudget


@pytest.mark.parametrize("fault", [KeyboardInterrupt, StorageError("the disk is full")])
def test_a_page_that_was_not_written_takes_no_live_rows_with_it(ops, monkeypatch, fault):
    ops.scan(accounts=["staging"], services=["rds", "ec2"])
    before = set(ops.resources().arn)
    estate, calls = ops.storage.estate, []
    real = type(estate).upsert

    def failing(self, resources, *, scan_id):
        calls.append(scan_id)
        if len(calls) == 2:
            raise fault
        return real(self, resources, scan_id=scan_id)

    monkeypatch.setattr("cloudops_nb.client.scan_writer._BATCH", 1)
    # Readers wait for every row, so a failed writer must not leave them, or the scan, waiting for room.
    monkeypatch.setattr(RowBudget.__init__, "__defaults__", (1,))
    monkeypatch.setattr(type(estate), "upsert", failing)
    with pytest.raises(fault if isinstance(fault, type) else StorageError):
        ops.scan(accounts=["staging"], services=["rds", "ec2"])
    monkeypatch.undo()

    assert set(ops.resources().arn) == before
    states = {cell.state for cell in ops.storage.scan_state.cells()}
    assert CellState.PARTIAL in states
    assert CellState.RUNNING not in states
    assert ops.storage.journal.records(kind="scan_ended")[-1].body["status"] == "interrupted"
    assert not ops.scan(accounts=["staging"], services=["rds", "ec2"]).failures


def test_progress_reaches_the_end(ops):
    seen = []
    report = ops.scan(accounts=["staging"], services=["rds"], progress=lambda p: seen.append((p.done, p.total)))
    assert seen[-1] == (len(report.cells), len(report.cells))


def test_a_scan_leaves_no_lock_file_behind(ops):
    ops.scan(accounts=["staging"], services=["rds"])
    assert list((ops.settings.data_path / "locks").glob("scan-*")) == []


def test_the_calls_of_a_scan_can_be_seen_before(ops):
    calls = ops.planned_calls(accounts=["staging"], services=["rds"])
    assert "DescribeDBInstances" in set(calls.operation)
    assert set(calls.account) == {"staging"}
