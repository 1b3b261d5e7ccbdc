"""A plan holds everything a person needs to decide, or is refused with one plain line."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cloudops_nb.errors import PlanError, PlaybookError
from cloudops_nb.execution.plan import Effect, Level, Plan, intent_hash, plan_hash
from cloudops_nb.model import Account, Constraint, Constraints, IamPermissions, PlaybookRef, Ternary
from tests.canned_response import canned_response

STOP: dict[str, Any] = {
    "name": "stop",
    "action": "aws:executeAwsApi",
    "inputs": {"Service": "ec2", "Api": "StopInstances", "InstanceIds": ["{{ InstanceId }}"]},
}


def call(service: str, api: str, **parameters: Any) -> dict[str, Any]:
    return {**STOP, "inputs": {"Service": service, "Api": api, **parameters}}


def test_a_plan_says_where_who_what_and_until_when(
    *, aws: Any, engine: Any, bind: Any, account: Any, clock: Any, journal: Any
) -> None:
    instance = aws.instance()
    plan = engine.prepare(bind("ec2-stop", instance), account=account, dependents={instance.arn: ["target group web"]})

    assert (plan.account_id, plan.account_name, plan.region) == (instance.account_id, "dev", instance.region)
    assert plan.environment == "development"
    assert plan.principal == "arn:aws:iam::123456789012:user/moto"
    assert plan.targets == (instance.arn,)
    (target,) = plan.target_states
    assert (target.state, target.expected_state) == ("running", "stopped")
    assert target.fingerprint["state"] == "running"
    assert target.dependents == ("target group web",)
    assert plan.effect is Effect.MODIFY
    assert plan.rollback.playbook == "ec2-start"
    assert not plan.phrase
    assert timedelta(minutes=14) < plan.expires - clock() <= timedelta(minutes=15)
    assert (plan.hash, plan.intent_hash) == (plan_hash(plan), intent_hash(plan))
    assert engine.plan(plan.id) == plan
    assert aws.instance_state(instance) == "running"


def test_the_changing_step_shows_its_command_and_awss_own_verdict(
    aws: Any, engine: Any, bind: Any, account: Any
) -> None:
    instance = aws.instance()
    plan = engine.prepare(bind("ec2-stop", instance), account=account)
    (change,) = [step for step in plan.steps if step.effect is Effect.MODIFY]
    assert change.parameters == {"InstanceIds": [instance.identifier]}
    assert change.cli == f"aws ec2 stop-instances --instance-ids {instance.identifier} --region eu-central-1"
    assert change.iam == "allowed"
    assert "dry run" in change.iam_reason


def test_where_aws_has_no_dry_run_the_scans_verdict_counts(aws: Any, engine: Any, bind: Any, account: Any) -> None:
    database = aws.database()
    denied = IamPermissions(denied=("rds:StopDBInstance",), reasons={"rds:StopDBInstance": "statement NoStop"})
    unknown = IamPermissions()
    by_account = IamPermissions(unknown=("rds:StopDBInstance",), allowed_by_account=("rds:StopDBInstance",))
    verdicts = []
    for permissions in (database.iam, denied, unknown, by_account):
        plan = engine.prepare(bind("rds-stop", replace(database, iam=permissions)), account=account)
        verdicts.append(next((step.iam, step.iam_reason) for step in plan.steps if step.api == "StopDBInstance"))
    assert [verdict for verdict, _ in verdicts] == ["allowed", "denied", "unknown", "unknown"]
    assert verdicts[1][1] == "statement NoStop"


def test_a_dry_run_that_aws_denies_is_shown_as_denied(aws: Any, engine: Any, bind: Any, account: Any) -> None:
    instance = aws.instance()

    def deny(request: Any, **_: Any) -> Any:
        body = b"<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>"
        return canned_response(request.url, 403, body)

    aws.hook("ec2", "before-send.ec2.StopInstances", deny)
    plan = engine.prepare(bind("ec2-stop", instance), account=account)
    (change,) = [step for step in plan.steps if step.api == "StopInstances"]
    assert change.iam == "denied"
    assert any("denied" in each for each in plan.not_checked)


def test_a_dry_run_that_says_neither_leaves_the_scans_verdict_and_says_why(
    aws: Any, engine: Any, bind: Any, account: Any
) -> None:
    instance = aws.instance(iam=IamPermissions(denied=("ec2:StopInstances",), reasons={"ec2:StopInstances": "NoStop"}))

    def throttle(request: Any, **_: Any) -> Any:
        body = b"<Response><Errors><Error><Code>IncorrectInstanceState</Code></Error></Errors></Response>"
        return canned_response(request.url, 400, body)

    aws.hook("ec2", "before-send.ec2.StopInstances", throttle)
    plan = engine.prepare(bind("ec2-stop", instance), account=account)
    (change,) = [step for step in plan.steps if step.api == "StopInstances"]
    assert (change.iam, change.iam_reason) == ("denied", "NoStop; the dry run ended with IncorrectInstanceState")


def test_an_endpoint_that_carries_out_dry_runs_is_found_out(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, account: Any
) -> None:
    playbook = make_playbook([STOP])
    instance = aws.instance()

    def forget_dry_run(params: dict[str, Any], **_: Any) -> None:
        params["body"].pop("DryRun", None)

    aws.hook("ec2", "before-call.ec2.StopInstances", forget_dry_run)
    with pytest.raises(PlanError, match="the endpoint ignores DryRun"):
        make_engine(playbook).prepare(bind(playbook, instance), account=account)


def test_no_dry_run_is_sent_where_a_simulator_would_carry_it_out(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, account: Any
) -> None:
    step = call("ec2", "ModifyInstanceMetadataOptions", InstanceId="{{ InstanceId }}", HttpTokens="required")
    playbook = make_playbook([step])
    sent = aws.watch("ec2")
    instance = aws.instance()
    plan = make_engine(playbook).prepare(bind(playbook, instance), account=account)
    assert plan.steps[0].iam == "unknown"
    assert "ModifyInstanceMetadataOptions (dry run)" not in sent


@pytest.mark.parametrize(
    ("playbook", "state", "line"),
    [
        ("rds-stop", "stopped", "pg-main1 is already stopped"),
        ("rds-start", "available", "pg-main1 is already available"),
        ("rds-reboot", "stopped", "pg-main1 is stopped"),
    ],
)
def test_a_resource_in_another_state_is_refused_in_plain_words(
    *, aws: Any, engine: Any, bind: Any, account: Any, playbook: str, state: str, line: str
) -> None:
    database = aws.database(state=state)
    with pytest.raises(PlanError, match=line):
        engine.prepare(bind(playbook, database), account=account)


def test_what_the_resource_itself_forbids_is_refused_with_its_reason(
    aws: Any, engine: Any, bind: Any, account: Any
) -> None:
    limits = Constraints(can_stop=Constraint(Ternary.FALSE, "stop protection is on"))
    with pytest.raises(PlanError, match="stop protection is on"):
        engine.prepare(bind("ec2-stop", aws.instance(constraints=limits)), account=account)


def test_a_limit_read_in_another_state_is_not_believed_but_named(
    aws: Any, engine: Any, bind: Any, account: Any
) -> None:
    limits = Constraints(can_stop=Constraint(Ternary.FALSE, "it is stopped"))
    seen_stopped = replace(aws.instance(constraints=limits), state="stopped")
    plan = engine.prepare(bind("ec2-stop", seen_stopped), account=account)
    assert any("was stopped when scanned" in each for each in plan.not_checked)


def test_what_the_scan_could_not_read_is_named_as_not_checked(aws: Any, engine: Any, bind: Any, account: Any) -> None:
    instance = replace(aws.instance(), metadata={"unread": {"volumes": "AccessDenied", "alarms": "AccessDenied"}})
    plan = engine.prepare(bind("ec2-stop", instance), account=account)
    assert "alarms, volumes of web-1: the scan could not read it" in plan.not_checked


def test_the_plan_says_whether_every_call_goes_to_aws(
    *, aws: Any, engine: Any, bind: Any, account: Any, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> str:
        plan = engine.prepare(bind("ec2-stop", instance), account=account)
        (outcome,) = [check.outcome for check in plan.checks if check.what == "every call goes to an endpoint of AWS"]
        return str(outcome)

    instance = aws.instance()
    assert said() == f"no: {endpoint}"
    # Only what the client says of itself: its calls still go to the simulation.
    monkeypatch.setattr(aws.client("ec2").meta, "_endpoint_url", "https://ec2.eu-central-1.amazonaws.com")
    assert said() == "passed"


def test_an_identifier_that_does_not_fit_its_parameter_is_refused(
    aws: Any, engine: Any, bind: Any, account: Any
) -> None:
    odd = replace(aws.instance(), identifier="i-1 --force")
    with pytest.raises(PlanError, match="parameter InstanceId of ec2-stop for i-1 --force does not fit"):
        engine.prepare(bind("ec2-stop", odd), account=account)


def test_a_resource_that_is_gone_is_refused(aws: Any, engine: Any, bind: Any, account: Any) -> None:
    gone = replace(aws.instance(), identifier="i-0123456789abcdef0")
    with pytest.raises(PlanError, match=r"cannot be read.*InvalidInstanceID"):
        engine.prepare(bind("ec2-stop", gone), account=account)


def test_the_credentials_must_be_of_the_targets_account(aws: Any, engine: Any, bind: Any, account: Any) -> None:
    elsewhere = replace(aws.instance(), account_id="210987654321")
    aws.clients.as_caller = aws.clients.caller("123456789012")
    with pytest.raises(PlanError, match=r"for account 210987654321.*belong to account 123456789012"):
        engine.prepare(bind("ec2-stop", elsewhere), account=Account("other"))
    with pytest.raises(PlanError, match="dev is account 123456789012"):
        engine.prepare(bind("ec2-stop", elsewhere), account=account)


def test_a_plan_has_one_account_and_region_and_each_resource_once(
    aws: Any, engine: Any, bind: Any, account: Any
) -> None:
    instance = aws.instance()
    cases = {
        "nothing to act on": (),
        "one account and one region": (instance, replace(instance, region="us-east-1", arn="arn:other")),
        "named twice": (instance, instance),
        "acts on ec2_instance, not on rds_instance": (replace(instance, resource_type="rds_instance"),),
    }
    for line, targets in cases.items():
        with pytest.raises(PlanError, match=line):
            engine.prepare(bind("ec2-stop", *targets), account=account)
    wrong = replace(bind("ec2-stop", instance), target_parameter="Instance")
    with pytest.raises(PlanError, match="as InstanceId, not Instance"):
        engine.prepare(wrong, account=account)


def test_the_hosts_own_copy_of_the_playbook_decides(aws: Any, engine: Any, bind: Any, account: Any) -> None:
    bound = bind("ec2-stop", aws.instance())
    with pytest.raises(PlaybookError, match="another content"):
        engine.prepare(replace(bound, playbook=PlaybookRef("ec2-stop", "1.0.0", "0" * 64)), account=account)


def test_a_draft_runs_only_with_an_override_that_the_plan_names(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, approved: Any, account: Any
) -> None:
    playbook = make_playbook([STOP], lifecycle="draft")
    engine, instance = make_engine(playbook), aws.instance()
    with pytest.raises(PlaybookError, match="draft"):
        engine.prepare(bind(playbook, instance), account=account)
    plan = approved(engine, bind(playbook, instance), override=True)
    assert any("overridden" in each for each in plan.not_checked)
    assert engine.apply(plan).wait(30) == "completed"


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (call("ssm", "SendCommand", DocumentName="AWS-RunShellScript"), "ssm:SendCommand makes code run"),
        (call("secretsmanager", "GetSecretValue", SecretId="x"), "secretsmanager:GetSecretValue returns secrets"),
        (call("ec2", "ModifyInstanceAttribute", InstanceId="i-1", UserData={"Value": "x"}), "UserData"),
        (call("ec2", "DescribeInstanceAttribute", InstanceId="i-1", Attribute="userData"), "Attribute of ec2"),
        (call("ec2", "DescribeInstanceAttribute", InstanceId="i-1", Attribute=["userData"]), "Attribute of ec2"),
        (call("ec2", "CreateVpc", CidrBlock="10.0.0.0/16"), "ec2:CreateVpc is not reviewed"),
        ({"name": "run", "action": "aws:executeScript", "inputs": {"Runtime": "python3.7", "Handler": "f",
          "Script": "def f(): pass"}}, "aws:executeScript runs code"),
        ({**STOP, "action": "aws:waitForAwsResourceProperty", "inputs": {**STOP["inputs"], "PropertySelector": "$.x",
          "DesiredValues": ["y"]}}, "only looks, but ec2:StopInstances changes"),
        (call("ec2", "StopInstances", Instances=["i-1"]), "would be refused.*InstanceIds"),
        (call("ec2", "StopInstances", InstanceIds="{{ InstanceId }}"), "would be refused.*InstanceIds"),
    ],
)  # fmt: skip
def test_a_step_that_may_not_run_is_refused_by_name(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, account: Any, step: Any, line: str
) -> None:
    playbook = make_playbook([step])
    with pytest.raises(PlanError, match=line):
        make_engine(playbook).prepare(bind(playbook, aws.instance()), account=account)


@pytest.mark.parametrize("api", ["SendCommand", "GetParameter"])
def test_an_override_opens_no_api_that_runs_code_or_returns_secrets(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, account: Any, api: str
) -> None:
    playbook = make_playbook([call("ssm", api)])
    with pytest.raises(PlanError, match="which no plan may do"):
        make_engine(playbook).prepare(bind(playbook, aws.instance()), account=account, override=True)


def test_an_unreviewed_change_counts_as_destructive(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, account: Any
) -> None:
    playbook = make_playbook([call("ec2", "CreateVpc", CidrBlock="10.0.0.0/16")])
    instance = aws.instance()
    plan = make_engine(playbook).prepare(bind(playbook, instance), account=account, override=True)
    assert plan.effect is Effect.DESTRUCTIVE
    assert plan.phrase == f"stop {instance.identifier}"
    assert "ec2:CreateVpc: not reviewed; AWS publishes its access level as Write" in plan.not_checked


def test_an_unreviewed_read_needs_no_override_and_is_named_once(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, account: Any
) -> None:
    look = call("ec2", "DescribeVpcs")
    wait = {"PropertySelector": "$.Vpcs[0].State", "DesiredValues": ["available"]}
    waiting = {
        **look, "name": "waitForVpc", "action": "aws:waitForAwsResourceProperty", "inputs": {**look["inputs"], **wait}
    }  # fmt: skip
    playbook = make_playbook([look, waiting])
    plan = make_engine(playbook).prepare(bind(playbook, aws.instance(), aws.instance()), account=account)
    assert {step.effect for step in plan.steps} == {Effect.READ}
    unreviewed = [line for line in plan.not_checked if "not reviewed" in line]
    assert unreviewed == ["ec2:DescribeVpcs: not reviewed; AWS publishes its access level as List"]


def test_a_destructive_plan_asks_for_a_phrase_that_names_its_targets(
    aws: Any, make_engine: Any, make_playbook: Any, bind: Any, production: Any
) -> None:
    step = call("ec2", "TerminateInstances", InstanceIds=["{{ InstanceId }}"])
    impact = {"downtime": "for ever", "reversible": False, "data_loss": "all"}
    rollback = {"playbook": "", "note": "Nothing brings it back."}
    playbook = make_playbook([step], intents=["terminate"], impact=impact, rollback=rollback)
    engine = make_engine(playbook)
    instances = [aws.instance(f"web-{number}") for number in range(4)]
    one = engine.prepare(bind(playbook, instances[0]), account=production)
    many = engine.prepare(bind(playbook, *instances), account=production)
    assert one.phrase == f"terminate {instances[0].identifier}"
    assert many.phrase.startswith("terminate 4 ec2_instance from ")
    assert one.level is Level.CRITICAL
    assert any("Nothing brings it back" in reason for reason in one.reasons)


@pytest.mark.parametrize(
    ("environment", "tags", "said", "level"),
    [
        ("development", {}, "low", Level.MEDIUM),
        ("development", {}, "critical", Level.CRITICAL),
        ("production", {}, "low", Level.HIGH),
        ("", {"Environment": "prod"}, "low", Level.HIGH),
        ("", {"Environment": "reproduction"}, "low", Level.MEDIUM),
    ],
)
def test_the_level_is_the_higher_of_the_hosts_and_the_servers(
    *, aws: Any, engine: Any, bind: Any, environment: str, tags: dict[str, str], said: str, level: Level
) -> None:
    bound = replace(bind("ec2-stop", aws.instance(tags=tags)), level=said)
    plan = engine.prepare(bound, account=Account("shop", "123456789012", environment=environment))
    assert plan.level is level
    assert plan.production == (level is Level.HIGH)


def test_a_controller_that_may_undo_the_change_is_named(aws: Any, engine: Any, bind: Any, account: Any) -> None:
    tags = {"aws:cloudformation:stack-name": "web", "eks:cluster-name": "blue", "Name": "web-1"}
    plan = engine.prepare(bind("ec2-stop", aws.instance(tags=tags)), account=account)
    assert plan.target_states[0].managed_by == ("CloudFormation stack web", "EKS blue")
    assert any("managed by CloudFormation stack web" in reason for reason in plan.reasons)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"Count": "many"}, "Count.*not of type Integer"),
        ({}, "Count.*missing"),
        ({"Count": 1, "Size": 2}, "no parameter Size"),
        ({"Count": 1, "Note": "{{ InstanceId }}"}, "starts a reference"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, account: Any, given: dict[str, Any], line: str
) -> None:
    parameters = {
        "Count": {"type": "Integer", "description": "How many."},
        "Note": {"type": "String", "default": "none"},
    }
    playbook = make_playbook([STOP], parameters)
    with pytest.raises(PlanError, match=line):
        make_engine(playbook).prepare(bind(playbook, aws.instance(), **given), account=account)


def test_a_generated_name_is_made_for_each_target_and_stays_the_same(
    aws: Any, make_engine: Any, bind: Any, approved: Any
) -> None:
    engine = make_engine()
    databases = [aws.database("pg-main1"), aws.database("pg-main2")]
    plan = approved(engine, bind("rds-snapshot", *databases))
    names = [step.parameters["DBSnapshotIdentifier"] for step in plan.steps if step.api == "CreateDBSnapshot"]
    assert len(set(names)) == 2
    assert all(database.identifier in name for database, name in zip(databases, names, strict=True))
    assert engine.apply(plan).wait(30) == "completed"
    found = aws.client("rds").describe_db_snapshots()["DBSnapshots"]
    assert set(names) <= {snapshot["DBSnapshotIdentifier"] for snapshot in found}


def test_a_recorded_plan_can_be_made_again(aws: Any, engine: Any, bind: Any, account: Any) -> None:
    bound = bind("ec2-stop", aws.instance())
    plan = engine.prepare(bound, account=account)
    again = engine.prepare(engine.replay(plan.id), account=account)
    assert again.intent_hash == plan.intent_hash
    assert again.id != plan.id
    with pytest.raises(PlanError, match="there is no plan nowhere"):
        engine.plan("nowhere")


def test_the_tags_aws_shows_now_count_beside_those_of_the_scan(aws: Any, engine: Any, bind: Any, account: Any) -> None:
    instance = aws.instance(tags={"aws:cloudformation:stack-name": "web"})
    tags = [{"Key": "Environment", "Value": "production"}, {"Key": "aws:autoscaling:groupName", "Value": "fleet"}]
    aws.client("ec2").create_tags(Resources=[instance.identifier], Tags=[tags[0]])

    def show_also_the_reserved_one(parsed: dict[str, Any], **_: Any) -> None:
        for reservation in parsed.get("Reservations", []):
            reservation["Instances"][0]["Tags"] = tags

    aws.hook("ec2", "after-call.ec2.DescribeInstances", show_also_the_reserved_one)
    plan = engine.prepare(bind("ec2-stop", instance), account=account)

    (target,) = plan.target_states
    assert plan.production
    assert target.environment == "production"
    assert any("web" in controller for controller in target.managed_by)
    assert any("fleet" in controller for controller in target.managed_by)


def test_a_scan_that_saw_production_is_not_outweighed_by_the_tags_now(
    aws: Any, engine: Any, bind: Any, account: Any
) -> None:
    instance = aws.instance(tags={"Environment": "production"})
    aws.client("ec2").create_tags(Resources=[instance.identifier], Tags=[{"Key": "Environment", "Value": "dev"}])
    assert engine.prepare(bind("ec2-stop", instance), account=account).production


def test_tags_that_aws_does_not_show_are_said_not_to_be_checked(aws: Any, engine: Any, bind: Any, account: Any) -> None:
    def hide_tags(parsed: dict[str, Any], **_: Any) -> None:
        for reservation in parsed.get("Reservations", []):
            reservation["Instances"][0].pop("Tags", None)

    aws.hook("ec2", "after-call.ec2.DescribeInstances", hide_tags)
    plan = engine.prepare(bind("ec2-stop", aws.instance()), account=account)
    assert any("the tags of web-1 now" in note for note in plan.not_checked)


def test_a_plan_that_the_callers_check_refuses_is_not_recorded(
    *, aws: Any, engine: Any, bind: Any, account: Any, journal: Any
) -> None:
    checked: list[Plan] = []

    def refuse(plan: Plan) -> None:
        checked.append(plan)
        raise PlanError("the estate was altered")

    with pytest.raises(PlanError, match="the estate was altered"):
        engine.prepare(bind("ec2-stop", aws.instance()), account=account, check=refuse)
    (plan,) = checked
    with pytest.raises(PlanError):
        engine.plan(plan.id)
    assert journal.records() == []


@pytest.mark.parametrize(
    ("api", "selector"),
    [("TerminateInstances", "$.TerminatingInstances[0].CurrentState.Name"), ("GetPasswordData", "$.PasswordData")],
)
def test_a_live_state_that_is_no_plain_read_is_never_asked_for(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, account: Any, api: str, selector: str
) -> None:
    parameters = (
        {"InstanceIds": ["{{ InstanceId }}"]} if api != "GetPasswordData" else {"InstanceId": "{{ InstanceId }}"}
    )
    fingerprint = {"service": "ec2", "api": api, "parameters": parameters, "projection": {"state": selector}}
    playbook = make_playbook([STOP], fingerprint=fingerprint, allowed_states=[], expected_state="")
    instance, engine, sent = aws.instance(), make_engine(playbook), aws.watch("ec2")
    with pytest.raises(PlanError, match=r"it is no plain read|may hold a secret"):
        engine.prepare(bind(playbook, instance), account=account)
    assert not sent[api]
    assert aws.instance_state(instance) == "running"


def test_a_live_state_that_may_hold_a_secret_is_not_kept(
    *, aws: Any, make_engine: Any, make_playbook: Any, bind: Any, account: Any, journal: Any
) -> None:
    projection = {"state": "$.Environment.Variables"}
    parameters = {"FunctionName": "{{ InstanceId }}"}
    read = {"service": "lambda", "api": "GetFunctionConfiguration", "parameters": parameters, "projection": projection}
    playbook = make_playbook([STOP], fingerprint=read, allowed_states=[], expected_state="")
    with pytest.raises(PlanError, match="the field state of the metadata's fingerprint may hold a secret"):
        make_engine(playbook).prepare(bind(playbook, aws.instance()), account=account)
    assert not journal.records(kind="plan")
