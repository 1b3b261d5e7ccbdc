"""The kinds of relations: a closed list, each kind with one meaning, and each in use."""

from __future__ import annotations

import pytest

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.specs.field_types import relation_kinds
from cloudops_nb.specs.files import bundled_specs, parse_specs

pytestmark = pytest.mark.fast


def test_every_kind_is_in_use_and_explained() -> None:
    used = {relation.kind for spec in bundled_specs() for relation in spec.relations}
    unused = sorted(relation_kinds().keys() - used)
    assert not unused, f"relation_kinds.yaml: remove what no declaration uses: {', '.join(unused)}"
    assert all(relation_kinds().values())
    assert list(relation_kinds()) == sorted(relation_kinds()), "relation_kinds.yaml: sort it by name"


def test_one_kind_leads_to_keys_that_encrypt() -> None:
    to_keys = {
        (relation.kind, relation.resource_type)
        for spec in bundled_specs()
        for relation in spec.relations
        if relation.resource_type == "kms_key"
    }
    assert to_keys == {("encrypted_with", "kms_key"), ("points_to", "kms_key")}


def test_an_unknown_kind_is_refused_with_its_position_and_the_nearest_kind() -> None:
    text = """service: polly
types:
  - resource_type: polly_lexicon
    list: {operation: ListLexicons, items: Lexicons}
    identifier: Name
    arn: Attributes.LexiconArn
    relations: [{kind: encrypted_by, resource_type: kms_key, path: Key}]
"""
    with pytest.raises(ConfigurationError) as caught:
        parse_specs(text, "polly.yaml")
    assert "7:18 relations.0.kind: unknown kind of relation encrypted_by; did you mean encrypted_with?" in str(
        caught.value
    )
