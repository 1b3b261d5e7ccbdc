"""Scans into the store: what an interrupt, a failing write, or a dead process leaves behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudops_nb.errors import StorageError
from cloudops_nb.model import CellState
from cloudops_nb.scanner.running.row_budget import RowBudget
from tests.conftest import STAGING_DATABASE


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


def test_after_a_run_the_targets_are_read_again_and_nothing_else(ops, staging_database):
    ops.scan(accounts=["staging"], services=["rds_instance"])
    plan = ops.prepare("rds-stop", {"DBInstanceIdentifier": STAGING_DATABASE})
    before = {each.resource.arn: each.resource for each in ops.storage.estate.resources()}
    scans = len(ops.storage.journal.records(kind="scan_started"))

    ops.approve(plan, reason="a test")
    ops.apply(plan).wait()

    after = {each.resource.arn: each.resource for each in ops.storage.estate.resources()}
    assert {arn for arn, resource in after.items() if resource != before[arn]} == set(plan.targets)
    assert after[plan.targets[0]].state == "stopped"
    assert len(ops.storage.journal.records(kind="scan_started")) == scans
    assert ops.storage.estate.integrity.check().warnings() == []


def test_a_target_that_is_gone_leaves_the_store_and_no_other_row_does(ops, staging_database):
    ops.scan(accounts=["staging"], services=["rds_instance"])
    plan = ops.prepare("rds-stop", {"DBInstanceIdentifier": STAGING_DATABASE})
    (row,) = ops.storage.estate.lookup(STAGING_DATABASE)
    gone = replace(row, identifier="deleted", name="deleted", arn=f"{row.arn}-deleted")
    ops.storage.estate.apply_delta([gone])
    before = set(ops.resources().arn)
    (target,) = plan.target_states

    deleted = replace(target, identifier="deleted", arn=gone.canonical_key)
    ops.parts.scans.refresh(replace(plan, target_states=(deleted,)))

    assert before - set(ops.resources().arn) == {gone.arn}
    assert ops.storage.estate.integrity.check().warnings() == []


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


def test_an_account_that_cannot_be_entered_is_a_line_of_the_report(open_ops, demo_environment):
    working, *_ = demo_environment.accounts
    ops = open_ops(accounts=[dict(working), {"name": "typo", "profile": "no such profile"}])
    report = ops.scan(services=["sqs_queue"])
    assert {result.key.account_id for result in report.results}
    assert all(result.state.complete for result in report.results)
    assert not report.complete
    (line,) = [line for line in str(report).splitlines() if line.startswith("typo")]
    assert "there is no such AWS profile" in line
