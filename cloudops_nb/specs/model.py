"""What a resource type is to the scanner: a declaration of how to list it and what its fields mean.

Every string called a selector is JMESPath, evaluated on one item of the list answer, into which the answers of the
detail calls were put under their own names.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cloudops_nb.specs.field_types import AbsenceCode, Operation, RelationKind, Selector, Template


class _Declaration(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Absence(_Declaration):
    """A code that tells of absence only with certain words in its message; without them it may be a refusal."""

    code: AbsenceCode
    message: Annotated[str, Field(min_length=1)]


class PageRules(_Declaration):
    """How an operation is paged of which botocore does not know it; the words are those of botocore's paginators."""

    input_token: str
    output_token: Selector
    more_results: Selector | None = None
    limit_key: str | None = None

    def as_botocore(self, items: str) -> dict[str, Any]:
        """Return the rules as botocore's paginator takes them; ``items`` selects a page's list."""
        return {**self.model_dump(exclude_none=True), "result_key": items}


class ListCall(_Declaration):
    """The call whose pages name every resource of the type.

    ``page_size`` is sent only to a paginated operation; ``pages`` is for one whose paging botocore does not know.
    ``omitted_when_empty`` is for the few operations that leave the list out of an answer when there is nothing in it;
    anywhere else an answer without its list is a failure. A code of ``absent`` answers "this service is not in use
    here", which is the same as an empty list; of a code by which the service also refuses, only with a ``message``.
    """

    operation: Operation
    items: Selector
    parameters: dict[str, Any] = {}
    page_size: int | None = Field(default=None, ge=1)
    pages: PageRules | None = None
    omitted_when_empty: bool = False
    absent: tuple[AbsenceCode | Absence, ...] = ()

    def tells_absence(self, code: str, message: str) -> bool:
        """Return whether an error says that the service is not in use here."""
        return any(
            code == each if isinstance(each, str) else code == each.code and each.message in message
            for each in self.absent
        )


class ParentListing(_Declaration):
    """What has to be listed first: the list call is made once for each of these, as for each cluster of services.

    ``parameters`` are selectors on a parent's item whose values the list call takes on top of its own; the parent's
    item is put into each listed item as ``into``. A parent that answers a code of ``gone`` was deleted meanwhile. A
    parent that fails leaves the cell incomplete.
    """

    into: Annotated[str, Field(pattern=r"^[a-z_]+$")]
    list: ListCall
    parameters: dict[str, Selector]
    gone: tuple[AbsenceCode, ...] = ()


class BatchCall(_Declaration):
    """One more call for every ``size`` items, which answers for all of them.

    ``keys`` names the parameter that takes the list of the items' ``key``; ``items`` selects the answer's list, of
    which the one whose ``match`` equals an item's ``key`` is put into that item as ``into``. ``parameters`` are
    selectors; only items for which they are equal share a call. An item that is not in the answer was deleted since it
    was listed; an answer without any of several items is not believed.
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
    """One more call for each item; its answer is put into the item as ``into``.

    ``parameters`` are selectors. A code of ``absent`` answers "there is none"; one of ``gone`` says that the resource
    was deleted since it was listed. Any other failure leaves what depends on the answer unknown. What is ``on_demand``
    is expensive, and read only by a scan that was asked for every detail; else what depends on it is unknown.
    """

    into: Annotated[str, Field(pattern=r"^[a-z_]+$")]
    operation: Operation
    parameters: dict[str, Selector]
    when: Selector | None = None
    absent: tuple[AbsenceCode, ...] = ()
    gone: tuple[AbsenceCode, ...] = ()
    on_demand: bool = False


class TagSource(_Declaration):
    """Where tags come from: a list of pairs, a map, or one listing a cell of the tagging API.

    ``key`` and ``value`` are what the members of a pair are called; most services write them with a capital.
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
    """A link to another resource; the selector gives the other's identifier, or a list of them."""

    kind: RelationKind
    resource_type: str
    path: Selector


class ResourcePolicy(_Declaration):
    """That resources of the type can have a policy of their own; ``path`` selects its document, as text or as data.

    Without a path nothing reads it, so that what it could deny stays unknown.
    """

    path: Selector | None = None


class Rule(_Declaration):
    """One line of a constraint: if ``when`` holds (always, if not given), the value is decided, and why."""

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
    """Rules in order: the first that holds decides, the last has no condition. No rules: the verb makes no sense."""

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
    """One resource type.

    ``scope`` says how often the list call is made: ``regional``, once a region; ``global``, once an account, for
    resources of no region; ``account``, once an account, for resources each of which lies in the region that ``region``
    selects. An item whose ``owner`` is another account belongs to that account's scan and is left out. ``actions`` are
    the IAM actions of the catalogue's operations on this type. ``home`` is the region whose endpoint answers for a type
    of no region, if that is not the partition's usual one. ``api`` is botocore's name of the service that is asked, if
    that is not ``service``. ``cloudformation_type`` is empty where CloudFormation knows
    no such type, ``arn_template`` where AWS gives the type no ARN.
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
        """Botocore's name of the service that is asked."""
        return self.api or self.service

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.arn is None) == (self.arn_template is None):
            raise ValueError("give either arn or arn_template")
        if (self.scope == "account") != (self.region is not None):
            raise ValueError("region goes with scope account, and only with it")
        if self.tags and self.tags.style == "tagging_api" and self.scope == "account":
            raise ValueError("the tagging API answers for one region, and a type of scope account lies in many")
        if self.home and self.scope != "global":
            raise ValueError("home goes with scope global, and only with it")
        return self


class SpecFile(_Declaration):
    """One file of specs: everything the scanner reads of one service."""

    service: str
    types: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
