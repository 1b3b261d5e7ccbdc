"""The response fields that the declaration of a resource type reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.aws.answer_fields import AnswerFields, fields_read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudops_nb.specs.model import ListCall, ResourceSpec


def answer_fields_by_call(spec: ResourceSpec) -> dict[tuple[str, str], AnswerFields]:
    """Return the fields that are read from the response of each list call of a type, by service and operation.

    Batch and detail calls are not included, because their responses are kept whole.
    """
    calls = [spec.list, *([spec.parent.list] if spec.parent else [])]
    common = fields_read(_item_selectors(spec)) | fields_read(_page_selectors(calls))
    lists = [fields_read([call.items], continued=True) for call in calls]
    return {(spec.called, call.operation): common | each for call, each in zip(calls, lists, strict=True)}


def _item_selectors(spec: ResourceSpec) -> Iterator[str]:
    """Yield every selector that is evaluated on a listed item, alone or with the responses that further calls add."""
    yield from filter(None, (spec.identifier, spec.name, spec.arn, spec.state, spec.region, spec.owner))
    if spec.parent:
        yield from spec.parent.parameters.values()
    for batch in spec.batches:
        yield from (batch.key, *batch.parameters.values())
    for detail in spec.details:
        yield from (*detail.parameters.values(), *filter(None, [detail.when]))
    if spec.resource_policy and spec.resource_policy.path:
        yield spec.resource_policy.path
    if spec.tags and spec.tags.path:
        yield spec.tags.path
    yield from (relation.path for relation in spec.relations)
    for rules in (spec.constraints.can_start, spec.constraints.can_stop, spec.constraints.can_delete):
        yield from (rule.when for rule in rules if rule.when)
    yield from spec.facts.values()
    yield from spec.metadata.values()


def _page_selectors(calls: Iterable[ListCall]) -> Iterator[str]:
    for rules in (call.pages for call in calls if call.pages):
        yield from filter(None, (rules.output_token, rules.more_results))
