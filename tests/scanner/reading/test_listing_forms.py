"""Unusual listings: pages that botocore cannot follow, global types with another home, children of real parents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from cloudops_nb.model import CellState, Relation
from cloudops_nb.specs.files import parse_specs
from tests.scanner.moto_estate import KEYS, PROD

if TYPE_CHECKING:
    from collections.abc import Callable

#: A region in which there is nothing but what a test answers itself.
REGION = "eu-central-1"


@pytest.fixture
def scan(make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any) -> Callable[..., Any]:
    """Scans what a spec says."""

    def run(text: str, **options: Any) -> Any:
        scanner = make_scanner(events=faults.events, specs=parse_specs(text, "mine.yaml"), threads=1)
        return collect(scanner, **{"accounts": ["prod"], "regions": [REGION], **options})

    return run


APPRUNNER = """
service: apprunner
types:
  - resource_type: apprunner_service
    cloudformation_type: AWS::AppRunner::Service
    list: {operation: ListServices, items: ServiceSummaryList%s}
    identifier: ServiceId
    arn: ServiceArn
"""
PAGES = ", pages: {input_token: NextToken, output_token: NextToken, limit_key: MaxResults}, page_size: 20"


@pytest.mark.parametrize(("rules", "state", "resources"), [(PAGES, CellState.OK, 2), ("", CellState.PARTIAL, 1)])
def test_pages_that_botocore_does_not_know_are_followed_or_missed_aloud(
    *, scan: Any, faults: Any, answer: Any, rules: str, state: CellState, resources: int
) -> None:
    first = {"ServiceSummaryList": [{"ServiceId": "a", "ServiceArn": "arn:a"}], "NextToken": "2"}
    second = {"ServiceSummaryList": [{"ServiceId": "b", "ServiceArn": "arn:b"}]}
    faults.set("apprunner:ListServices", answer(json.dumps(first)), region=REGION, calls=range(1, 2))
    faults.set("apprunner:ListServices", answer(json.dumps(second)), region=REGION, calls=range(2, 3))
    (result,) = scan(APPRUNNER % rules).results.values()
    assert (result.state, result.resources) == (state, resources)
    assert ("NextToken" in result.detail) is (state is CellState.PARTIAL)


ACCELERATOR = """
service: globalaccelerator
types:
  - resource_type: globalaccelerator_accelerator
    cloudformation_type: AWS::GlobalAccelerator::Accelerator
    scope: global
    home: us-west-2
    list: {operation: ListAccelerators, items: Accelerators, page_size: 100}
    identifier: AcceleratorArn
    name: Name
    arn: AcceleratorArn
    tags: {style: tagging_api, filter: "globalaccelerator:accelerator"}
"""


def test_a_type_of_no_region_and_its_tags_are_asked_for_in_its_home(scan: Any, faults: Any, answer: Any) -> None:
    arn = f"arn:aws:globalaccelerator::{PROD}:accelerator/a"
    listed = {"Accelerators": [{"AcceleratorArn": arn, "Name": "front"}]}
    tags = {"ResourceTagMappingList": [{"ResourceARN": arn, "Tags": [{"Key": "Team", "Value": "pay"}]}]}
    faults.set("global-accelerator:ListAccelerators", answer(json.dumps(listed)), region="us-west-2")
    faults.set("resource-groups-tagging-api:GetResources", answer(json.dumps(tags)), region="us-west-2")
    found = scan(ACCELERATOR)
    (result,) = found.results.values()
    assert (str(result.key), result.state) == (f"{PROD}/global/globalaccelerator_accelerator", CellState.OK)
    accelerator = found.one("globalaccelerator_accelerator", "front")
    assert (accelerator.region, accelerator.tags) == ("global", {"Team": "pay"})


LISTENERS = """
service: elbv2
types:
  - resource_type: elbv2_listener
    cloudformation_type: AWS::ElasticLoadBalancingV2::Listener
    parent:
      into: balancer
      list: {operation: DescribeLoadBalancers, items: LoadBalancers, page_size: 400}
      parameters: {LoadBalancerArn: LoadBalancerArn}
      gone: [LoadBalancerNotFound]
    list: {operation: DescribeListeners, items: Listeners, page_size: 400}
    identifier: ListenerArn
    name: "join(':', [balancer.LoadBalancerName, to_string(Port)])"
    arn: ListenerArn
    relations: [{kind: listens_on, resource_type: elbv2_load_balancer, path: LoadBalancerArn}]
"""


def test_listeners_are_read_of_each_load_balancer(scan: Any, estate: Any) -> None:
    elbv2 = boto3.client("elbv2", region_name="eu-west-1", endpoint_url=estate.endpoint, **KEYS)
    forward = [{"Type": "forward", "TargetGroupArn": estate.made["target_group"]}]
    made = elbv2.create_listener(
        LoadBalancerArn=estate.made["balancer"], Protocol="HTTP", Port=80, DefaultActions=forward
    )["Listeners"][0]["ListenerArn"]
    try:
        listener = scan(LISTENERS, regions=["eu-west-1"]).one("elbv2_listener", "front:80")
    finally:
        elbv2.delete_listener(ListenerArn=made)
    assert listener.identifier == made
    balancer = estate.made["balancer"]
    account_id = balancer.split(":")[4]
    assert listener.relations == (
        Relation("listens_on", "elbv2_load_balancer", balancer, account_id, "eu-west-1", balancer),
    )
