"""Documents that are written for one API."""

from __future__ import annotations

import botocore.session
import pytest

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.catalogue import Playbook
from cloudops_nb.ssm.linter import lint
from cloudops_nb.ssm.new_document import NewDocument, new_document
from cloudops_nb.ssm.observation import Observation, Observations

pytestmark = pytest.mark.fast

DATABASE = Observation(
    member="DBInstanceIdentifier",
    service="rds",
    api="DescribeDBInstances",
    parameters={"DBInstanceIdentifier": "{{ DBInstanceIdentifier }}"},
    identifier="$.DBInstances[0].DBInstanceIdentifier",
    state="$.DBInstances[0].DBInstanceStatus",
    before=("available",),
    after=("stopped",),
    resource_type="rds_instance",
    constraint="can_stop",
)
NOTHING = Observations()


def written(service: str, api: str, observed: Observations = NOTHING) -> NewDocument:
    model = botocore.session.get_session().get_service_model(service)
    return new_document(model.operation_model(api), "own-new", observed)


def playbook_of(made: NewDocument) -> Playbook:
    return Playbook.from_texts(made.runbook, made.metadata, "new")


def test_a_change_with_known_states_asserts_changes_and_waits() -> None:
    made = written("rds", "StopDBInstance", Observations(DATABASE, DATABASE))
    playbook = playbook_of(made)

    assert [step.name for step in playbook.document.steps] == ["assertAvailable", "stopDBInstance", "waitUntilStopped"]
    metadata = playbook.metadata
    assert metadata.target_parameter == "DBInstanceIdentifier"
    assert (metadata.allowed_states, metadata.expected_state, metadata.constraints) == (
        ["available"],
        "stopped",
        ["can_stop"],
    )
    assert metadata.iam_actions == ["rds:StopDBInstance", "rds:DescribeDBInstances"]
    assert "#" not in made.runbook
    report = lint(playbook.document, metadata, playbooks=[])
    assert (report.verdict, report.findings) == ("accepted", ())


def test_an_unknown_state_is_a_comment_and_the_resource_must_exist() -> None:
    seen = Observation(
        **{field: getattr(DATABASE, field) for field in DATABASE.__slots__} | {"before": (), "after": ()}
    )
    made = written("rds", "ModifyDBInstance", Observations(seen, seen))
    playbook = playbook_of(made)

    assert [step.name for step in playbook.document.steps] == ["assertExists", "modifyDBInstance", "waitUntilFound"]
    assert "# The states in which AWS accepts ModifyDBInstance are not known" in made.runbook
    assert "# The state of the rds instance after ModifyDBInstance is not known" in made.runbook
    assert lint(playbook.document, playbook.metadata, playbooks=[]).score >= 70


def test_an_unknown_resource_is_a_comment() -> None:
    made = written("sqs", "CreateQueue")
    playbook = playbook_of(made)

    (step,) = playbook.document.steps
    assert step.api == "CreateQueue"
    comments = " ".join(line.strip("# ") for line in made.runbook.splitlines() if line.strip().startswith("#"))
    assert "No API is known that reads what this step changes" in comments
    assert "Add a step after this one that waits for the result" in comments
    assert "a plan needs --override" in comments
    assert lint(playbook.document, playbook.metadata).score >= 50


def test_a_read_has_one_step_and_no_risks() -> None:
    playbook = playbook_of(written("rds", "DescribeDBInstances", Observations(DATABASE, DATABASE)))
    assert [step.api for step in playbook.document.steps] == ["DescribeDBInstances"]
    assert playbook.metadata.risks == []
    assert playbook.metadata.level == "low"


def test_parameters_have_the_types_of_botocore_s_shapes() -> None:
    parameters = playbook_of(written("rds", "CreateDBInstance")).document.parameters
    assert {name: each.type for name, each in parameters.items()} == {
        "DBInstanceIdentifier": "String",
        "DBInstanceClass": "String",
        "Engine": "String",
    }
    tags = playbook_of(written("ec2", "CreateTags")).document.parameters
    assert {name: each.type for name, each in tags.items()} == {"Resources": "StringList", "Tags": "MapList"}
    throughput = playbook_of(written("kinesis", "UpdateShardCount")).document.parameters
    assert throughput["TargetShardCount"].type == "Integer"
    assert throughput["ScalingType"].allowed_values == ("UNIFORM_SCALING",)
    assert playbook_of(written("eks", "DeleteCluster")).document.parameters.keys() == {"Name"}
    assert playbook_of(written("s3", "PutBucketVersioning")).document.parameters["VersioningConfiguration"].type == (
        "StringMap"
    )


@pytest.mark.parametrize(("service", "api"), [("ec2", "RunInstances"), ("ec2", "GetPasswordData")])
def test_an_api_that_no_plan_may_call_is_refused(service: str, api: str) -> None:
    with pytest.raises(PlaybookError, match=f"no plan may call {service}:{api}"):
        written(service, api)
