"""Resources of accounts, regions and types that are configured no longer: told apart, kept, and removed on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb import CloudOps
from cloudops_nb.aws.sessions import AccountSessions
from tests.embedders import EvenEmbedder
from tests.synthetic_aws import SyntheticAws
from tests.synthetic_aws.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

HOME, OTHER = "123456789012", "210987654321"
REGIONS = ("eu-west-1", "us-east-1")
TYPES = ("kms_alias", "dynamodb_backup")


class Estate:
    """Aliases and backups in two accounts and two regions; each :meth:`ops` is configured for a part of them."""

    def __init__(self, home: Path) -> None:
        alias = {"AliasName": "alias/web", "AliasArn": "arn:aws:kms:eu-west-1:1:alias/web", "TargetKeyId": "0a1b"}
        answers: dict[Any, Any] = {
            ("*", "*", "kms", "ListAliases"): self._aliases,
            ("*", "*", "dynamodb", "ListBackups"): [],
        }
        self.aws = SyntheticAws(answers, accounts=(HOME, OTHER), regions=REGIONS)
        self._alias, self._home = alias, home

    def _aliases(self, call: Any) -> Any:
        return [{**self._alias, "AliasArn": f"arn:aws:kms:{call.region}:{call.account}:alias/web"}]

    def ops(self, *, accounts: int = 2, regions: tuple[str, ...] = REGIONS, types: tuple[str, ...] = TYPES) -> CloudOps:
        ops = CloudOps(self._home / "store", key_file=str(self._home / "key"), regions=list(regions), services=types)
        ops.parts._embedder = EvenEmbedder()
        ops.parts.sessions = AccountSessions(self.aws.accounts[:accounts], events=self.aws.events())
        return ops


@pytest.fixture
def estate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Estate:
    made = Estate(tmp_path)
    for name, value in made.aws.environment.items():
        monkeypatch.setenv(name, value)
    with made.ops() as ops:
        assert ops.scan().kept_advice == ""
        assert set(ops.resources().cell_state) == {"ok"}
        assert len(ops.resources()) == 4
    return made


def states(ops: CloudOps) -> dict[tuple[str, str], str]:
    rows = ops.resources().itertuples()
    return {(str(row.account_id), str(row.region)): str(row.cell_state) for row in rows}


def test_an_account_that_is_not_configured_any_more_is_told_and_removed_on_demand(estate: Estate) -> None:
    with estate.ops(accounts=1) as ops:
        report = ops.scan()
        assert f"kept: {OTHER} (2) resources. cloudops-nb forget-unscanned removes them" in report.kept_advice
        assert report.kept_advice in str(report)
        assert report.kept_advice in report._repr_html_()
        expected = {(HOME, region): "ok" for region in REGIONS} | {
            (OTHER, region): "not_configured" for region in REGIONS
        }
        assert states(ops) == expected
        assert {hit.cell_state for hit in ops.storage.estate.search("web")} == {"ok", "not_configured"}

        listed = ops.forget_unscanned(dry_run=True)
        assert (set(listed.account_id), listed.resources.sum()) == ({OTHER}, 2)
        assert set(listed.why) == {"the account is not configured any more"}
        assert len(states(ops)) == 4
        assert len(ops.forget_unscanned()) == len(listed)
        assert states(ops) == {(HOME, region): "ok" for region in REGIONS}
        assert ops.forget_unscanned().empty
        assert ops.storage.estate.integrity.check().warnings() == []


def test_a_region_and_a_type_too(estate: Estate) -> None:
    with estate.ops(regions=REGIONS[:1]) as ops:
        assert f"kept: {HOME} us-east-1 (1), {OTHER} us-east-1 (1) resources" in ops.scan().kept_advice
        assert states(ops)[HOME, "us-east-1"] == "not_configured"
    with estate.ops(types=TYPES[1:]) as ops:
        ops.scan()
        assert set(ops.forget_unscanned(dry_run=True).resource_type) == {"kms_alias"}


def test_a_scan_of_a_part_of_the_configuration_marks_nothing(estate: Estate) -> None:
    with estate.ops() as ops:
        ops.scan(accounts=["account-1"])
        ops.scan(regions=["eu-west-1"])
        ops.scan(services=["kms_alias"])
        ops.scan(mode="incremental")
        assert set(ops.resources().cell_state) == {"ok"}


def test_an_account_that_cannot_be_entered_is_still_configured(estate: Estate) -> None:
    with estate.ops() as ops:
        estate.aws.faults.append(Fault("denied", service="sts", operation="AssumeRole", when={"RoleArn": ROLE}))
        report = ops.scan()
        assert not report.complete
        assert "not_configured" not in set(ops.resources().cell_state)


def test_a_cell_that_is_configured_again_is_read_again(estate: Estate) -> None:
    with estate.ops(accounts=1) as ops:
        ops.scan()
    with estate.ops() as ops:
        assert set(states(ops).values()) == {"ok", "not_configured"}
        assert ops.scan().kept_advice == ""
        assert set(states(ops).values()) == {"ok"}


ROLE = f"arn:aws:iam::{OTHER}:role/Scan"
