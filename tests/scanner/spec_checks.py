"""What is wrong with a spec by botocore's model: each check returns sentences, none if all is well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import UnknownServiceError
from botocore.validate import ParamValidator

from cloudops_nb.declarations.selectors import fields
from tests.scanner.botocore_models import near, operation, paginators, sample, service_model
from tests.scanner.shape_types import ANY, SCALARS, Type, resolved, selected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudops_nb.specs.model import ListCall, ResourceSpec

_EMPTY = Type("structure", "nothing")
_WORD = frozenset({"string", "number"})
#: ARNs that end in an id which no listing tells: a row whose description fails is left to the next scan.
_ONLY_DESCRIBED = {("arn", f"eks_{thing}") for thing in ("nodegroup", "addon", "fargate_profile")}
#: The kinds that a selector must give, by what it is called.
_WANTED = {
    **dict.fromkeys(("identifier", "name", "arn", "state", "region", "owner"), _WORD),
    "fact": _WORD | {"boolean"},
}


# What the parts of a spec are called, with the data that their selectors are asked of ---------------------------------


def _output(service: str, name: str) -> Type:
    found = operation(service, name)
    return ANY if found is None else resolved(found.output_shape) if found.output_shape else _EMPTY


def _listed(service: str, call: ListCall, label: str) -> tuple[Type, list[str]]:
    """Return the type of the items of a listing."""
    found, problems = selected(call.items, _output(service, call.operation))
    if found.kind == "any":
        return ANY, [f"{label}.items {each}" for each in problems]
    if found.kind != "list":
        return ANY, [*problems, f"{label}.items {call.items!r} gives {found}, not a list"]
    if found.element.kind not in ("structure", "any"):
        word = f"gives a list of {found.element.kind}s; name it, as in '{call.items}[].{{x: @}}'"
        return ANY, [*problems, f"{label}.items {call.items!r} {word}"]
    return found.element, [f"{label}.items {each}" for each in problems]


class Described:
    """A spec's item as its selectors see it, and the problems met on the way there."""

    def __init__(self, spec: ResourceSpec) -> None:
        self.spec = spec
        self.problems: list[str] = []
        self.parent = ANY
        if spec.parent:
            self.parent, problems = _listed(spec.service, spec.parent.list, "parent.list")
            self.problems += problems
        self.item, problems = _listed(spec.service, spec.list, "list")
        self.problems += problems
        if spec.parent:
            self._put(spec.parent.into, self.parent, "parent")
        for batch in spec.batches:
            answer = _output(spec.service, batch.operation)
            found = self._select(f"batch {batch.operation} items", batch.items, answer)
            if found.kind not in ("list", "any"):
                self.problems.append(f"batch {batch.operation} items {batch.items!r} gives {found}, not a list")
            self._select(f"batch {batch.operation} key", batch.key, self.item, SCALARS)
            self._select(f"batch {batch.operation} match", batch.match, found.element, SCALARS)
            self._put(batch.into, found.element, f"batch {batch.operation}")
        for detail in spec.details:
            self._put(detail.into, _output(spec.service, detail.operation), f"detail {detail.operation}")

    def _put(self, into: str, found: Type, label: str) -> None:
        if into in self.item.members:
            self.problems.append(f"{label}: into {into!r} hides a field of the item that is called so")
        if self.item.kind == "structure":
            self.item = Type("structure", self.item.name, {**self.item.members, into: found})

    def _select(self, label: str, selector: str, data: Type, kinds: frozenset[str] = frozenset()) -> Type:
        found, problems = selected(selector, data)
        self.problems += [f"{label} {each}" for each in problems]
        if kinds and found.kind not in kinds | {"any"}:
            self.problems.append(f"{label} {selector!r} gives {found}, not {' or '.join(sorted(kinds))}")
        return found

    def check(self) -> list[str]:
        """Return the problems of every selector of the spec."""
        for label, selector in selectors(self.spec):
            found = self._select(label, selector, self.item, _WANTED.get(label.split()[0], frozenset()))
            target = found.element if found.kind == "list" else found
            if label.startswith("relation") and target.kind not in ("string", "number", "any", "null"):
                self.problems.append(f"{label} {selector!r} gives {found}, not an identifier or a list of them")
        self._tags()
        later = {each.into for each in (*self.spec.batches, *self.spec.details)}
        self.problems += [
            f"{name} {selector!r} depends on {into}, a further call: a row must keep its identity when that call fails"
            for name in ("identifier", "arn")
            if (selector := getattr(self.spec, name)) and (name, self.spec.resource_type) not in _ONLY_DESCRIBED
            for into in later & fields(selector)
        ]
        return self.problems

    def _tags(self) -> None:
        tags = self.spec.tags
        if tags is None or tags.path is None:
            return
        found, _ = selected(tags.path, self.item)
        if tags.style == "map" and found.kind not in ("map", "any"):
            self.problems.append(f"tags {tags.path!r} gives {found}, not a map")
        if tags.style == "list" and found.kind not in ("list", "any"):
            self.problems.append(f"tags {tags.path!r} gives {found}, not a list")
        if found.kind == "list" and found.element.kind == "structure":
            self.problems += [
                f"tags {tags.path!r}: a tag has no {name}, it has {', '.join(found.element.members)}"
                for name in (tags.key, tags.value)
                if name not in found.element.members
            ]


# The checks -----------------------------------------------------------------------------------------------------------


def selector_problems(spec: ResourceSpec) -> list[str]:
    """Check every selector's fields, and the kind of what it gives."""
    return Described(spec).check()


def _calls(spec: ResourceSpec) -> Iterator[tuple[str, str]]:
    yield "list", spec.list.operation
    if spec.parent:
        yield "parent.list", spec.parent.list.operation
    yield from ((f"batch {batch.into}", batch.operation) for batch in spec.batches)
    yield from ((f"detail {detail.into}", detail.operation) for detail in spec.details)


def operation_problems(spec: ResourceSpec) -> list[str]:
    """Check that every operation exists and takes its parameters, all that it requires among them."""
    try:
        names = service_model(spec.service).operation_names
    except UnknownServiceError:
        return [f"botocore knows no service {spec.service}"]
    missing = [f"{label}: {spec.service} has no operation {name}{near(name, names)}" for label, name in _calls(spec)
               if name not in names]  # fmt: skip
    return missing or _parameter_problems(spec)


def _parameter_problems(spec: ResourceSpec) -> list[str]:
    described = Described(spec)
    from_parent = spec.parent.parameters if spec.parent else {}
    asked = [("list", spec.list.operation, _literal(spec.service, spec.list), from_parent, described.parent)]
    if spec.parent:
        call = spec.parent.list
        asked.append(("parent.list", call.operation, _literal(spec.service, call), {}, ANY))
    for batch in spec.batches:
        given = {**batch.parameters, batch.keys: f"[{batch.key}]"}
        asked.append((f"batch {batch.into}", batch.operation, {}, given, described.item))
    asked += [(f"detail {each.into}", each.operation, {}, each.parameters, described.item) for each in spec.details]
    problems = []
    for label, name, literal, selectors, data in asked:
        problems += [f"{label}: {each}" for each in _given(operation(spec.service, name), literal, selectors, data)]
    return problems + [each for batch in spec.batches for each in _size_problems(spec, batch)]


def _literal(service: str, call: ListCall) -> dict[str, Any]:
    """Return what a listing is given outright: its parameters, and the size of its pages."""
    rules = paginators(service).get(call.operation) or (call.pages.model_dump() if call.pages else {})
    model, key = operation(service, call.operation), rules.get("limit_key")
    if not key or call.page_size is None or not (model and model.input_shape and key in model.input_shape.members):
        return call.parameters
    size = str(call.page_size) if model.input_shape.members[key].type_name == "string" else call.page_size
    return {**call.parameters, key: size}


def _given(model: Any, literal: Mapping[str, Any], asked: Mapping[str, str], data: Type) -> list[str]:
    """Check what a call is given: literals by botocore's own validator, selectors by the kind of what they give."""
    shape = model.input_shape
    members = shape.members if shape else {}
    unknown = [each for each in (*literal, *asked) if each not in members]
    problems = [f"{model.name} takes no {each}{near(each, members)}" for each in unknown]
    for parameter, selector in asked.items():
        gives, wrong = selected(selector, data)
        problems += [f"{parameter} {each}" for each in wrong]
        if parameter in members and not _fits(gives, resolved(members[parameter])):
            problems.append(f"{parameter} {selector!r} gives {gives}, not {resolved(members[parameter])}")
    if shape and not unknown:
        stand_ins = {parameter: sample(members[parameter]) for parameter in asked}
        report = ParamValidator().validate({**literal, **stand_ins}, shape)
        problems += [f"{model.name}: {report.generate_report()}"] if report.has_errors() else []
    return problems


def _fits(gives: Type, takes: Type) -> bool:
    if "any" in (gives.kind, takes.kind):
        return True
    if gives.kind == takes.kind == "list":
        return _fits(gives.element, takes.element)
    return gives.kind == takes.kind


def _size_problems(spec: ResourceSpec, batch: Any) -> list[str]:
    found = operation(spec.service, batch.operation)
    keys = found.input_shape.members.get(batch.keys) if found and found.input_shape else None
    if keys is None or keys.type_name != "list":
        return []
    most = keys.metadata.get("max")
    return (
        [f"batch {batch.into}: size {batch.size}, but {batch.keys} takes {most}"] if most and batch.size > most else []
    )


def action_problems(spec: ResourceSpec, prefixes: Mapping[str, Sequence[str]], other: Sequence[str]) -> list[str]:
    """Check that actions are of the service, by the names that IAM has for services."""
    model = service_model(spec.service)
    plausible = {spec.service, model.signing_name, *prefixes.get(spec.service, ()), *other}
    return [
        f"action {action}: {spec.service}'s prefix is {' or '.join(sorted(plausible - set(other)))}"
        for action in spec.actions
        if action.split(":")[0] not in plausible
    ]


def action_name_problems(spec: ResourceSpec, other: Sequence[str]) -> list[str]:
    """Check that actions are called as operations of the service are."""
    names = service_model(spec.service).operation_names
    return [
        f"action {action}: {spec.service} has no operation {action.split(':')[1]}{near(action.split(':')[1], names)}"
        for action in spec.actions
        if action.split(":")[1] not in names and action.split(":")[0] not in set(other) - {spec.service}
    ]


def selectors(spec: ResourceSpec) -> Iterator[tuple[str, str]]:
    """Yield what of a spec is asked of an item that is whole, with what it is called."""
    for name in ("identifier", "name", "arn", "state", "region", "owner"):
        if selector := getattr(spec, name):
            yield name, selector
    if spec.tags and spec.tags.path:
        yield "tags", spec.tags.path
    yield from ((f"relation {each.kind} {each.resource_type}", each.path) for each in spec.relations)
    for verb in ("can_start", "can_stop", "can_delete"):
        yield from ((f"{verb} when", rule.when) for rule in getattr(spec.constraints, verb) if rule.when)
    yield from ((f"fact {name}", selector) for name, selector in spec.facts.items())
    yield from ((f"metadata {name}", selector) for name, selector in spec.metadata.items())
    yield from ((f"detail {detail.into} when", detail.when) for detail in spec.details if detail.when)
    if spec.resource_policy and spec.resource_policy.path:
        yield "resource_policy", spec.resource_policy.path
