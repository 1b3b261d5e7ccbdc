"""Composite actions make the calls that the user guide's action reference describes, here over a simulated AWS."""

from __future__ import annotations

from typing import Any

import pytest

from cloudops_nb.errors import PlaybookError
from cloudops_nb.execution.executor import CallResult
from cloudops_nb.execution.plan import PlanStatus
from tests.execution.sample_documents import REFUSED, Scripted, bound, look, messages, own_document, paths, step

TEMPLATE = '{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}'
ID = {"Id": {"type": "String"}}


@pytest.fixture
def run_on_aws(make_engine: Any, approved: Any) -> Any:
    """Run a document of one composite action over the simulated AWS."""

    def make(action: str, inputs: dict[str, Any], *before: Any, **fields: Any) -> Any:
        playbook = own_document("act", [*before, step("act", action, inputs, **fields)])
        engine = make_engine(playbook)
        execution = engine.apply(approved(engine, bound(playbook), override=True))
        execution.wait(60)
        return execution

    return make


@pytest.mark.parametrize(
    ("before", "after", "states"),
    [
        ("stopped", "running", ["running"]),
        ("running", "stopped", ["stopped"]),
        ("running", "terminated", ["terminated"]),
    ],
)
def test_an_instance_is_brought_into_a_state(
    *, aws: Any, run_on_aws: Any, before: str, after: str, states: Any
) -> None:
    instance = aws.instance(state=before)
    execution = run_on_aws("changeInstanceState", {"InstanceIds": [instance.identifier], "DesiredState": after})
    assert execution.status is PlanStatus.COMPLETED, messages(execution)
    assert aws.instance_state(instance) == after
    assert execution.outputs[""]["act.InstanceStates"] == states


def test_a_state_that_the_run_finds_decides_which_call_is_made(aws: Any, run_on_aws: Any) -> None:
    instance = aws.instance(state="stopped")
    aws.client("ec2").create_tags(Resources=[instance.identifier], Tags=[{"Key": "wanted", "Value": "running"}])
    find = look("find", {"State": "$.Reservations[0].Instances[0].Tags[0].Value"})
    inputs = {"InstanceIds": [instance.identifier], "DesiredState": "{{ find.State }}"}
    execution = run_on_aws("changeInstanceState", inputs, find)
    assert execution.status is PlanStatus.COMPLETED, messages(execution)
    assert aws.instance_state(instance) == "running"
    assert dict(paths(execution))["act/terminateInstances"] == "skipped"


def test_checking_a_state_alone_changes_nothing(aws: Any, run_on_aws: Any) -> None:
    instance = aws.instance()
    inputs = {"InstanceIds": [instance.identifier], "CheckStateOnly": True, "DesiredState": "stopped"}
    execution = run_on_aws("changeInstanceState", inputs, timeoutSeconds=1)
    assert execution.status is PlanStatus.TIMEOUT
    assert aws.instance_state(instance) == "running"
    assert [path for path, _ in paths(execution)] == ["act", "act/waitUntilStopped"]


def test_tags_are_created_on_instances_and_on_parameters(aws: Any, run_on_aws: Any) -> None:
    instance, tags = aws.instance(), [{"Key": "Owner", "Value": "ada"}]
    aws.client("ssm").put_parameter(Name="size", Value="1", Type="String")
    assert run_on_aws("createTags", {"ResourceIds": [instance.identifier], "Tags": tags}).status is PlanStatus.COMPLETED
    inputs = {"ResourceIds": ["size"], "ResourceType": "Parameter", "Tags": tags}
    assert run_on_aws("createTags", inputs).status is PlanStatus.COMPLETED
    found = aws.client("ec2").describe_tags(Filters=[{"Name": "resource-id", "Values": [instance.identifier]}])["Tags"]
    assert [(tag["Key"], tag["Value"]) for tag in found] == [("Owner", "ada")]
    listed = aws.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId="size")["TagList"]
    assert listed == tags


def test_an_image_is_created_copied_and_deleted_with_its_snapshots(aws: Any, run_on_aws: Any) -> None:
    ec2, instance = aws.client("ec2"), aws.instance()
    made = run_on_aws("createImage", {"InstanceId": instance.identifier, "ImageName": "web", "NoReboot": "true"})
    assert made.status is PlanStatus.COMPLETED, messages(made)
    image = made.outputs[""]["act.ImageId"]
    assert made.outputs[""]["act.ImageState"] == "available"

    inputs = {"SourceRegion": "eu-central-1", "SourceImageId": image, "ImageName": "copy"}
    copied = run_on_aws("copyImage", inputs)
    assert copied.status is PlanStatus.COMPLETED, messages(copied)
    copy = copied.outputs[""]["act.ImageId"]
    described = ec2.describe_images(ImageIds=[image, copy])["Images"]
    assert sorted(each["Name"] for each in described) == ["copy", "web"]

    snapshots = [each["Ebs"]["SnapshotId"] for each in described[0]["BlockDeviceMappings"] if "Ebs" in each]
    deleted = run_on_aws("deleteImage", {"ImageId": described[0]["ImageId"]})
    assert deleted.status is PlanStatus.COMPLETED, messages(deleted)
    assert [each["ImageId"] for each in ec2.describe_images(ImageIds=[described[1]["ImageId"]])["Images"]]
    left = {each["SnapshotId"] for each in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    assert snapshots
    assert left.isdisjoint(snapshots)


def test_a_stack_is_deleted_and_its_end_awaited(aws: Any, run_on_aws: Any) -> None:
    stacks = aws.client("cloudformation")
    identifier = stacks.create_stack(StackName="app", TemplateBody=TEMPLATE)["StackId"]
    execution = run_on_aws("deleteStack", {"StackName": "app"})
    assert execution.status is PlanStatus.COMPLETED, messages(execution)
    assert execution.outputs[""]["act.StackStatus"] == "DELETE_COMPLETE"
    assert stacks.describe_stacks(StackName=identifier)["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE"


def test_what_was_made_is_given_out_although_the_wait_for_it_failed(aws: Any, start: Any) -> None:
    executor = Scripted(CreateImage={"ImageId": "ami-1"}, DescribeImages={"Images": [{"State": "failed"}]})
    make = step("make", "createImage", {"InstanceId": "i-1", "ImageName": "web"}, onFailure="step:drop")
    drop = step("drop", "executeAwsApi", {"Service": "ec2", "Api": "DeregisterImage", "ImageId": "{{ make.ImageId }}"})
    execution = start(executor, own_document("image", [make, drop]), override=True)
    assert execution.status is PlanStatus.FAILED
    assert executor.made("DeregisterImage") == ["DeregisterImage ami-1"]
    assert messages(execution)["make/waitUntilAvailable"] == "it is failed and cannot become available"


def test_repeatable_calls_have_the_attempts_of_their_action_and_others_one(aws: Any, start: Any) -> None:
    executor = Scripted(
        DescribeImages=[REFUSED, {"Images": [{"BlockDeviceMappings": [{"Ebs": {"SnapshotId": "snap-1"}}]}]}],
        DeleteSnapshot=REFUSED,
    )
    drop = step("drop", "deleteImage", {"ImageId": "ami-1"}, maxAttempts=3)
    execution = start(executor, own_document("image", [drop]), override=True)
    assert execution.status is PlanStatus.FAILED
    assert [call.api for call in executor.calls] == ["DescribeImages"] * 2 + ["DeregisterImage", "DeleteSnapshot"]


@pytest.mark.parametrize(("seconds", "shown"), [(7200, 7200.0), (None, 3600.0)])
def test_a_wait_may_take_as_long_as_its_action_says(
    *, aws: Any, start: Any, monkeypatch: pytest.MonkeyPatch, seconds: int | None, shown: float
) -> None:
    from cloudops_nb.execution import step_limits, step_runner

    limits: list[float] = []

    def note(step: Any, values: Any) -> float:
        limits.append(original(step, values))
        return limits[-1]

    original = step_limits.limit_of
    monkeypatch.setattr(step_runner, "limit_of", note)
    executor = Scripted(DescribeInstances={"Reservations": [{"Instances": [{"State": {"Name": "stopped"}}]}]})
    halt = step("halt", "changeInstanceState", {"InstanceIds": ["i-1"], "DesiredState": "stopped"})
    execution = start(executor, own_document("halt", [halt | ({"timeoutSeconds": seconds} if seconds else {})]))
    assert execution.status is PlanStatus.COMPLETED
    assert limits[-1] == shown


def test_an_action_whose_time_is_up_makes_no_further_call(aws: Any, start: Any) -> None:
    waiting = Scripted(DescribeInstances={"Reservations": [{"Instances": [{"State": {"Name": "pending"}}]}]})
    act = step("act", "changeInstanceState", {"InstanceIds": ["i-1"], "DesiredState": "running"}, timeoutSeconds=1)
    execution = start(waiting, own_document("act", [act]))
    assert execution.status is PlanStatus.TIMEOUT
    assert dict(paths(execution))["act"] == "timeout"
    assert waiting.made("DescribeInstanceStatus") == []


@pytest.mark.parametrize("field", ["timeoutSeconds", "maxAttempts"])
def test_a_limit_that_the_run_cannot_use_fails_the_action(aws: Any, start: Any, field: str) -> None:
    limit = {field: "{{ find.Limit }}"}
    halt = step("halt", "changeInstanceState", {"InstanceIds": ["i-1"], "DesiredState": "stopped"}, **limit)
    executor = Scripted(DescribeInstances={"Limit": "soon"})
    execution = start(executor, own_document("halt", [look("find", {"Limit": "$.Limit"}), halt]))
    assert execution.status is PlanStatus.FAILED
    assert f"{field} is no whole number above 0" in messages(execution)["halt"]
    assert executor.made("StopInstances") == []


def test_an_unknown_outcome_inside_an_action_ends_the_run(aws: Any, start: Any) -> None:
    lost = CallResult(problem="ReadTimeoutError", code="ReadTimeoutError", lost=True)
    executor = Scripted(CreateImage=lost)
    make = step("make", "createImage", {"InstanceId": "i-1", "ImageName": "web"}, onFailure="Continue", maxAttempts=3)
    execution = start(executor, own_document("image", [make, look()]), override=True)
    assert execution.status is PlanStatus.FAILED
    assert executor.made() == ["CreateImage i-1 web"]
    assert dict(paths(execution))["make"] == "outcome_unknown"


@pytest.mark.parametrize("answer", [{}, {"Check": None}])
def test_an_action_whose_input_has_no_value_changes_nothing(aws: Any, start: Any, answer: dict[str, Any]) -> None:
    inputs = {"InstanceIds": ["i-1"], "DesiredState": "stopped", "CheckStateOnly": "{{ find.Check }}"}
    steps = [look("find", {"Check": "$.Check"}), step("stop", "changeInstanceState", inputs)]
    executor = Scripted(DescribeInstances=answer)
    execution = start(executor, own_document("stop", steps))
    assert execution.status is PlanStatus.FAILED
    assert messages(execution)["stop"] == "find.Check has no value: an earlier answer lacked it."
    assert executor.made("StopInstances") == []


@pytest.mark.parametrize(
    ("kind", "value"), [("String", "yes"), ("String", ""), ("StringList", ["true"]), ("StringMap", {"a": "b"})]
)
def test_a_given_input_that_is_no_boolean_is_refused(
    *, aws: Any, make_engine: Any, account: Any, kind: str, value: Any
) -> None:
    inputs = {"InstanceIds": ["i-1"], "DesiredState": "stopped", "CheckStateOnly": "{{ Check }}"}
    playbook = own_document("stop", [step("stop", "changeInstanceState", inputs)], parameters={"Check": {"type": kind}})
    engine = make_engine(playbook, executor=Scripted())
    with pytest.raises(PlaybookError, match=r"has a CheckStateOnly that .* does not take: it takes true, false"):
        engine.prepare(bound(playbook, Check=value), account=account)
