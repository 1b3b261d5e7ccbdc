from __future__ import annotations

import botocore.session
import pytest
from botocore.exceptions import UnknownServiceError

from cloudops_nb.iam.access_levels import action_level, api_actions, api_level
from cloudops_nb.ssm.effects import effect_of, effects, iam_actions

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
        assert {*row.refused_parameters, *row.refused_values} <= members[api]


def test_the_names_of_reads_are_the_names_of_reads():
    reads = {row.api for row in effects().values() if row.effect == "read" and not row.refused}

    assert all(api.startswith(("Describe", "Get", "List", "BatchGet")) for api in reads)


#: Refused APIs whose IAM action AWS publishes no level of, or that take credentials of another kind than IAM's.
UNPUBLISHED = {
    ("account-access-runtime", "GetRoleCredentials"),
    ("cloudwatchomni", "GetSpaceDataAccess"),
    ("codecatalyst", "CreateAccessToken"),
    ("cognito-idp", "GetClientToken"),
    ("cognito-idp", "GetDerivedToken"),
    ("connect", "CreateAuthCode"),
    ("connectparticipant", "CreateParticipantConnection"),
    ("connectparticipant", "GetAuthenticationUrl"),
    ("lakeformation", "AssumeDecoratedRoleWithSAML"),
    ("lakeformation", "GetTemporaryDataLocationCredentials"),
    ("lakeformation", "GetTemporaryGlueFunctionCredentials"),
    ("partnercentral-selling", "GetCustomerAccountBulkJobReportUrl"),
    ("partnercentral-selling", "GetOpportunityBulkJobReportUrl"),
    ("signin", "CreateBearerToken"),
    ("signin", "CreateOAuth2TokenWithIAM"),
    ("signin", "CreateOAuth2TokenWithTokenExchange"),
    ("sso", "GetRoleCredentials"),
    ("sso-oidc", "CreateToken"),
    ("sts", "GetScopedCredentials"),
}


def test_every_iam_action_authorises_its_api_and_has_a_published_level():
    wrong = {api for api, row in effects().items() if row.iam_action not in api_actions(*api)}
    unknown = {api for api, row in effects().items() if action_level(row.iam_action) == "unknown"}

    assert wrong == unknown == UNPUBLISHED
    assert all(effects()[api].refused for api in unknown)


def test_the_effect_fits_the_published_level():
    # AWS calls some that run code reads, such as a call of an agent.
    judged = {api: row for api, row in effects().items() if api not in UNPUBLISHED and not row.runs_code}

    assert {api for api, row in judged.items() if row.effect == "read"} == {
        api for api in judged if api_level(*api).only_reads
    }


def test_what_deletes_terminates_or_purges_is_destructive_or_takes_back_little():
    gone = {row.api: row.effect for row in effects().values() if row.api.startswith(("Delete", "Terminate", "Purge"))}

    assert {api for api, effect in gone.items() if effect != "destructive"} == {
        "DeleteTags",
        "DeleteFunctionConcurrency",
    }


@pytest.mark.parametrize(("service", "api"), REFUSED)
def test_what_runs_code_or_returns_secrets_is_refused_by_name(service, api):
    assert effect_of(service, api).refused


@pytest.mark.parametrize(
    ("service", "api", "effect", "iam_action"),
    [
        ("ec2", "DescribeVpcs", "read", "ec2:DescribeVpcs"),
        ("elbv2", "DescribeLoadBalancers", "read", "elasticloadbalancing:DescribeLoadBalancers"),
        ("s3", "HeadBucket", "read", "s3:ListBucket"),
        ("ec2", "DeleteVpc", "destructive", "ec2:DeleteVpc"),
        ("iam", "AttachRolePolicy", "destructive", "iam:AttachRolePolicy"),
        ("ecs", "TagResource", "destructive", "ecs:TagResource"),
        ("ec2", "DescribeEverything", "destructive", "ec2:DescribeEverything"),
    ],
)
def test_an_api_that_the_table_lacks_is_unreviewed_and_judged_by_its_published_level(service, api, effect, iam_action):
    entry = effect_of(service, api)

    assert (entry.effect, entry.iam_action) == (effect, iam_action)
    assert (entry.reviewed, entry.idempotent, entry.refused) == (False, False, False)


def test_user_data_cannot_be_changed_through_an_accepted_api():
    assert "UserData" in effect_of("ec2", "ModifyInstanceAttribute").refused_parameters


def test_an_attribute_that_holds_user_data_cannot_be_asked_for():
    row = effect_of("ec2", "DescribeInstanceAttribute")

    assert row.refused_among({"InstanceId": "i-1", "Attribute": "userData"}) == ["Attribute"]
    assert row.refused_among({"InstanceId": "i-1", "Attribute": "USERDATA"}) == ["Attribute"]
    assert row.refused_among({"InstanceId": "i-1", "Attribute": ["userData"]}) == ["Attribute"]
    assert row.refused_among({"InstanceId": "i-1", "Attribute": ["kernel"]}) == []
    assert row.refused_among({"InstanceId": "i-1", "Attribute": "instanceType"}) == []
    assert row.refused_among({"InstanceId": "i-1"}) == []


def test_a_value_that_a_step_gives_may_become_a_refused_one():
    parameters = {"Attribute": "{{ look.Attribute }}"}

    assert effect_of("ec2", "DescribeInstanceAttribute").refused_among(parameters) == ["Attribute"]
    assert effect_of("ec2", "DescribeInstanceAttribute").refused_among(parameters, resolved=False) == []


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
