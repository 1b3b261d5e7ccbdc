"""Builds a :class:`~cloudops_nb.model.Resource` from one listed item, as the type's spec (its declaration) says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.regions import GLOBAL
from cloudops_nb.declarations.selectors import fields, holds, select
from cloudops_nb.iam import Unreadable
from cloudops_nb.model import POLICY, TAGS, Constraint, Constraints, IamPermissions, Relation, Resource, Ternary
from cloudops_nb.specs.managed_by_aws import managed_rules
from cloudops_nb.specs.relation_targets import Place, relation_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudops_nb.model import Account
    from cloudops_nb.scanner.policies.verdicts import AccountVerdicts
    from cloudops_nb.specs.managed_by_aws import ManagedRule
    from cloudops_nb.specs.model import ResourcePolicy, ResourceSpec, Rule, Rules, TagSource

#: The key in ``Resource.metadata`` for the calls that failed: the names of the missing responses, each with the reason,
#: for example ``{"tagging": "AccessDenied: …"}``.
UNREAD = "unread"
#: The reason for a missing response that only a scan with every detail requests.
NOT_REQUESTED = "it is read only by a scan with every detail"
_NAME_TAG = "Name"
_VERBS = {"can_start": "start", "can_stop": "stop", "can_delete": "delete"}


@dataclass(frozen=True, slots=True)
class ListingContext:
    """The values that are the same for all items of one listing.

    ``verdicts`` evaluates which IAM actions the acting principal may perform on a resource. ``at`` is the time of the
    listing in UTC.
    """

    account: Account
    partition: str
    region: str
    verdicts: AccountVerdicts
    at: datetime


@dataclass(frozen=True, slots=True)
class ListedItem:
    """One item of a listing with the responses of its batch and detail calls.

    Attributes:
        data: The item's fields, and the responses by name.
        unread: The name of each missing response, and why it is missing.
        tags: The tags of all the type's resources by ARN, if the tags have a listing of their own; otherwise ``None``.
    """

    data: Mapping[str, Any]
    unread: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, Mapping[str, str]] | None = None


def build_resource(spec: ResourceSpec, item: ListedItem, context: ListingContext) -> Resource:
    """Return the resource that an item describes; IAM verdicts and constraints that need unread data are unknown."""
    identifier = str(select(spec.identifier, item.data))
    own_name = str(_selected(spec.name, item.data) or identifier)
    template_values = {
        "partition": context.partition,
        "region": region_of(spec, item.data, context.region),
        "account_id": context.account.account_id,
        "identifier": identifier,
        "name": own_name,
        "state": str(_selected(spec.state, item.data) or ""),
    }
    arn = arn_of(spec, item.data, template_values)
    tags = _tags(spec.tags, item, arn)
    return Resource(
        resource_type=spec.resource_type,
        identifier=identifier,
        account_id=template_values["account_id"],
        region=template_values["region"],
        service=spec.service,
        arn=arn,
        name=(tags.get(_NAME_TAG) if spec.name_tag else "") or own_name,
        state=template_values["state"],
        account_name=context.account.name,
        account_environment=context.account.environment,
        tags=tags,
        iam=_verdicts(spec, item, arn, tags, context),
        constraints=_constraints(spec, item, template_values),
        relations=_relations(spec, item.data, Place(template_values["account_id"], template_values["region"])),
        metadata=_metadata(spec, item),
        last_synced=context.at,
        last_read=dict.fromkeys(_unread_parts(spec, item), ""),
    )


def has_identity(spec: ResourceSpec, item: ListedItem) -> bool:
    """Return whether the fields that identify the resource were read and the identifier is not empty."""
    if _unread_field(spec.identifier, item) or _unread_field(spec.arn, item):
        return False
    return bool(select(spec.identifier, item.data))


def region_of(spec: ResourceSpec, data: Mapping[str, Any], region: str) -> str:
    """Return a resource's region: the item's own region if the spec selects it, else the region of the listing.

    An item that lacks its region counts as global. The task reader marks the cells of such a listing as incomplete.
    """
    return region if spec.region is None else str(select(spec.region, data) or GLOBAL)


def arn_of(spec: ResourceSpec, data: Mapping[str, Any], template_values: Mapping[str, str]) -> str:
    """Return the resource's ARN, read from the item or formatted from the spec's template."""
    return str(_selected(spec.arn, data) or "") if spec.arn else str(spec.arn_template).format(**template_values)


def _selected(selector: str | None, data: Mapping[str, Any]) -> Any:
    return None if selector is None else select(selector, data)


def _tags(source: TagSource | None, item: ListedItem, arn: str) -> dict[str, str]:
    if item.tags is not None:
        return dict(item.tags.get(arn, {}))
    if source is None or not (found := _selected(source.path, item.data)):
        return {}
    if isinstance(found, Mapping):
        return {str(key): str(value) for key, value in found.items()}
    return {tag[source.key]: tag.get(source.value) or "" for tag in found}


def _verdicts(
    spec: ResourceSpec, item: ListedItem, arn: str, tags: Mapping[str, str], context: ListingContext
) -> IamPermissions:
    permissions = context.verdicts.permissions(
        spec.actions,
        arn,
        account_id=context.account.account_id,
        region=spec.home or region_of(spec, item.data, context.region),
        tags=tags if _tags_are_known(spec.tags, item) else None,
        resource_policy=_resource_policy(spec.resource_policy, item),
    )
    for rule in managed_rules(spec.resource_type):
        permissions = _without_managed_actions(permissions, rule, item)
    return permissions


def _without_managed_actions(permissions: IamPermissions, rule: ManagedRule, item: ListedItem) -> IamPermissions:
    """Deny the actions that AWS refuses on a resource of this kind; allowed ones are unknown if the kind is unknown."""
    allowed = (*permissions.allowed, *permissions.allowed_by_account)
    if missing := _unread_field(rule.when, item):
        why = f"AWS may manage it: {why_unread(item, missing)}"
        return permissions.with_unknown([each for each in rule.refuses if each in allowed], why)
    try:
        managed = holds(rule.when, item.data)
    except ValueError as error:
        why = f"AWS may manage it: AWS's response has an unexpected form: {error}"
        return permissions.with_unknown([each for each in rule.refuses if each in allowed], why)
    return permissions.with_denied(rule.refuses, f"managed by AWS: {rule.reason}") if managed else permissions


def _tags_are_known(source: TagSource | None, item: ListedItem) -> bool:
    """Return whether all tags of the resource were read; if the spec has no tag source, unread tags may exist."""
    return item.tags is not None or (source is not None and bool(source.path) and not _unread_field(source.path, item))


def _resource_policy(source: ResourcePolicy | None, item: ListedItem) -> Any:
    """Return the resource's own policy: a document, ``None`` if there is no policy, or the reason why it is unknown."""
    if source is None:
        return None
    if source.path is None:
        return Unreadable("the resource's own policy, which a scan does not read")
    if missing := _unread_field(source.path, item):
        return Unreadable(f"the resource's own policy: {why_unread(item, missing)}")
    try:
        return select(source.path, item.data) or None
    except ValueError as error:
        return Unreadable(f"the resource's own policy: AWS's response has an unexpected form: {error}")


def _constraints(spec: ResourceSpec, item: ListedItem, template_values: Mapping[str, str]) -> Constraints:
    facts = {name: _fact_value(selector, item) for name, selector in spec.facts.items()}
    return Constraints(
        **{
            name: _constraint_by_rules(verb, getattr(spec.constraints, name), item, template_values)
            for name, verb in _VERBS.items()
        },
        facts={name: value for name, value in facts.items() if value is not None},
    )


def _constraint_by_rules(verb: str, rules: Rules, item: ListedItem, template_values: Mapping[str, str]) -> Constraint:
    """Return the constraint of the first rule that holds, or an unknown one if finding that rule needs unread data."""
    for rule in rules:
        try:
            missing = _unread_field(rule.when, item)
            if missing:
                return Constraint(Ternary.UNKNOWN, why_unread(item, missing))
            if rule.when is None or holds(rule.when, item.data):
                return _constraint_by_rule(rule, template_values)
        except ValueError as error:
            return Constraint(Ternary.UNKNOWN, f"AWS's response has an unexpected form: {error}")
    # If a spec has no rules for the verb, the type has no such operation.
    return Constraint(Ternary.FALSE, f"there is nothing to {verb}")


def _constraint_by_rule(rule: Rule, template_values: Mapping[str, str]) -> Constraint:
    value = Ternary(str(rule.value).lower())
    return Constraint(value, rule.reason.format(**template_values))


def why_unread(item: ListedItem, name: str) -> str:
    """Return a sentence that says why a response is missing."""
    why = item.unread[name]
    return f"its {name} was not read: {why}" if why == NOT_REQUESTED else f"its {name} could not be read: {why}"


def _unread_field(selector: str | None, item: ListedItem) -> str:
    """Return the name of a missing response that a selector needs, empty if no such response is missing."""
    if not item.unread or not selector:
        return ""
    mentioned = fields(selector)
    return next((name for name in item.unread if name in mentioned), "")


def _fact_value(selector: str, item: ListedItem) -> bool | int | str | None:
    if _unread_field(selector, item):
        return None
    found = _selected_or_none(selector, item.data)
    return found if isinstance(found, bool | int | str) else None


def _relations(spec: ResourceSpec, data: Mapping[str, Any], place: Place) -> tuple[Relation, ...]:
    links: dict[Relation, None] = {}
    for relation in spec.relations:
        found = _selected_or_none(relation.path, data)
        if not found:
            continue
        # Sort, because AWS may return a list in a different order each time, but an unchanged resource must stay equal.
        for target in sorted(str(target) for target in _as_list(found) if target):
            links[relation_target(relation, target, place)] = None
    return tuple(links)


def _unread_parts(spec: ResourceSpec, item: ListedItem) -> Iterator[str]:
    """Yield the parts of the resource that need a missing response; a type without tags has no tags to miss."""
    if not item.unread:
        return
    if spec.tags is not None and not _tags_are_known(spec.tags, item):
        yield TAGS
    if spec.resource_policy and _unread_field(spec.resource_policy.path, item):
        yield POLICY
    selectors = {f"facts.{name}": selector for name, selector in spec.facts.items()}
    selectors |= {f"metadata.{name}": selector for name, selector in spec.metadata.items()}
    yield from (name for name, selector in selectors.items() if _unread_field(selector, item))
    for relation in spec.relations:
        if _unread_field(relation.path, item):
            yield f"relations.{relation.kind}.{relation.resource_type}"


def _selected_or_none(selector: str, data: Mapping[str, Any]) -> Any:
    """Return a selector's result, or ``None`` for data of an unexpected form, so that only this field is lost."""
    try:
        return select(selector, data)
    except ValueError:
        return None


def _as_list(found: Any) -> Sequence[Any]:
    return found if isinstance(found, list) else [found]


def _metadata(spec: ResourceSpec, item: ListedItem) -> dict[str, Any]:
    kept = {}
    for name, selector in spec.metadata.items():
        value = None if _unread_field(selector, item) else _selected_or_none(selector, item.data)
        if value is not None:
            kept[name] = json_ready(value)
    failed = {name: why for name, why in item.unread.items() if why != NOT_REQUESTED}
    return {**kept, UNREAD: failed} if failed else kept


def json_ready(value: Any) -> Any:
    """Return a value in a form that JSON can hold: times as ISO 8601, bytes as hexadecimal."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): json_ready(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(inner) for inner in value]
    return value
