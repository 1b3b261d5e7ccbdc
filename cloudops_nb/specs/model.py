"""The declaration of a resource type: the calls that read its resources, and the meaning of the response fields.

A selector is a JMESPath expression. Unless its description says otherwise, it is evaluated on one *item*: an element of
the list in the response of the type's list call. Batch and detail calls add their responses to the item, each under the
name that is the call's ``into``. Some types are listed per parent, as ECS services are listed per cluster. Their items
also contain the item of their parent, under the name that is the ``into`` of :class:`ParentListing`.

A *cell* is one resource type in one account and region.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cloudops_nb.specs.field_types import AbsenceCode, Operation, RelationKind, Selector, Template

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Declaration(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Absence(_Declaration):
    """An error code that means "no resources", but only if the error's message contains the text ``message``."""

    code: AbsenceCode
    message: Annotated[str, Field(min_length=1)]


class PageRules(_Declaration):
    """Pagination rules, named as botocore names them, for an operation that botocore does not paginate."""

    input_token: str
    output_token: Selector
    more_results: Selector | None = None
    limit_key: str | None = None

    def as_botocore(self, items: str) -> dict[str, Any]:
        """Return the rules in botocore's format; ``items`` selects the list of items in a page."""
        return {**self.model_dump(exclude_none=True), "result_key": items}


class ListCall(_Declaration):
    """A call whose pages list all resources of a type, or all parents.

    Attributes:
        operation: The operation, such as ``DescribeInstances``.
        items: Selects the list of items in a page.
        parameters: The parameters of the call.
        page_size: The number of items to request per page; used only if the operation is paginated.
        pages: The pagination rules, for an operation that botocore does not paginate.
        omitted_when_empty: Whether the operation leaves an empty list out of its response. For other operations, a
            response without the list is a failure.
        absent: Error codes that mean that the service is not in use in the region, which counts as an empty list. If
            AWS uses the same code for other errors too, use an :class:`Absence`, which also requires a text in the
            error message.
    """

    operation: Operation
    items: Selector
    parameters: dict[str, Any] = {}
    page_size: int | None = Field(default=None, ge=1)
    pages: PageRules | None = None
    omitted_when_empty: bool = False
    absent: tuple[AbsenceCode | Absence, ...] = ()

    def tells_absence(self, code: str, message: str) -> bool:
        """Return whether an error means that the service is not in use in the region."""
        return any(
            code == each if isinstance(each, str) else code == each.code and each.message in message
            for each in self.absent
        )


class ParentListing(_Declaration):
    """The call that lists parents, for a type whose list call needs a parent, as ECS services need a cluster.

    The type's list call is made once per parent. If it fails for one parent, the cell is incomplete, unless the error
    code is in ``gone``.

    Attributes:
        into: The name under which each item of the type contains the item of its parent.
        list: The call that lists the parents.
        parameters: Parameters of the type's list call, each with a selector that is evaluated on the parent's item.
        gone: Error codes that mean that the parent was deleted after it was listed.
    """

    into: Annotated[str, Field(pattern=r"^[a-z_]+$")]
    list: ListCall
    parameters: dict[str, Selector]
    gone: tuple[AbsenceCode, ...] = ()


class BatchCall(_Declaration):
    """A call that describes up to ``size`` items at once.

    Each item has a *key*, such as its ARN, by which the call identifies the item. An item whose key is not in the
    response counts as deleted after it was listed. But if several items were requested and none of them is in the
    response, the response counts as broken.

    Attributes:
        into: The name under which each item contains the element of the response that describes it.
        operation: The operation, such as ``DescribeServices``.
        keys: The parameter that gets the list of item keys.
        key: Selects the key of an item.
        items: Selects the list of descriptions in the response.
        match: Selects the item key in an element of that list.
        size: The largest number of items per call.
        parameters: Further parameters, each with its selector. Items with different values need separate calls.
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
    """A call that is made once per item.

    If the call fails with a code that is neither in ``absent`` nor in ``gone``, the fields that depend on the response
    are unknown.

    Attributes:
        into: The name under which the item contains the response.
        operation: The operation, such as ``GetBucketTagging``.
        parameters: The call's parameters, each with the selector of its value.
        when: A condition. No call is made for an item that does not meet the condition.
        absent: Error codes that mean that the resource does not have the detail.
        gone: Error codes that mean that the resource was deleted after it was listed.
        on_demand: If true, only scans with every detail make this call, because it is expensive. In other scans, the
            fields that depend on the response are unknown.
    """

    into: Annotated[str, Field(pattern=r"^[a-z_]+$")]
    operation: Operation
    parameters: dict[str, Selector]
    when: Selector | None = None
    absent: tuple[AbsenceCode, ...] = ()
    gone: tuple[AbsenceCode, ...] = ()
    on_demand: bool = False


class TagSource(_Declaration):
    """Where the tags of a type's resources are: in the items, or in the tagging API, which lists all tags of a cell.

    Attributes:
        style: ``list`` for a list of tags in the item, ``map`` for a map from tag keys to values in the item, or
            ``tagging_api``.
        path: Selects the list or the map.
        filter: The resource type, such as ``ec2:instance``, by which the tagging API filters.
        key: For ``list``, the field that contains the key of a tag. Most services name this field ``Key``.
        value: For ``list``, the field that contains the value of a tag. Most services name this field ``Value``.
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
    """A relation to other resources; ``path`` selects the identifier of one, or a list of identifiers."""

    kind: RelationKind
    resource_type: str
    path: Selector


class ResourcePolicy(_Declaration):
    """Declares that resources of the type can have a resource policy.

    ``path`` selects the policy document, as data or as JSON in a string. Without a path, the policy is not read. Then
    the permissions that the policy could change are unknown.
    """

    path: Selector | None = None


class Rule(_Declaration):
    """One rule for a constraint: if ``when`` is true or not given, the constraint has this value and reason."""

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
    """The rules for each constraint. The first rule whose condition is true applies; the last rule has no condition.

    If there are no rules for ``can_start``, for example, the type has no operation that starts a resource.
    """

    can_start: Rules = ()
    can_stop: Rules = ()
    can_delete: Rules = ()

    @model_validator(mode="after")
    def _decided(self) -> Self:
        for name in ("can_start", "can_stop", "can_delete"):
            rules: Rules = getattr(self, name)
            if rules and (rules[-1].when is not None or any(rule.when is None for rule in rules[:-1])):
                raise ValueError(f"{name}: the last rule must have no condition, and every other rule must have one")
        return self


class ResourceSpec(_Declaration):
    """The declaration of one resource type.

    Attributes:
        service: The name of the service in this package. Unless ``api`` is given, it is also botocore's name.
        api: botocore's name for the service that receives the calls, if it differs from ``service``.
        resource_type: The type's name in this package, such as ``ec2_instance``.
        cloudformation_type: The type's name in CloudFormation; empty if CloudFormation does not have the type.
        scope: How often the list call is made. ``regional``: once per region. ``global``: once per account, for
            resources without a region. ``account``: once per account, for resources that each have a region (see
            ``region``).
        home: The region whose endpoint receives the calls for a global type, if it is not the region that serves the
            partition's other global services.
        parent: The call that lists parents, for a type whose list call needs a parent.
        list: The call that lists the resources.
        identifier: Selects the identifier, which is unique in an account, region and type.
        name: Selects the name.
        arn: Selects the ARN.
        arn_template: A template of the ARN, for a type whose items do not contain ARNs; empty if the type has no ARNs.
        state: Selects the state, as AWS names it.
        region: Selects the region; only with scope ``account``.
        owner: Selects the id of the account that owns the item. The scan leaves out items that another account owns;
            the scan of the owner's account lists them.
        batches: Calls that describe several items each.
        details: Calls that are made once per item, in this order.
        resource_policy: Given if resources of the type can have a resource policy.
        name_tag: Whether a tag ``Name`` is the name of a resource. False for a type with names of its own that are
            unique where AWS looks for them, because calls take such a name.
        tags: Where the tags are.
        relations: Relations to other resources.
        constraints: The rules that say whether a resource can be started, stopped and deleted.
        facts: A selector for each named fact that an operator considers before a change.
        metadata: A selector for each named further field.
        actions: The IAM actions for which a scan evaluates, on each resource, the permissions of the acting principal.
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
    name_tag: bool = True
    tags: TagSource | None = None
    relations: tuple[RelationPath, ...] = ()
    constraints: ConstraintRules = ConstraintRules()
    facts: dict[str, Selector] = {}
    metadata: dict[str, Selector] = {}
    actions: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]+:[A-Za-z]+$")], ...] = ()

    @property
    def called(self) -> str:
        """The name that botocore has for the service that receives the calls."""
        return self.api or self.service

    def operations(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield every declared operation, with the position of its call, such as ``("details", 0)``."""
        yield ("list",), self.list.operation
        if self.parent:
            yield ("parent", "list"), self.parent.list.operation
        yield from ((("batches", index), each.operation) for index, each in enumerate(self.batches))
        yield from ((("details", index), each.operation) for index, each in enumerate(self.details))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        # A type without ARNs needs an empty template, so that a forgotten ARN is noticed.
        if (self.arn is None) == (self.arn_template is None):
            raise ValueError("give either arn or arn_template, not both")
        if (self.scope == "account") != (self.region is not None):
            raise ValueError("region is required with scope account, and not allowed with other scopes")
        if self.tags and self.tags.style == "tagging_api" and self.scope == "account":
            raise ValueError(
                "the tagging API covers one region, but resources with scope 'account' can be in several regions"
            )
        if self.home and self.scope != "global":
            raise ValueError("home is allowed only with scope global")
        return self


class SpecFile(_Declaration):
    """One file of declarations: the types of one service, each still as unvalidated data."""

    service: str
    types: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
