"""Checks that a declaration's selectors name fields that botocore's models have, and give values of the right kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.declarations.selectors import fields
from cloudops_nb.specs.checks.botocore_models import operation
from cloudops_nb.specs.checks.problem import SpecProblem
from cloudops_nb.specs.checks.selector_types import ANY, SCALARS, Type, selector_type, shape_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudops_nb.specs.model import ListCall, ResourceSpec

    Path = tuple[str | int, ...]

_NO_OUTPUT = Type("structure", "nothing")
_TEXT = frozenset({"string", "number"})
#: Maps keys of a declaration to the kinds of values that the selectors under these keys may give.
_ALLOWED_KINDS = {
    **dict.fromkeys(("identifier", "name", "arn", "state", "region", "owner"), _TEXT),
    "facts": _TEXT | {"boolean"},
}


def item_selectors(spec: ResourceSpec) -> Iterator[tuple[Path, str]]:
    """Yield every selector that a scan evaluates on an item, and the selector's path in the declaration.

    Selectors for the parameters of calls are not included.
    """
    for name in ("identifier", "name", "arn", "state", "region", "owner"):
        if selector := getattr(spec, name):
            yield (name,), selector
    if spec.tags and spec.tags.path:
        yield ("tags", "path"), spec.tags.path
    for index, relation in enumerate(spec.relations):
        yield ("relations", index, "path"), relation.path
    yield from _conditions(spec)
    yield from ((("facts", name), selector) for name, selector in spec.facts.items())
    yield from ((("metadata", name), selector) for name, selector in spec.metadata.items())
    if spec.resource_policy and spec.resource_policy.path:
        yield ("resource_policy", "path"), spec.resource_policy.path


def _conditions(spec: ResourceSpec) -> Iterator[tuple[Path, str]]:
    for verb in ("can_start", "can_stop", "can_delete"):
        for index, rule in enumerate(getattr(spec.constraints, verb)):
            if rule.when:
                yield ("constraints", verb, index, "when"), rule.when
    for index, detail in enumerate(spec.details):
        if detail.when:
            yield ("details", index, "when"), detail.when


def selector_problems(spec: ResourceSpec) -> list[SpecProblem]:
    """Check that every selector names existing fields, and gives a value of the kind that the declaration needs."""
    item = DeclaredItem(spec)
    for path, selector in item_selectors(spec):
        found = item.select(path, selector, item.type, _ALLOWED_KINDS.get(str(path[0]), frozenset()))
        target = found.element if found.kind == "list" else found
        if path[0] == "relations" and target.kind not in ("string", "number", "any", "null"):
            item.report(path, f"{selector!r} gives {found}, not an identifier or a list of them")
    item.problems += [*_tag_problems(spec, item.type), *identity_problems(spec, "identifier")]
    return item.problems


def identity_problems(spec: ResourceSpec, name: str) -> Iterator[SpecProblem]:
    """Check that ``name`` (``identifier`` or ``arn``) needs only the list call, because other calls may fail."""
    further_calls = {batch.into for batch in spec.batches} | {detail.into for detail in spec.details}
    selector = getattr(spec, name)
    for into in sorted(further_calls & fields(selector)) if selector else ():
        what = f"{name} {selector!r} depends on the call {into}"
        yield SpecProblem((name,), f"{what}; a resource must keep its {name} when that call fails")


class DeclaredItem:
    """The type of an item, including the data that batch and detail calls add, and the problems found so far.

    Args:
        spec: The declaration. All its operations must exist.
    """

    def __init__(self, spec: ResourceSpec) -> None:
        self.problems: list[SpecProblem] = []
        self._service = spec.called
        self.parent = self._listed(("parent", "list", "items"), spec.parent.list) if spec.parent else ANY
        self.type = self._listed(("list", "items"), spec.list)
        if spec.parent:
            self._put(("parent", "into"), spec.parent.into, self.parent)
        for index, batch in enumerate(spec.batches):
            at = ("batches", index)
            found = self.select((*at, "items"), batch.items, self._output(batch.operation))
            if found.kind not in ("list", "any"):
                self.report((*at, "items"), f"{batch.items!r} gives {found}, not a list")
            self.select((*at, "key"), batch.key, self.type, SCALARS)
            self.select((*at, "match"), batch.match, found.element, SCALARS)
            self._put((*at, "into"), batch.into, found.element)
        for index, detail in enumerate(spec.details):
            self._put(("details", index, "into"), detail.into, self._output(detail.operation))

    def report(self, path: Path, message: str) -> None:
        """Add a problem."""
        named = ".".join(str(part) for part in path if not isinstance(part, int))
        self.problems.append(SpecProblem(path, f"{named} {message}"))

    def select(self, path: Path, selector: str, data: Type, kinds: frozenset[str] = frozenset()) -> Type:
        """Return the type of a selector's value. Report unknown fields, and if ``kinds`` is given, any other kind."""
        found, problems = selector_type(selector, data)
        for problem in problems:
            self.report(path, problem)
        if kinds and found.kind not in kinds | {"any"}:
            self.report(path, f"{selector!r} gives {found}, not {' or '.join(sorted(kinds))}")
        return found

    def _output(self, name: str) -> Type:
        found = operation(self._service, name)
        if found is None:
            return ANY
        return shape_type(found.output_shape) if found.output_shape else _NO_OUTPUT

    def _listed(self, path: Path, call: ListCall) -> Type:
        """Return the type of a list call's items; ``ANY`` after a problem, so that only one problem is reported."""
        found = self.select(path, call.items, self._output(call.operation))
        if found.kind == "any":
            return ANY
        if found.kind != "list":
            self.report(path, f"{call.items!r} gives {found}, not a list")
            return ANY
        if found.element.kind not in ("structure", "any"):
            fix = f"give each a name, as in '{call.items}[].{{x: @}}'"
            self.report(path, f"{call.items!r} gives a list of {found.element.kind}s; {fix}")
            return ANY
        return found.element

    def _put(self, path: Path, into: str, found: Type) -> None:
        if into in self.type.members:
            self.report(path, f"{into!r} hides a field of the item with the same name")
        if self.type.kind == "structure":
            self.type = Type("structure", self.type.name, {**self.type.members, into: found})


def _tag_problems(spec: ResourceSpec, item: Type) -> Iterator[SpecProblem]:
    tags = spec.tags
    if tags is None or tags.path is None:
        return
    found, _ = selector_type(tags.path, item)
    if found.kind not in (tags.style, "any"):
        yield SpecProblem(("tags", "path"), f"tags {tags.path!r} gives {found}, not a {tags.style}")
    if found.kind == "list" and found.element.kind == "structure":
        for key, name in (("key", tags.key), ("value", tags.value)):
            if name not in found.element.members:
                members = ", ".join(found.element.members)
                yield SpecProblem(("tags", key), f"tags {tags.path!r}: a tag has no {name}, but {members}")
