"""Filling the server's answer with real values, from the host's own copy of the playbook."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import EgressRefusedError, PlaybookError
from cloudops_nb.model import BoundPlaybook, PlaybookRef

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from cloudops_nb.protocol import PlanResponse
    from cloudops_nb.request.resolve import Resolution
    from cloudops_nb.ssm.catalogue import Catalogue, Playbook

_SLOT = re.compile(r"\b[rv]\d{1,2}\b")


def bind(
    response: PlanResponse, resolution: Resolution, catalogue: Catalogue, *, clock: Callable[[], datetime]
) -> tuple[BoundPlaybook, Playbook]:
    """Return the playbook with the targets and values that the slots stand for.

    Args:
        response: A server's answer of kind ``plan``.
        resolution: What the prompt meant on this host.
        catalogue: The host's own playbooks.
        clock: Returns the current time in UTC, for generated names.

    Raises:
        EgressRefusedError: The answer binds slots that were not sent or targets the playbook does not take.
        PlaybookError: This host has no playbook of that id, version and content.
    """
    if response.playbook is None:
        raise EgressRefusedError(
            "the playbook server's answer is incomplete", "a plan without a playbook", "Ask again."
        )
    version = response.playbook
    playbook = catalogue.by_ref(PlaybookRef(version.id, version.version, version.sha256))
    metadata = playbook.metadata
    slots = {binding.parameter: binding.slot for binding in response.bindings}
    if slots.get(metadata.target.parameter) != "r1" or not resolution.members:
        raise EgressRefusedError("the playbook server's answer binds no target", "", "Ask again, naming the resource.")
    wrong = {member.resource_type for member in resolution.members} - set(metadata.resource_types)
    if wrong:
        raise EgressRefusedError(
            f"playbook {metadata.id} does not act on {', '.join(sorted(wrong))}",
            "",
            "Ask for an action that fits.",
        )
    parameters = _parameters(playbook, slots, resolution, clock)
    return (
        BoundPlaybook(
            playbook=playbook.ref,
            targets=tuple(resolution.members),
            target_parameter=metadata.target.parameter,
            parameters=parameters,
            level=response.level,
            reasons=response.reasons,
            explanation=reveal(response.text, resolution),
        ),
        playbook,
    )


def reveal(text: str, resolution: Resolution) -> str:
    """Return a server's text with its slots replaced by what they stand for on this host."""
    names = [member.name or member.identifier for member in resolution.members]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004 - a sentence's length
    known = {**resolution.values, "r1": shown or "r1"}
    return _SLOT.sub(lambda match: known.get(match[0], match[0]), text)


def _parameters(
    playbook: Playbook, slots: Mapping[str, str], resolution: Resolution, clock: Callable[[], datetime]
) -> dict[str, Any]:
    """Return every document parameter but the target: bound values, generated names, defaults."""
    values: dict[str, Any] = {}
    for name, parameter in playbook.document.parameters.items():
        if name == playbook.metadata.target.parameter:
            continue
        source = playbook.metadata.parameters.get(name)
        if name in slots:
            values[name] = _value(slots[name], name, source.part if source else None, resolution)
        elif source is not None and source.source == "generated":
            values[name] = _generated(source.template, resolution, clock)
        elif parameter.default is not None:
            values[name] = parameter.default
        else:
            raise PlaybookError(f"playbook {playbook.ref.id} needs a value for {name}", "", "Say it in the request.")
    return values


def _value(slot: str, name: str, part: str | None, resolution: Resolution) -> str:
    if slot not in resolution.values:
        raise EgressRefusedError(f"the playbook server bound {name} to a slot that was not sent", slot, "Ask again.")
    text = resolution.values[slot]
    if part is None:
        return text
    key, _, value = text.partition("=")
    return key if part == "key" else value


def _generated(template: str, resolution: Resolution, clock: Callable[[], datetime]) -> str:
    """Return a generated name; its parts come from the host alone, so that the same request gives a readable name."""
    first = resolution.members[0]
    return template.format(target=first.identifier, timestamp=clock().strftime("%Y%m%d%H%M%S"))
