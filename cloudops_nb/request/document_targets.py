"""Binding an Automation document that a person names to the resources that its parameters name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlanError
from cloudops_nb.model import BoundPlaybook, ResourceFilter
from cloudops_nb.ssm.derived_metadata import cloudformation_type
from cloudops_nb.ssm.document import walk
from cloudops_nb.ssm.given_values import role_parameters, role_values
from cloudops_nb.ssm.references import references
from cloudops_nb.ssm.values import ABSENT, convert

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.request.ports import Estate
    from cloudops_nb.ssm.catalogue import Playbook
    from cloudops_nb.ssm.document import AutomationDocument

#: The number of candidates that an error names.
SHOWN = 5
#: The number of near names that an error proposes for an unknown one.
NEAREST = 2
#: The region of resources without a region.
GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class Place:
    """An account and a region; an empty field stands for any."""

    account_id: str = ""
    region: str = ""

    def has(self, resource: Resource) -> bool:
        """Return whether a resource is in the place; one without a region is in every region."""
        return self.account_id in ("", resource.account_id) and (
            self.region == "" or resource.region in (self.region, GLOBAL)
        )


def bind_to_target(
    playbook: Playbook, values: Mapping[str, Any], estate: Estate, place: Place, *, notes: Sequence[str] = ()
) -> BoundPlaybook:
    """Return a playbook with the resources that the value of its target parameter names by id, name or ARN.

    Args:
        playbook: A playbook with a target parameter.
        values: The values of its parameters.
        estate: The estate on this host.
        place: Where the resources are.
        notes: What a person should know before a decision.

    Raises:
        PlanError: A name fits no resource or several, or the resources are in several accounts or regions.
    """
    metadata = playbook.metadata
    given = convert(values[metadata.target_parameter], "StringList")
    kinds = frozenset((metadata.target.resource_type,) if metadata.target else ())
    targets = tuple(_named(str(text), kinds, estate, place) for text in (() if given is ABSENT else given))
    if not targets:
        raise PlanError(f"{metadata.target_parameter} of {playbook.ref.id} names no resource")
    if len({(each.account_id, each.region) for each in targets}) > 1:
        raise PlanError("a plan has one account and one region", "the resources are in several", "Plan each by itself.")
    others = {name: value for name, value in values.items() if name != metadata.target_parameter}
    where = Place(targets[0].account_id, targets[0].region)
    beside = {each.canonical_key: each for each in _in_steps(playbook.document, estate, where) if each not in targets}
    unchecked = [
        f"a step names {each.name or each.identifier} ({each.resource_type}, {each.account_name}) itself: it is no "
        "target, so its state is not checked"
        for each in beside.values()
    ]
    return _bound(playbook, others, targets, where, [*notes, *unchecked[:SHOWN]])


def bind_as_a_whole(
    playbook: Playbook,
    values: Mapping[str, Any],
    estate: Estate,
    place: Place,
    types: Mapping[str, Collection[str]],
    *,
    notes: Sequence[str] = (),
) -> BoundPlaybook:
    """Return a playbook that runs once, with the known resources that its values or its steps name by id or ARN.

    Args:
        playbook: A playbook without a target parameter.
        values: The values of its parameters.
        estate: The estate on this host.
        place: Where it runs.
        types: Our resource types by CloudFormation type, which parameters such as ``AWS::EC2::Instance::Id`` name.
        notes: What a person should know before a decision.
    """
    document, role = playbook.document, role_parameters(playbook.document)
    defaults = {name: parameter.default for name, parameter in document.parameters.items()}
    found: dict[str, Resource] = {}
    unknown: list[str] = []
    for name, value in {**defaults, **values}.items():
        if name in role:
            continue
        typed = cloudformation_type(document.parameters[name].type)
        kinds = types.get(typed, ()) if typed else ()
        for text in _texts(value):
            exact = _exact(text, kinds, estate, place, _services(document, name))
            found |= {resource.canonical_key: resource for resource in exact}
            if kinds and not exact:
                unknown.append(f"{name}: {text} is not in the estate, so its dependents are not known")
    found |= {resource.canonical_key: resource for resource in _in_steps(document, estate, place)}
    return _bound(playbook, values, tuple(found.values()), place, [*notes, *_shortened(unknown)])


def _shortened(lines: Sequence[str]) -> list[str]:
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"and {more} more ids are not in the estate"] if more > 0 else [])]


def _bound(
    playbook: Playbook, values: Mapping[str, Any], targets: Sequence[Resource], place: Place, notes: Sequence[str]
) -> BoundPlaybook:
    metadata, document = playbook.metadata, playbook.document
    names = [each.name or each.identifier for each in targets]
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    title, text = metadata.name.rstrip("."), metadata.purpose or metadata.description
    # The name of a document without metadata is the first line of its description.
    more_text = text.removeprefix(title).strip(" .\n")
    sentences = [f"{title}{f' on {shown}' if shown else ''}{f': {more_text}' if more_text else ''}."]
    if document.assume_role:
        sentences.append("The document's assumeRole is not assumed: the plan acts as the account's own principal.")
    return BoundPlaybook(
        playbook=playbook.ref,
        targets=targets,
        target_parameter=metadata.target_parameter,
        parameters={**values, **role_values(playbook, values, place.account_id)},
        level=metadata.level,
        reasons=(*notes, *(f"{risk.risk} ({risk.mitigation})" for risk in metadata.risks)),
        explanation=" ".join(sentences),
        region=place.region,
    )


def _named(text: str, kinds: Collection[str], estate: Estate, place: Place) -> Resource:
    """Return the one resource of a kind that a person names."""
    hits = estate.lookup(text)
    fitting = [hit for hit in hits if hit.resource_type in kinds and place.has(hit)]
    # An id or an ARN is exact; a name may be the id of another resource.
    exact = [hit for hit in fitting if text in (hit.identifier, hit.arn)]
    if len(exact or fitting) == 1:
        return (exact or fitting)[0]
    kind = " or ".join(sorted(kinds)).replace("_", " ")
    if fitting:
        raise PlanError(f"{len(fitting)} resources are called {text}", _listed(fitting), "Give the ARN of one.")
    near = hits or [hit.resource for kind in kinds for hit in _similar(text, kind, estate)]
    why = f"there is: {_briefly(near)}" if near else "it may not have been scanned"
    raise PlanError(f"there is no {kind} {text} in the estate", why, "Give an id, a name or an ARN; or scan first.")


def _similar(text: str, kind: str, estate: Estate) -> Sequence[Any]:
    return estate.search(text, limit=SHOWN, where=ResourceFilter(resource_type=kind))


def _listed(resources: Sequence[Resource]) -> str:
    names = [
        f"{each.resource_type} {each.name or each.identifier} ({each.arn or each.identifier}, {each.account_name} "
        f"{each.region})"
        for each in resources[:SHOWN]
    ]
    more = len(resources) - SHOWN
    return "; ".join(names) + (f"; and {more} more" if more > 0 else "")


def _briefly(resources: Sequence[Resource]) -> str:
    names = [
        f"{each.name or each.identifier} ({each.resource_type}, {each.account_name} {each.region})"
        for each in resources[:NEAREST]
    ]
    more = len(resources) - NEAREST
    return "; ".join(names) + (f"; and {more} more" if more > 0 else "")


def _exact(
    text: str, kinds: Collection[str], estate: Estate, place: Place, services: Collection[str]
) -> list[Resource]:
    """Return the resources of a place whose id or ARN is a value; of several, those of the services that take it.

    A service that takes the value may read another spelling as the same id: RDS takes ``PG-1`` for ``pg-1``.
    """
    hits = [hit for hit in estate.lookup(text) if place.has(hit) and (not kinds or hit.resource_type in kinds)]
    exact = [hit for hit in hits if text in (hit.identifier, hit.arn)]
    other = [hit for hit in hits if hit.service in services and text.casefold() == hit.identifier.casefold()]
    return [hit for hit in exact if hit.service in services] or exact or other


def _in_steps(document: AutomationDocument, estate: Estate, place: Place) -> Iterator[Resource]:
    """Yield the resources whose id or ARN a step has in its text, if the id is one of the service that it calls.

    A short word in a step, such as a state, may be the id of a resource of another service.
    """
    for _, step in walk(document.steps):
        for text in _texts(step.api_parameters):
            exact = _exact(text, (), estate, place, {step.service})
            yield from (each for each in exact if each.service == step.service or text == each.arn)


def _services(document: AutomationDocument, parameter: str) -> set[str]:
    """Return the services of the calls that take a parameter."""
    steps = (step for _, step in walk(document.steps) if step.api)
    return {step.service for step in steps if parameter in references(step.api_parameters)}


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value that may name a resource."""
    items: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, str) and value.strip() and "{{" not in value:
        yield value
    for item in items:
        yield from _texts(item)
