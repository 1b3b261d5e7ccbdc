"""Finds, for an API that changes something, how the resource that it names is read.

The declared resource types come first, because they also say in which states a resource can be started, stopped or
deleted. For other resources, botocore's model may have an API such as ``GetBucketVersioning`` for
``PutBucketVersioning``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cloudops_nb.ssm.observation import Observation, Observations, reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from botocore.model import OperationModel, ServiceModel, Shape

    from cloudops_nb.specs.model import ResourceSpec, Rules

_VERB = re.compile(r"[A-Z][a-z0-9]+")
_PLAIN_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_ITEMS_PATH = re.compile(r"[A-Za-z_]\w*(\[\])?(\.[A-Za-z_]\w*(\[\])?)*")
_FILTER = re.compile(r"\[\?[^\]]*\]")
_ID_ENDING = re.compile(r"(Identifiers?|Ids?|Names?|Arns?|ARNs?|Urls?)$", re.IGNORECASE)
_CREATING = frozenset({"Create", "Register", "Allocate", "Run", "Request", "Import", "Restore"})
#: For each verb, the constraint that says whether the call is possible, and the one whose condition holds afterwards.
_CONSTRAINTS: Mapping[str, tuple[str, str]] = {
    "Start": ("can_start", "can_stop"),
    "Resume": ("can_start", "can_stop"),
    "Stop": ("can_stop", "can_start"),
    "Pause": ("can_stop", "can_start"),
    "Reboot": ("can_stop", "can_stop"),
    "Delete": ("can_delete", ""),
    "Terminate": ("can_delete", ""),
}
_READS = ("Describe", "Get")
#: The number of levels of an answer in which the id of a resource is looked for.
_DEEPEST = 4


def observe(model: ServiceModel, api: str, specs: Sequence[ResourceSpec]) -> Observations:
    """Return how the resources that a call names are read.

    Args:
        model: botocore's model of the service.
        api: The API that changes something.
        specs: The declared resource types.
    """
    verb = _verb(api)
    declared = sorted(_declared(model, api, specs), key=lambda found: -found[0])
    exact = [found for score, found in declared if score == _EXACT]
    others = [found for score, found in declared if score != _EXACT or verb not in _CREATING]
    noun = api.removeprefix(verb)
    # "FunctionName" names a function, which GetFunction may read.
    named = [subject for member in _members(model.operation_model(api)) if (subject := _subject(member))]
    if verb in _CREATING:
        created = exact[0] if exact else next(_siblings(model, api, specs, [noun]), None)
        needed = [each for each in named if _folded(each) != _folded(noun)]
        return Observations(others[0] if others else next(_siblings(model, api, specs, needed), None), created)
    found = others[0] if others else next(_siblings(model, api, specs, [noun, *named]), None)
    return Observations(found, found)


_EXACT, _CLOSE, _SAME = 3, 2, 1


def _verb(api: str) -> str:
    found = _VERB.match(api)
    return found[0] if found else api


def _declared(model: ServiceModel, api: str, specs: Iterable[ResourceSpec]) -> Iterator[tuple[int, Observation]]:
    """Yield an observation for each declared type that a member of the API names, with a score."""
    members = _members(model.operation_model(api))
    for score, member, spec in _matches(model, api, specs):
        read = _read(model, spec, member, listed=members[member].type_name == "list")
        if read:
            yield score, _with_states(read, spec, _verb(api))


def _matches(model: ServiceModel, api: str, specs: Iterable[ResourceSpec]) -> Iterator[tuple[int, str, ResourceSpec]]:
    """Yield each member of an API that names a resource of a declared type, with the type and a score."""
    noun = _folded(api.removeprefix(_verb(api)))
    for spec in (each for each in specs if each.called == model.service_name):
        names = {_folded(name) for name in _identifier_names(spec)}
        for member in _members(model.operation_model(api)):
            if names & {_folded(member), _folded(member).removesuffix("s")} and (score := _score(member, spec, noun)):
                yield score, member, spec


def _members(operation: OperationModel) -> dict[str, Shape]:
    """Return the required members of an API's input that are text or lists of text."""
    shape = operation.input_shape
    if shape is None:
        return {}
    required: Mapping[str, Shape] = {name: shape.members[name] for name in shape.required_members}
    return {name: each for name, each in required.items() if each.type_name == "string" or _is_text_list(each)}


def _is_text_list(shape: Any) -> bool:
    return bool(shape.type_name == "list" and shape.member.type_name == "string")


def _identifier_names(spec: ResourceSpec) -> set[str]:
    """Return the names that calls have for the identifier of a type."""
    last = spec.identifier.rsplit(".", 1)[-1]
    names = {last} if _PLAIN_PATH.fullmatch(last) else set()
    for detail in spec.details:
        names |= {name for name, selector in detail.parameters.items() if selector == spec.identifier}
    return names | {batch.keys for batch in spec.batches if batch.key == spec.identifier}


def _subject(member: str) -> str:
    """Return what a member names: ``Function`` for ``FunctionName``; empty for a general one, such as ``name``."""
    subject = _ID_ENDING.sub("", member)
    return subject[:1].upper() + subject[1:]


def _score(member: str, spec: ResourceSpec, noun: str) -> int:
    """Return how well a member and a type fit an API's noun; 0 if a general name such as ``name`` does not fit it."""
    subject = _folded(_subject(member))
    kind = _folded(spec.resource_type.removeprefix(f"{spec.service}_"))
    if not subject:
        return _EXACT if kind in (noun, noun.removesuffix("s")) else 0
    if subject in (noun, noun.removesuffix("s")):
        return _EXACT
    return _CLOSE if subject in noun or kind in noun else _SAME


def _read(model: ServiceModel, spec: ResourceSpec, member: str, *, listed: bool) -> Observation | None:
    """Return the read of one resource by a detail call, the list call or a batch call; one with the state if any."""
    found = [*([] if listed else _detail_reads(model, spec, member)), *_list_reads(model, spec, member, listed=listed)]
    found += _batch_reads(spec, member, listed=listed)
    return next((each for each in found if each.state), found[0] if found else None)


def _detail_reads(model: ServiceModel, spec: ResourceSpec, member: str) -> Iterator[Observation]:
    for detail in spec.details:
        if set(detail.parameters.values()) != {spec.identifier} or detail.operation not in model.operation_names:
            continue
        state = _below(spec.state, detail.into)
        identifier = _path_to(model.operation_model(detail.operation).output_shape, member)
        if state or identifier:
            paths = (f"$.{identifier}" if identifier else "", f"$.{state}" if state else "")
            parameters = {name: reference(member) for name in detail.parameters}
            yield _observation(spec, member, detail.operation, parameters, paths)


def _list_reads(model: ServiceModel, spec: ResourceSpec, member: str, *, listed: bool) -> Iterator[Observation]:
    operation = model.operation_model(spec.list.operation)
    items = _FILTER.sub("[]", spec.list.items)
    if spec.parent or operation.input_shape is None or not _ITEMS_PATH.fullmatch(items):
        return
    step = "[*]" if listed else "[0]"
    root = "$." + items.replace("[]", step) + ("" if items.endswith("[]") else step)
    identifier = spec.identifier if _PLAIN_PATH.fullmatch(spec.identifier) else ""
    state = spec.state if spec.state and _PLAIN_PATH.fullmatch(spec.state) else ""
    for name, shape in operation.input_shape.members.items():
        takes_list = _is_text_list(shape)
        if _folded(name) not in (_folded(member), _folded(member) + "s") and _folded(name) + "s" != _folded(member):
            continue
        if identifier and (takes_list or (shape.type_name == "string" and not listed)):
            value: Any = reference(member) if takes_list == listed else [reference(member)]
            parameters = {**_plain(spec.list.parameters), name: value}
            paths = (f"{root}.{identifier}", f"{root}.{state}" if state else "")
            yield _observation(spec, member, spec.list.operation, parameters, paths)


def _batch_reads(spec: ResourceSpec, member: str, *, listed: bool) -> Iterator[Observation]:
    for batch in spec.batches:
        if batch.key != spec.identifier or not _PLAIN_PATH.fullmatch(batch.match) or batch.parameters:
            continue
        root = f"$.{_FILTER.sub('', batch.items).removesuffix('[]')}{'[*]' if listed else '[0]'}"
        state = _below(spec.state, batch.into)
        value: Any = reference(member) if listed else [reference(member)]
        paths = (f"{root}.{batch.match}", f"{root}.{state}" if state else "")
        yield _observation(spec, member, batch.operation, {batch.keys: value}, paths)


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a list call that do not exclude the resource."""
    return {name: value for name, value in parameters.items() if isinstance(value, bool)}


def _below(selector: str | None, into: str) -> str:
    """Return the part of a selector below the answer of a call; empty if it is elsewhere."""
    found = (selector or "").removeprefix(f"{into}.")
    return found if found != selector and _PLAIN_PATH.fullmatch(found) else ""


def _observation(
    spec: ResourceSpec, member: str, api: str, parameters: Mapping[str, Any], paths: tuple[str, str]
) -> Observation:
    return Observation(member, spec.called, api, parameters, *paths, resource_type=spec.resource_type)


def _with_states(read: Observation, spec: ResourceSpec, verb: str) -> Observation:
    """Return an observation with the states that the type's constraints name for a verb."""
    possible, afterwards = _CONSTRAINTS.get(verb, ("", ""))
    rules: Rules = getattr(spec.constraints, possible) if possible else ()
    if not rules:
        return read
    before = _states(rules, spec.state, "!=") if read.state else ()
    if not read.state:
        after: Sequence[str] = ()
    elif afterwards:
        after = _states(getattr(spec.constraints, afterwards), spec.state, "!=")
    else:
        after = _states([rule for rule in rules if "already" in rule.reason], spec.state, "==")
    return replace(read, before=before, after=after, constraint=possible)


def _states(rules: Iterable[Any], state: str | None, operator: str) -> tuple[str, ...]:
    """Return the states with which conditions compare the state: ``available`` of ``Status != 'available'``."""
    one = re.escape(state or "") + rf" {operator} '([^']+)'"
    whole = re.compile(rf"{one}( \|\| {one})*" if operator == "==" else rf"{one}( && {one})*")
    found = [
        value
        for rule in rules
        if rule.value is False and whole.fullmatch(rule.when or "")
        for value in re.findall(one, rule.when)
    ]
    return tuple(dict.fromkeys(found))


def _siblings(
    model: ServiceModel, api: str, specs: Iterable[ResourceSpec], nouns: Iterable[str]
) -> Iterator[Observation]:
    """Yield the reads of what an API names by APIs with one of the nouns, if their answers contain the id."""
    members = _members(model.operation_model(api))
    types = {member: spec.resource_type for _, member, spec in _matches(model, api, specs)}
    names = [
        f"{verb}{each}"
        for noun in nouns
        for verb in _READS
        for each in (noun, f"{noun}s", noun.removesuffix("s"), f"{noun}es")
    ]
    for name in (each for each in dict.fromkeys(names) if each in model.operation_names):
        read = model.operation_model(name)
        if read.input_shape is None or read.output_shape is None:
            continue
        shared = [each for each in members if each in read.input_shape.members]
        if not shared or set(read.input_shape.required_members) - set(shared):
            continue
        for member in shared:
            path = _path_to(read.output_shape, member)
            if path and members[member].type_name == "string":
                parameters = {each: reference(each) for each in shared}
                kind = types.get(member, "")
                yield Observation(member, model.service_name, name, parameters, f"$.{path}", resource_type=kind)


def _path_to(shape: Any, member: str) -> str:
    """Return the shortest path to a text of a name in an answer, through lists by their first item."""
    pending: list[tuple[str, Any]] = [("", shape)]
    for _ in range(_DEEPEST):
        following: list[tuple[str, Any]] = []
        for path, each in pending:
            if each.type_name == "list":
                following.append((f"{path}[0]", each.member))
            elif each.type_name == "structure":
                for name, inner in each.members.items():
                    below = f"{path}.{name}" if path else name
                    if _folded(name) == _folded(member) and inner.type_name == "string":
                        return below
                    following.append((below, inner))
        pending = following
    return ""


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()
