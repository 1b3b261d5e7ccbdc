"""An estate in which every resource type of the scanner's specs has items, made from the shapes of their operations."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cloudops_nb.declarations.selectors import select
from tests.synthetic_aws.listing import Listing
from tests.synthetic_aws.models import list_path, output_shape
from tests.synthetic_aws.samples import ACCOUNT, NUMBER, REGION, filled, put, sample, satisfy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.specs.model import BatchCall, ListCall, ResourceSpec
    from tests.synthetic_aws.call import Call

TAGGING = ("resourcegroupstaggingapi", "GetResources")


@cache
def _told() -> dict[str, dict[str, Any]]:
    """What no model tells, by ``service:operation``: fields of items, or of an answer of one piece."""
    told: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "items.yaml").read_text(encoding="utf-8"))
    return told


class EstateOfSpecs:
    """Answers the list calls of specs, of their parents, batches, details and tags; to be given as ``otherwise``.

    Args:
        specs: The resource types.
        regions: Where the resources of types lie that are listed once for all regions, in turn.
        count: How many items a type has in each account and region (below each parent, if it has one): a number, or a
            function of spec, account and region; for a type that is listed once for all regions, of the home region.
    """

    def __init__(
        self,
        specs: Sequence[ResourceSpec],
        *,
        regions: Sequence[str] = ("eu-west-1",),
        count: int | Callable[[ResourceSpec, str, str], int] = 3,
    ) -> None:
        self._specs = tuple(specs)
        self._regions = tuple(regions)
        self._count = count if callable(count) else lambda *_: count
        self._listings: dict[tuple[Any, ...], Listing] = {}
        self._templates: dict[str, Sequence[Any]] = {}

    def __call__(self, call: Call) -> Listing | Mapping[str, Any] | None:
        what = (call.service, call.operation)
        if what == TAGGING:
            return self._tags(call)
        lists = [spec for spec in self._specs if (spec.service, spec.list.operation) == what and _asks(spec.list, call)]
        if lists and is_single(lists[0]):
            return whole(*what) if self._count(lists[0], call.account, call.region) else None
        if lists:
            return self._listed(call, lists)
        for spec in self._specs:
            if spec.parent and (spec.service, spec.parent.list.operation) == what and _asks(spec.parent.list, call):
                return self._parents(call, spec)
            for batch in spec.batches:
                if (spec.service, batch.operation) == what:
                    return _batched(call, batch)
        return whole(*what) if ":".join(what) in _told() else None

    def templates(self, spec: ResourceSpec) -> Sequence[Any]:
        """Return members of the list answer of a type, one for each region in which its resources lie."""
        if spec.resource_type not in self._templates:
            places = self._regions if spec.scope == "account" else (REGION,)
            # Types that one operation lists would have items of the same names.
            alike = [each for each in self._specs if _call(each) == _call(spec)]
            word = f"{alike.index(spec)}-{NUMBER}" if len(alike) > 1 else NUMBER
            templates = tuple(filled(_template(spec, place), word) for place in places)
            self._templates[spec.resource_type] = templates
        return self._templates[spec.resource_type]

    def _listed(self, call: Call, specs: Sequence[ResourceSpec]) -> Listing:
        counts = tuple(self._count(spec, call.account, call.region) for spec in specs)
        key = (*(spec.resource_type for spec in specs), *counts)
        if key not in self._listings:
            present = [spec for spec, count in zip(specs, counts, strict=True) if count]
            if len(set(counts) - {0}) > 1:
                raise ValueError(f"{call.operation} lists several types: they take one count, or none")
            templates = [template for spec in present for template in self.templates(spec)]
            by_question = any(spec.parent for spec in specs)
            size = len(templates) * max(counts)
            self._listings[key] = Listing(templates, size, _place(specs[0].list, specs[0]), by_question)
        return self._listings[key]

    def _parents(self, call: Call, spec: ResourceSpec) -> Listing:
        assert spec.parent is not None
        count = self._count(spec, call.account, call.region)
        key = ("parents", spec.resource_type, count)
        if key not in self._listings:
            place = _place(spec.parent.list, spec)
            member = select(place, _page(spec.service, spec.parent.list))[0]
            self._listings[key] = Listing([member], count, place)
        return self._listings[key]

    def _tags(self, call: Call) -> Listing:
        wanted = set(call.parameters.get("ResourceTypeFilters", ()))
        specs = [spec for spec in self._specs if spec.tags and spec.tags.filter in wanted and not spec.parent]
        counts = tuple(self._count(spec, call.account, call.region) for spec in specs)
        key = ("tags", *(spec.resource_type for spec in specs), *counts)
        if key not in self._listings:
            tags = [{"Key": "Environment", "Value": "production"}]
            mappings = [{"ResourceARN": self._arn(spec), "Tags": tags} for spec in specs]
            self._listings[key] = Listing(mappings, sum(counts), "ResourceTagMappingList")
        return self._listings[key]

    def _arn(self, spec: ResourceSpec) -> str:
        page = whole(spec.service, spec.list.operation)
        if not is_single(spec):
            put(_place(spec.list, spec), page, [self.templates(spec)[0]])
        (leaf, *_) = select(spec.list.items, page)
        if spec.arn:
            return str(select(spec.arn, leaf))
        identifier = str(select(spec.identifier, leaf))
        name = str((select(spec.name, leaf) if spec.name else None) or identifier)
        words = {"partition": "aws", "region": REGION, "account_id": ACCOUNT, "state": ""}
        return str(spec.arn_template).format(**words, identifier=identifier, name=name)


def whole(service: str, operation: str) -> dict[str, Any]:
    """Return an answer of one piece: a sample of its shape with what is told of it."""
    data: dict[str, Any] = sample(output_shape(service, operation), service)
    for selector, value in _told().get(f"{service}:{operation}", {}).items():
        put(selector, data, value)
    return data


def _call(spec: ResourceSpec) -> tuple[str, str]:
    return spec.service, spec.list.operation


def _asks(listing: ListCall, call: Call) -> bool:
    return all(call.parameters.get(name) == value for name, value in listing.parameters.items())


def _place(listing: ListCall, spec: ResourceSpec) -> str:
    """Return the place of a list in its answer: what stands before the selector's first bracket."""
    path = listing.items.split("[", maxsplit=1)[0].strip()
    known = path.replace(".", "").isalnum()
    return path if known else list_path(spec.service, listing.operation)


def is_single(spec: ResourceSpec) -> bool:
    """Return whether a type has one resource or none, which the answer itself describes."""
    return spec.list.items.endswith("[@]") or not list_path(spec.service, spec.list.operation)


def _page(service: str, listing: ListCall) -> Any:
    """Return a list answer with an item that its selector lets pass."""
    page = sample(output_shape(service, listing.operation), service)
    satisfy(listing.items, page)
    told = _told().get(f"{service}:{listing.operation}", {})
    for selector, value in told.items():
        put(selector, page, value)
    if not select(listing.items, page):
        raise AssertionError(
            f"{service}:{listing.operation} lists nothing that {listing.items} selects: see items.yaml"
        )
    return page


def _template(spec: ResourceSpec, place: str) -> Any:
    page = _page(spec.service, spec.list)
    (*_, leaf) = select(spec.list.items, page)
    if spec.owner and select(spec.owner, leaf) != ACCOUNT:
        put(spec.owner, leaf, ACCOUNT)
    if spec.region:
        put(spec.region, leaf, place)
    return copy.deepcopy(select(_place(spec.list, spec), page)[0])


def _batched(call: Call, batch: BatchCall) -> Listing:
    """Return an answer for every key of a batch call."""
    page = sample(output_shape(call.service, call.operation), call.service)
    (member, *_) = select(batch.items, page)
    items = []
    for key in call.parameters[batch.keys]:
        item = copy.deepcopy(member)
        put(batch.match, item, key)
        items.append(item)
    return Listing(items, at=batch.items.split("[", maxsplit=1)[0])
