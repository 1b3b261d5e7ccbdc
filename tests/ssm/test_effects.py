from __future__ import annotations

import botocore.session
import pytest
from botocore.exceptions import UnknownServiceError

from cloudops_nb.ssm.effects import effect_of, effects, iam_actions

pytestmark = pytest.mark.fast

REFUSED = [
    ("ssm", "SendCommand"),
    ("ssm", "StartAutomationExecution"),
    ("ssm", "GetParameter"),
    ("lambda", "Invoke"),
    ("lambda", "UpdateFunctionCode"),
    ("ec2", "GetPasswordData"),
    ("ec2", "RunInstances"),
    ("ec2", "CreateLaunchTemplateVersion"),
    ("secretsmanager", "GetSecretValue"),
    ("iam", "CreateAccessKey"),
    ("sts", "AssumeRole"),
]


@pytest.fixture(scope="module")
def members():
    """Every API of the table with the input members that the installed botocore knows; ``None`` for an unknown API."""
    session = botocore.session.get_session()
    found: dict[tuple[str, str], set[str] | None] = {}
    for service, api in effects():
        try:
            model = session.get_service_model(service)
        except UnknownServiceError:
            found[service, api] = None
            continue
        known = api in model.operation_names
        shape = model.operation_model(api).input_shape if known else None
        found[service, api] = set(shape.members) if shape else (set() if known else None)
    return found


def test_every_api_of_the_table_exists(members):
    assert [api for api, names in members.items() if names is None] == []


def test_dry_run_is_said_of_exactly_the_apis_that_have_it(members):
    said = {api for api, row in effects().items() if row.dry_run}

    assert said == {api for api, names in members.items() if "DryRun" in names}


def test_refused_parameters_exist(members):
    for api, row in effects().items():
        assert set(row.refused_parameters) <= members[api]


def test_the_names_of_reads_are_the_names_of_reads():
    reads = {row.api for row in effects().values() if row.effect == "read"}

    assert all(api.startswith(("Describe", "Get", "List", "BatchGet", "Decrypt", "AssumeRole")) for api in reads)


def test_what_deletes_terminates_or_purges_is_destructive_or_takes_back_little():
    gone = {row.api: row.effect for row in effects().values() if row.api.startswith(("Delete", "Terminate", "Purge"))}

    assert {api for api, effect in gone.items() if effect != "destructive"} == {
        "DeleteTags",
        "DeleteFunctionConcurrency",
    }


@pytest.mark.parametrize(("service", "api"), REFUSED)
def test_what_runs_code_or_returns_secrets_is_refused_by_name(service, api):
    assert effect_of(service, api).refused


def test_an_api_that_the_table_lacks_counts_as_destructive_and_unreviewed():
    entry = effect_of("ec2", "DeleteVpc")

    assert (entry.effect, entry.reviewed, entry.idempotent, entry.refused) == ("destructive", False, False, False)
    assert entry.iam_action == "ec2:DeleteVpc"


def test_user_data_cannot_be_changed_through_an_accepted_api():
    assert "UserData" in effect_of("ec2", "ModifyInstanceAttribute").refused_parameters


def test_iam_actions_are_those_of_the_acceptable_apis():
    assert "elasticloadbalancing:DeregisterTargets" in iam_actions()
    assert "s3:PutEncryptionConfiguration" in iam_actions()
    assert "ssm:SendCommand" not in iam_actions()
    assert "ec2:RunInstances" not in iam_actions()


def test_only_reads_and_changes_that_repeat_harmlessly_are_idempotent():
    assert all(row.idempotent for row in effects().values() if row.effect == "read" and not row.refused)
    assert not effect_of("ec2", "RebootInstances").idempotent
    assert not effect_of("rds", "CreateDBSnapshot").idempotent
    assert effect_of("ec2", "StopInstances").idempotent
