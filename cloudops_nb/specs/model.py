"""The declaration of a resource type: the calls that read it, and the meaning of the fields in their answers.

A selector is a JMESPath expression that is evaluated on one item of the list answer. The item also holds the answers of
the parent, batch and detail calls, each under its ``into``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cloudops_nb.specs.field_types import AbsenceCode, Operation, RelationKind, Selector, Template


class _Declaration(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Absence(_Declaration):
    """An error code that means "there are none" only if its message contains certain words; otherwise a refusal."""

    code: AbsenceCode
    message: Annotated[str, Field(min_length=1)]


class PageRules(_Declaration):
    """The pagination of an operation that botocore does not paginate, in the terms of botocore's paginators."""

    input_token: str
    output_token: Selector
    more_results: Selector | None = None
    limit_key: str | None = None

    def as_botocore(self, items: str) -> dict[str, Any]:
        """Return the rules in the form of botocore's paginators; ``items`` selects the list of a page."""
        return {**self.model_dump(exclude_none=True), "result_key": items}


class ListCall(_Declaration):
    """The call whose pages list every resource of the type.

    Attributes:
        operation: The operation, as ``DescribeInstances``.
        items: Selects the list of items of a page.
        parameters: The parameters of the call.
        page_size: Items per page; sent only if the operation is paginated.
        pages: The pagination, for an operation that botocore does not paginate.
        omitted_when_empty: Whether the operation omits an empty list from its answer. For other operations an answer
            without the list is a failure.
        absent: Error codes that mean "the service is not in use here", which counts as an empty list. A code that can
            also be a refusal needs the words of its message.
    """

    operation: Operation
    items: Selector
    parameters: dict[str, Any] = {}
    page_size: int | None = Field(default=None, ge=1)
    pages: PageRules | None = None
    omitted_when_empty: bool = False
    absent: tuple[AbsenceCode | Absence, ...] = ()

    def tells_absence(self, code: str, message: str) -> bool:
        """Return whether an error means that the service is not in use here."""
        return any(
            code == each if isinstance(each, str) else code == each.code and each.message in message
            for each in self.absent
        )


class ParentListing(_Declaration):
    """The listing of parents, for a type that is listed once per parent, as ECS services per cluster.

    A parent that fails for another reason than ``gone`` leaves the cell incomplete.

    Attributes:
        into: The key under which each listed item holds its parent's item.
        list: The call that lists the parents.
        parameters: Selectors on a parent's item, whose values become parameters of the type's list call.
        gone: Error codes that mean that the parent was deleted after it was listed.
    """

    into: Annotated[str, Field(pattern=r"^[a-z_]+$")]
    list: ListCall
    parameters: dict[str, Selector]
    gone: tuple[AbsenceCode, ...] = ()


class BatchCall(_Declaration):
    """One call that describes up to ``size`` items at once.

    An item that is missing in the answer was deleted after it was listed; an answer without any of several items is
    not trusted.

    Attributes:
        into: The key under which each item holds its part of the answer.
        operation: The operation, as ``DescribeServices``.
        keys: The parameter that takes the list of the items' keys.
        key: Selects an item's key.
        items: Selects the list in the answer.
        match: Selects, in an element of that list, the key of its item.
        size: The most items per call.
        parameters: Selectors of further parameters; only items with equal values share a call.
    """

    into: Annotated[str, Field(pattern=r"^[a-z_]+$")]
    operation: Operation
    keys: str
    key: Selector
    items: Selector
    match: Selector
    size: int = Field(ge=1)
    parameters: dict[str, Selector] = {}


class DetailCall(_Declaration):
    """One call per item.

    A failure other than ``absent`` or ``gone`` leaves every field that depends on the answer unknown.

    Attributes:
        into: The key under which the item holds the answer.
        operation: The operation, as ``GetBucketTagging``.
        parameters: Selectors of the parameters.
        when: A condition; an item for which it does not hold needs no call.
        absent: Error codes that mean "there is none".
        gone: Error codes that mean that the resource was deleted after it was listed.
        on_demand: Whether only a scan of every detail makes the call, because it is expensive; in other scans the
            fields that depend on it are unknown.
    """

    into: Annotated[str, Field(pattern=r"^[a-z_]+$")]
    operation: Operation
    parameters: dict[str, Selector]
    when: Selector | None = None
    absent: tuple[AbsenceCode, ...] = ()
    gone: tuple[AbsenceCode, ...] = ()
    on_demand: bool = False


class TagSource(_Declaration):
    """The source of a type's tags: a list of pairs or a map in the item, or the tagging API, listed once per cell.

    Attributes:
        style: ``list`` of pairs, ``map`` of keys to values, or ``tagging_api``.
        path: Selects the list or the map.
        filter: The resource type filter of the tagging API, as ``ec2:instance``.
        key: The name of a pair's key; most services capitalise it.
        value: The name of a pair's value.
    """

    style: Literal["list", "map", "tagging_api"]
    path: Selector | None = None
    filter: str = ""
    key: str = "Key"
    value: str = "Value"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.style == "tagging_api") != bool(self.filter) or (self.style == "tagging_api") == bool(self.path):
            raise ValueError("tagging_api takes a filter and no path; list and map take a path and no filter")
        return self


class RelationPath(_Declaration):
    """A relation to another resource; ``path`` selects its identifier, or a list of identifiers."""

    kind: RelationKind
    resource_type: str
    path: Selector


class ResourcePolicy(_Declaration):
    """Declares that resources of the type can have a resource policy; ``path`` selects its document, text or data.

    Without a path the policy is not read, and actions that it could deny are unknown.
    """

    path: Selector | None = None


class Rule(_Declaration):
    """One rule of a constraint: if ``when`` holds, or is not given, ``value`` applies for ``reason``."""

    value: Literal[True, False, "unknown"]
    when: Selector | None = None
    reason: Template = ""

    @model_validator(mode="after")
    def _reasoned(self) -> Self:
        if self.value is not True and not self.reason:
            raise ValueError("a value that is not true needs a reason")
        return self


Rules = tuple[Rule, ...]


class ConstraintRules(_Declaration):
    """The rules of each constraint: the first that holds decides, and the last has no condition.

    A type without rules for a constraint does not support its verb.
    """

    can_start: Rules = ()
    can_stop: Rules = ()
    can_delete: Rules = ()

    @model_validator(mode="after")
    def _decided(self) -> Self:
        for name in ("can_start", "can_stop", "can_delete"):
            rules: Rules = getattr(self, name)
            if rules and (rules[-1].when is not None or any(rule.when is None for rule in rules[:-1])):
                raise ValueError(f"{name}: exactly the last rule must have no condition")
        return self


class ResourceSpec(_Declaration):
    """The declaration of one resource type.

    Attributes:
        service: The service that the type belongs to.
        api: botocore's name of the service that is called, if it differs from ``service``.
        resource_type: The type's name in this package, as ``ec2_instance``.
        cloudformation_type: Empty if CloudFormation has no such type.
        scope: How often the list call is made: ``regional``, once per region; ``global``, once per account, for
            resources without a region; ``account``, once per account, for resources in the region that ``region``
            selects.
        home: The region whose endpoint serves a global type, if it is not the partition's usual one.
        parent: The listing of parents, for a type that is listed per parent.
        list: The call that lists the resources.
        identifier: Selects the identifier, unique within account, region and type.
        name: Selects the name.
        arn: Selects the ARN.
        arn_template: The ARN as a template, for a type whose items lack it; empty if AWS gives the type no ARN.
        state: Selects the state, in AWS's own word.
        region: Selects the region, with scope ``account``.
        owner: Selects the owner's account id; an item of another account belongs to that account's scan.
        batches: Calls that describe several items each.
        details: Calls per item.
        resource_policy: The policy on the resource, if the type can have one.
        tags: The source of the tags.
        relations: Relations to other resources.
        constraints: The rules for starting, stopping and deleting.
        facts: Selectors of further facts that an operator weighs, by name.
        metadata: Selectors of further fields, by name.
        actions: The IAM actions of the catalogue's operations on this type.
    """

    service: str
    api: str = ""
    resource_type: Annotated[str, Field(pattern=r"^[a-z0-9]+(_[a-z0-9]+)+$")]
    cloudformation_type: Annotated[str, Field(pattern=r"^\w+::\w+::\w+$")] = ""
    scope: Literal["regional", "global", "account"] = "regional"
    home: str = ""
    parent: ParentListing | None = None
    list: ListCall
    identifier: Selector
    name: Selector | None = None
    arn: Selector | None = None
    arn_template: Template | None = None
    state: Selector | None = None
    region: Selector | None = None
    owner: Selector | None = None
    batches: tuple[BatchCall, ...] = ()
    details: tuple[DetailCall, ...] = ()
    resource_policy: ResourcePolicy | None = None
    tags: TagSource | None = None
    relations: tuple[RelationPath, ...] = ()
    constraints: ConstraintRules = ConstraintRules()
    facts: dict[str, Selector] = {}
    metadata: dict[str, Selector] = {}
    actions: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]+:[A-Za-z]+$")], ...] = ()

    @property
    def called(self) -> str:
        """Botocore's name of the service that is called."""
        return self.api or self.service

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        # Both would be two ARNs; with neither, a type without ARNs looks like one whose ARN was forgotten.
        if (self.arn is None) == (self.arn_template is None):
            raise ValueError("give either arn or arn_template")
        if (self.scope == "account") != (self.region is not None):
            raise ValueError("region is required with scope account, and not allowed with another scope")
        if self.tags and self.tags.style == "tagging_api" and self.scope == "account":
            raise ValueError("the tagging API answers for one region, and resources of scope account are in several")
        if self.home and self.scope != "global":
            raise ValueError("home is allowed only with scope global")
        return self


class SpecFile(_Declaration):
    """One file of declarations: the resource types of one service."""

    service: str
    types: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
