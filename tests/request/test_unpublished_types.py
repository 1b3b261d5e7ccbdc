"""Resources of types that the wire has no word for: they travel as ``other``, never by their own type's name."""

from __future__ import annotations

import json
from functools import cache

import pytest

from cloudops_nb.model import Constraints
from cloudops_nb.request.builder import build, private_values
from cloudops_nb.request.egress import checked_bytes
from cloudops_nb.request.resolve import Resolver
from cloudops_nb.specs.files import bundled_specs
from cloudops_nb.understanding.vocabulary import vocabulary
from tests.request.estates import Abilities, MemoryEstate, environment_of, instance

pytestmark = pytest.mark.fast

PUBLISHED = frozenset(vocabulary().resource_types.values())


@cache
def bundled_types():
    return sorted(spec.resource_type for spec in bundled_specs())


FACTS = {"multi_az": True, "has_backups": False, "has_dependencies": True, "protected": True, "read_replicas": 2}


def member(resource_type, name="qzx-main", **fields):
    service = resource_type.partition("_")[0]
    arn = f"arn:aws:{service}:eu-west-1:123456789012:{name}"
    shared = {"state": "SOME_NEW_STATE", "constraints": Constraints(facts=FACTS), "metadata": {"engine": "valkey"}}
    return instance(name, resource_type=resource_type, identifier=name, service=service, arn=arn, **shared, **fields)


def outgoing(prompt, *estate):
    resolution = Resolver(MemoryEstate(estate), environment_of, Abilities()).resolve(prompt)
    assert resolution.question == ""
    request = build(resolution, environment_of)
    return json.loads(checked_bytes(request, private_values(resolution, prompt, ["123456789012", "eu-west-1"])))


def test_a_resource_of_any_scanned_type_can_be_asked_about():
    told = {}
    for resource_type in bundled_types():
        (handle,) = outgoing("stop qzx-main", member(resource_type))["handles"]
        told[resource_type] = [handle["facets"][facet] for facet in ("resource_type", "state", "engine")]

    assert told == {kind: [kind if kind in PUBLISHED else "other", "other", "other"] for kind in bundled_types()}


def test_several_of_one_unpublished_type_are_a_set_of_others():
    (handle,) = outgoing("stop qzx-one and qzx-two", member("mq_broker", "qzx-one"), member("mq_broker", "qzx-two"))[
        "handles"
    ]

    assert (handle["kind"], handle["resource_type"], handle["count"]) == ("set", "other", "2-5")


def test_most_scanned_types_are_not_published():
    assert len(PUBLISHED & set(bundled_types())) == len(PUBLISHED) < len(bundled_types())
