"""Progress and the report of a scan say what was read, what was not, and why."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from cloudops_nb.aws.error_states import NOT_OFFERED
from cloudops_nb.model import CellKey, CellResult, CellState
from cloudops_nb.scanner.report import ScanReport
from cloudops_nb.scanner.running.scan_progress import Progress

pytestmark = pytest.mark.fast


def test_progress_estimates_the_time_left() -> None:
    half = Progress(done=5, total=10, failed=1, resources=40, calls=9, elapsed=2.0, current="a/b/c")
    assert (half.rate, half.eta) == (2.5, 2.0)
    assert str(half) == "5/10 cells, 1 failed, 40 resources, 2 cells/s, about 2 s left · a/b/c"
    assert Progress(0, 10, 0, 0, 0, 0.0, "").eta is None


def _result(region: str, state: CellState, resources: int = 0, detail: str = "") -> CellResult:
    key = CellKey("123456789012", region, "rds_instance")
    return CellResult(key, state, datetime.now(UTC), 0.5, resources, calls=2, pages=1, retries=1, detail=detail)


@pytest.fixture
def report() -> ScanReport:
    results = [
        _result("eu-west-1", CellState.OK, 5),
        _result("eu-west-2", CellState.DENIED, 0, "AccessDenied: <script>"),
        _result("eu-west-3", CellState.DENIED, 0, "AccessDenied: <script>"),
        _result("us-east-1", CellState.OK, 1, "1 without tags (AccessDenied: no)"),
    ]
    previous = {results[0].key: 7, results[1].key: 3}
    return ScanReport("0a1b", datetime.now(UTC), 1.5, results, {"123456789012": "<prod>"}, previous)


def test_cells_are_one_row_each_with_change_only_where_it_is_known(report: ScanReport) -> None:
    cells = report.cells
    assert list(cells["state"]) == ["ok", "denied", "denied", "ok"]
    assert cells["change"].tolist()[0] == -2
    assert cells["change"].isna().tolist() == [False, True, True, True]
    assert cells["account_name"].unique().tolist() == ["<prod>"]


def test_the_report_prints_counts_failures_and_reasons(report: ScanReport) -> None:
    text = str(report)
    assert text.startswith(
        "6 resources (-2 since the previous scan) in 2 of 4 cells read completely, 8 calls, 4 retries, 1.5 s"
    )
    assert "rds_instance  6" in text
    assert "<prod> eu-west-2/rds_instance and 1 more cell  denied  AccessDenied: <script>" in text
    assert "us-east-1/rds_instance  ok  1 without tags" in text
    assert text.count("eu-west-2/rds_instance") == 1
    assert len(report.failures) == 2


def test_the_report_in_html_escapes_what_aws_said(report: ScanReport) -> None:
    html = report._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;prod&gt;" in html
    assert html.startswith("<div><p>6 resources (-2 since")
    assert html.count("<table>") == str(report).count("\n\n") == 5


def test_a_report_without_resources_has_an_empty_frame(report: ScanReport) -> None:
    assert report.frame.empty
    assert isinstance(report.frame, pd.DataFrame)
    assert ScanReport("0", datetime.now(UTC), 0.0, []).cells.empty


def test_a_report_counts_what_is_not_offered_apart() -> None:
    absent = _result("af-south-1", CellState.SERVICE_UNAVAILABLE, detail=f"{NOT_OFFERED}; regions assumed")
    whole = ScanReport("1", datetime.now(UTC), 0.0, [_result("eu-west-1", CellState.OK), absent])
    assert (whole.complete, whole.failures, whole.not_offered) == (True, [], [absent])
    assert "1 of 1 cells read completely (1 more not offered in their region)" in str(whole)
    assert "af-south-1" not in str(whole)
    failed = _result("eu-west-2", CellState.SERVICE_UNAVAILABLE, detail="EndpointConnectionError: no")
    less = ScanReport("2", datetime.now(UTC), 0.0, [*whole.results, failed])
    assert (less.complete, less.failures, less.not_offered) == (False, [failed], [absent])


def test_what_is_counted_is_in_the_order_of_its_name_and_only_if_there_is_any() -> None:
    results = [_result(region, CellState.OK, count) for region, count in (("b", 2), ("c", 0), ("a", 3), ("b", 1))]
    report = ScanReport("0", datetime.now(UTC), 0.0, results)
    assert list(report.counts("region").items()) == [("a", 3), ("b", 3)]
    assert report.counts("resource_type") == {"rds_instance": 6}


def test_changes_are_told_of_types_that_changed_where_both_scans_know() -> None:
    results = [_result("a", CellState.OK, 5), _result("b", CellState.DENIED, 1), _result("c", CellState.OK, 2)]

    def report(*before: int) -> ScanReport:
        previous = {each.key: count for each, count in zip(results, before, strict=False)}
        return ScanReport("0", datetime.now(UTC), 0.0, results, {}, previous)

    assert (report(3, 9).changes(), report(5, 9).changes(), report().changes()) == ({"rds_instance": 2}, {}, {})
    assert report(3, 9).summary.startswith("8 resources (+2 since the previous scan) in 2 of 3 cells")
    assert report(5, 9).summary.startswith("8 resources in 2 of 3 cells")
    assert report(3, 9).cells["change"].isna().tolist() == [False, True, True]


def test_cells_are_told_together_that_ended_alike_in_one_account() -> None:
    def denied(account: str, region: str, why: str) -> CellResult:
        return CellResult(CellKey(account, region, "s3_bucket"), CellState.DENIED, datetime.now(UTC), 0.0, detail=why)

    cells = [denied("1", "a", "no"), denied("2", "a", "no"), denied("1", "b", "other"), denied("1", "c", "no"),
             denied("1", "d", "no")]  # fmt: skip
    groups = ScanReport("0", datetime.now(UTC), 0.0, cells, {"1": "prod"}).grouped(cells)
    assert [(each.account, each.where, each.detail) for each in groups] == [
        ("prod", "a/s3_bucket and 2 more cells", "no"),
        ("2", "a/s3_bucket", "no"),
        ("prod", "b/s3_bucket", "other"),
    ]
    (long,) = ScanReport("0", datetime.now(UTC), 0.0, []).grouped([denied("1", "a", "x" * 1_000)])
    assert 200 < len(long.detail) < 500


def test_a_table_stands_in_columns_below_its_title() -> None:
    results = [_result(region, CellState.OK, count) for region, count in (("a", 1), ("eu-west-1", 20))]
    parts = str(ScanReport("0", datetime.now(UTC), 0.0, results, {"123456789012": "prod"})).split("\n\n")
    assert parts[1:] == [
        "type\n----\nrds_instance  21",
        "account\n-------\nprod     21",
        "region\n------\na          1\neu-west-1  20",
    ]
