"""What the demo's operator may do in its estate is known, by the policies of the demo's own roles."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.demo.company import load_company
from cloudops_nb.model import Account
from cloudops_nb.scanner.reading.task_reader import PageRead
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.specs.files import bundled_specs

if TYPE_CHECKING:
    from cloudops_nb.demo import Demo
    from cloudops_nb.model import CellResult, Resource


@pytest.fixture(scope="module")
def read(running: Demo) -> list[PageRead | CellResult]:
    """Every type, in production and staging in their main region."""
    with pytest.MonkeyPatch.context() as patch:
        for name in running.unset:
            patch.delenv(name, raising=False)
        for name, value in running.environment.items():
            patch.setenv(name, value)
        accounts = [Account(name=each["name"], profile=each["profile"]) for each in running.accounts]
        sessions = AccountSessions(accounts, threads=8)
        try:
            return list(Scanner(sessions, threads=8).scan(accounts=["production", "staging"], regions=["eu-west-1"]))
        finally:
            sessions.close()


@pytest.fixture(scope="module")
def scanned(read: list[PageRead | CellResult]) -> list[Resource]:
    return [resource for page in read if isinstance(page, PageRead) for resource in page.resources]


def one(scanned: list[Resource], account: str, resource_type: str, name: str) -> Resource:
    wanted = (account, resource_type, name)
    (found,) = [each for each in scanned if (each.account_name, each.resource_type, each.name) == wanted]
    return found


def test_every_type_can_be_scanned_in_the_demo(read: list[PageRead | CellResult]) -> None:
    specs = {spec.resource_type: spec for spec in bundled_specs()}
    ended = {item.key.resource_type: item for item in read if not isinstance(item, PageRead)}
    incomplete = [
        f"{name}: {item.detail[:200]}; if moto lacks the service, cloudops_nb/demo/unused_services.yaml needs "
        f"{specs[name].called}: {{{specs[name].list.operation}: {specs[name].list.items}}}; if that line is there, the "
        "operation's host is another than 127.0.0.1"
        for name, item in ended.items()
        if not item.state.complete
    ]
    assert not incomplete, "\n".join(incomplete)


def test_a_scan_of_the_demo_covers_everything_that_the_company_has(scanned: list[Resource]) -> None:
    assert {resource.resource_type for resource in scanned} <= set(load_company().resource_types)


def test_at_most_a_tenth_of_the_verdicts_is_unknown(scanned: list[Resource]) -> None:
    counts: Counter[str] = Counter()
    for resource in scanned:
        counts.update({name: len(getattr(resource.iam, name)) for name in ("allowed", "denied", "unknown")})
    assert counts.total() > 2000
    assert counts["unknown"] <= counts.total() / 10
    assert min(counts["allowed"], counts["denied"]) > 0


def test_every_verdict_says_what_decided_it_and_for_whom(scanned: list[Resource]) -> None:
    judged = [resource for resource in scanned if resource.iam.reasons]
    assert len(judged) > 300
    for resource in judged:
        iam = resource.iam
        assert iam.principal == f"arn:aws:iam::{resource.account_id}:role/CloudOpsDemo"
        assert set(iam.reasons) == {*iam.allowed, *iam.denied, *iam.unknown}
        assert all(iam.reasons.values())


@pytest.mark.parametrize(
    ("name", "action", "verdict", "by"),
    [
        ("pg-instance-main1", "rds:StopDBInstance", "allowed", "Operate"),
        ("pg-instance-main1", "rds:DeleteDBInstance", "denied", "NothingIsDeletedInProduction"),
        ("pg-instance-payments1", "rds:StopDBInstance", "denied", "PaymentsAreHandsOff"),
        ("pg-instance-payments1", "rds:StartDBInstance", "allowed", "Operate"),
    ],
)
def test_the_guard_of_production_decides_where_it_applies(
    scanned: list[Resource], name: str, action: str, verdict: str, by: str
) -> None:
    iam = one(scanned, "production", "rds_instance", name).iam
    assert action in getattr(iam, verdict)
    assert by in iam.reasons[action]


def test_staging_has_no_guard(scanned: list[Resource]) -> None:
    iam = one(scanned, "staging", "rds_instance", "pg-instance-staging1").iam
    assert "rds:DeleteDBInstance" in iam.allowed
