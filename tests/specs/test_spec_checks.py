"""The checks of declarations find mistakes, and report their position."""

from __future__ import annotations

import pytest

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.specs.checks import spec_problems
from cloudops_nb.specs.checks.paging_checks import missing_page_sizes
from cloudops_nb.specs.files import parse_specs
from tests.specs.iam_action_checks import action_problems

pytestmark = pytest.mark.fast

GOOD = """
service: ecs
types:
  - resource_type: ecs_service
    cloudformation_type: AWS::ECS::Service
    parent:
      into: cluster
      list: {operation: ListClusters, items: "clusterArns[].{arn: @}", page_size: 100}
      parameters: {cluster: arn}
      gone: [ClusterNotFoundException]
    list: {operation: ListServices, items: "serviceArns[].{arn: @}", page_size: 100}
    batches:
      - {into: service, operation: DescribeServices, keys: services, key: arn, items: services, match: serviceArn,
         size: 10, parameters: {cluster: cluster.arn}}
    details:
      - {into: tasks, operation: ListTasks, parameters: {cluster: cluster.arn, serviceName: service.serviceName}}
    identifier: "arn_name(arn)"
    name: service.serviceName
    arn: arn
    state: service.status
    tags: {style: list, path: service.tags, key: key, value: value}
    relations:
      - {kind: in_subnet, resource_type: ec2_subnet, path: "service.networkConfiguration.awsvpcConfiguration.subnets[]"}
    constraints:
      can_delete: [{when: "service.runningCount > `0`", value: false, reason: it runs}, {value: true}]
    facts: {has_dependencies: "length(service.loadBalancers || `[]`) > `0`"}
    metadata: {launch_type: service.launchType}
    actions: [ecs:UpdateService]
"""


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("operation: ListServices", "operation: ListService", "ecs has no operation ListService; did you mean"),
        ("{cluster: arn}", "{clustr: arn}", "ListServices has no parameter clustr; did you mean cluster?"),
        (
            "{cluster: arn}",
            "{cluster: name}",
            "cluster 'name': name is not in the structure in the selector (it has arn)",
        ),
        ("clusterArns[].{arn: @}", "clusterArn[].{arn: @}", "did you mean clusterArns?"),
        ("clusterArns[].{arn: @}", "clusterArns", "gives a list of strings; give each a name"),
        ("keys: services", "keys: service", "DescribeServices has no parameter service; did you mean services?"),
        ("key: arn,", "key: cluster,", "batches.key 'cluster' gives a structure"),
        ("match: serviceArn", "match: arn", "match 'arn': arn is not in Service"),
        ("cluster: cluster.arn}}", "cluster: '[arn]'}}", "cluster '[arn]' gives a list, not a string (String)"),
        ("service.serviceName}}", "service.loadBalancers}}", "gives a list (LoadBalancers), not a string (String)"),
        ("name: service.serviceName", "name: service.events", "name 'service.events' gives a list"),
        (
            "state: service.status",
            "state: service.staus",
            "state 'service.staus': staus is not in Service; did you mean",
        ),
        (
            'identifier: "arn_name(arn)"',
            "identifier: service.serviceArn",
            "must keep its identifier when that call fails",
        ),
        ("key: key, value", "key: Key, value", "a tag has no Key, but key, value"),
        ("subnets[]", "subnets[].id", "id is selected from a string (String), which has no fields"),
        ("service.runningCount >", "service.running[0] >", "constraints.can_delete.when"),
        ("length(service.loadBalancers", "length(service.loadBalancer", "facts.has_dependencies"),
        ("launchType}", "launchtype}", "metadata.launch_type 'service.launchtype': launchtype is not in Service"),
        ("into: service,", "into: arn,", "batches.into 'arn' hides a field"),
        ('serviceArns[].{arn: @}", page_size: 100', 'serviceArns[].{arn: @}"', "page_size is missing"),
        (
            "operation: ListServices",
            "operation: DescribeCapacityProviders",
            "botocore has no paginator for it; declare pages",
        ),
        ("ecs:UpdateService", "elastic:UpdateService", "action elastic:UpdateService: ecs's prefix is ecs"),
    ],
)
def test_a_wrong_word_is_found_and_named(right: str, wrong: str, problem: str) -> None:
    assert GOOD.count(right) == 1
    (spec,) = parse_specs(GOOD.replace(right, wrong), "ecs.yaml")
    found = [each.message for each in (*spec_problems(spec), *missing_page_sizes(spec))] + action_problems(spec, {}, ())
    assert any(problem in each for each in found), found


def test_a_right_spec_has_no_problem() -> None:
    (spec,) = parse_specs(GOOD, "ecs.yaml")
    assert not spec_problems(spec)
    assert not missing_page_sizes(spec)
    assert not action_problems(spec, {}, ())


def test_a_batch_larger_than_its_call_takes_is_found() -> None:
    text = """
service: codebuild
types:
  - resource_type: codebuild_project
    cloudformation_type: AWS::CodeBuild::Project
    list: {operation: ListProjects, items: "projects[].{name: @}"}
    batches:
      - {into: project, operation: BatchGetProjects, keys: names, key: name, items: projects, match: name, size: 101}
    identifier: name
    arn_template: "arn:{partition}:codebuild:{region}:{account_id}:project/{identifier}"
"""
    (spec,) = parse_specs(text, "codebuild.yaml")
    assert [each.message for each in spec_problems(spec)] == ["size is 101, but names accepts at most 100"]


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("items: services, match", "items: Catalogs, match", "batches.items 'Catalogs': Catalogs is not in"),
        ('identifier: "arn_name(arn)"', "identifier: Name", "17:5 identifier 'Name': Name is not in"),
        ("service.runningCount >", "length(service.events) > `0` || service.runningCount >", "when a field is absent"),
    ],
)
def test_a_users_own_file_is_refused_at_the_place_of_the_mistake_and_a_bundled_one_is_not_looked_at(
    right: str, wrong: str, problem: str
) -> None:
    assert GOOD.count(right) == 1
    text = GOOD.replace(right, wrong)
    with pytest.raises(ConfigurationError) as raised:
        parse_specs(text, "mine.yaml", own=True)
    assert problem in str(raised.value)
    assert parse_specs(text, "bundled.yaml")


def test_a_users_own_file_may_leave_the_page_size_to_aws() -> None:
    assert parse_specs(
        GOOD.replace('serviceArns[].{arn: @}", page_size: 100', 'serviceArns[].{arn: @}"'), "mine.yaml", own=True
    )
