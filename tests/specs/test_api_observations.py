"""How the resource that an API names is read, and what is known of its states."""

from __future__ import annotations

import pytest

from cloudops_nb.specs.api_observations import observe
from cloudops_nb.specs.files import bundled_specs
from tests.synthetic_aws.models import service_model

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("service", "api", "reads", "states", "kind"),
    [
        ("rds", "StopDBInstance", "DescribeDBInstances", (("available",), ("stopped",)), "rds_instance"),
        ("rds", "StartDBInstance", "DescribeDBInstances", (("stopped",), ("available",)), "rds_instance"),
        ("rds", "DeleteDBInstance", "DescribeDBInstances", ((), ("deleting",)), "rds_instance"),
        ("ec2", "StopInstances", "DescribeInstances", (("running",), ("stopped",)), "ec2_instance"),
        ("ec2", "TerminateInstances", "DescribeInstances", ((), ("terminated", "shutting-down")), "ec2_instance"),
        ("ec2", "DeleteVolume", "DescribeVolumes", (("available",), ()), "ec2_volume"),
        ("redshift", "PauseCluster", "DescribeClusters", (("available",), ("paused",)), "redshift_cluster"),
        ("dynamodb", "DeleteTable", "DescribeTable", ((), ("DELETING",)), "dynamodb_table"),
        ("lambda", "DeleteFunction", "GetFunctionConfiguration", ((), ()), "lambda_function"),
        ("eks", "DeleteCluster", "DescribeCluster", ((), ("DELETING",)), "eks_cluster"),
        ("elasticache", "RebootCacheCluster", "DescribeCacheClusters", ((), ()), "elasticache_cluster"),
    ],
)
def test_the_states_come_from_the_type_s_constraints(
    service: str, api: str, reads: str, states: tuple[tuple[str, ...], tuple[str, ...]], kind: str
) -> None:
    found = observe(service_model(service), api, bundled_specs())
    assert found.subject is not None
    assert found.subject == found.result
    seen = found.subject
    assert (seen.api, (tuple(seen.before), tuple(seen.after)), seen.resource_type) == (reads, states, kind)


def test_a_created_resource_is_not_there_before() -> None:
    snapshot = observe(service_model("rds"), "CreateDBSnapshot", bundled_specs())
    assert snapshot.subject is not None
    assert snapshot.result is not None
    assert (snapshot.subject.resource_type, snapshot.result.resource_type) == ("rds_instance", "rds_snapshot")
    role = observe(service_model("iam"), "CreateRole", bundled_specs())
    assert role.subject is None
    assert role.result is not None
    assert role.result.api == "GetRole"


def test_several_resources_are_read_as_a_list() -> None:
    seen = observe(service_model("ec2"), "StopInstances", bundled_specs()).subject
    assert seen is not None
    assert seen.parameters == {"InstanceIds": "{{ InstanceIds }}"}
    assert seen.state == "$.Reservations[*].Instances[*].State.Name"


def test_an_api_that_names_no_known_resource_has_no_observation() -> None:
    found = observe(service_model("sqs"), "CreateQueue", bundled_specs())
    assert (found.subject, found.result) == (None, None)
