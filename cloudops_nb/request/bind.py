"""Filling the server's answer with real values, from the host's own copy of the playbook."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import EgressRefusedError, PlaybookError
from cloudops_nb.model import BoundPlaybook, PlaybookRef

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.protocol import Binding, PlanResponse
    from cloudops_nb.request.resolve import Resolution
    from cloudops_nb.ssm.catalogue import Catalogue, Playbook

_SLOT = re.compile(r"\b[rv]\d{1,2}\b")
#: The sources of parameters that a request may fill.
_FROM_REQUEST = frozenset({"prompt", "generated"})
_PAIR = "key_value"


def bind(response: PlanResponse, resolution: Resolution, catalogue: Catalogue) -> BoundPlaybook:
    """Return the playbook with the targets and values that the slots stand for.

    Args:
        response: A server's answer of kind ``plan``.
        resolution: What the prompt meant on this host.
        catalogue: The host's own playbooks.

    Raises:
        EgressRefusedError: The answer is another action than asked for, binds slots that were not sent, breaks a rule
            of the playbook's metadata, or binds targets that the playbook does not take.
        PlaybookError: This host has no playbook of that id, version and content, or it leaves a value unused.
    """
    if response.playbook is None:
        raise EgressRefusedError(
            "the playbook server's answer is incomplete", "a plan without a playbook", "Ask again."
        )
    version = response.playbook
    playbook = catalogue.by_ref(PlaybookRef(version.id, version.version, version.sha256))
    metadata = playbook.metadata
    _require_rules(playbook, response.bindings, resolution)
    slots = {binding.parameter: binding.slot for binding in response.bindings}
    if slots.get(metadata.target_parameter) != "r1" or not resolution.members:
        raise EgressRefusedError("the playbook server's answer binds no target", "", "Ask again, naming the resource.")
    if resolution.intent.action not in metadata.intents:
        why = f"it does {', '.join(metadata.intents)}"
        what = f"playbook {metadata.id} is no answer to a request to {resolution.intent.action}"
        raise EgressRefusedError(what, why, "Check the playbook server.")
    if left := {slot for slot, kind in resolution.types.items() if kind != "place"} - set(slots.values()):
        said = ", ".join(repr(resolution.values[slot]) for slot in sorted(left))
        raise PlaybookError(
            f"{metadata.name} has no use for {said}", "", "Ask again without it, or for each by itself."
        )
    wrong = {member.resource_type for member in resolution.members} - set(metadata.resource_types)
    if wrong:
        raise EgressRefusedError(
            f"playbook {metadata.id} does not act on {', '.join(sorted(wrong))}",
            "",
            "Ask for an action that fits.",
        )
    return BoundPlaybook(
        playbook=playbook.ref,
        targets=tuple(resolution.members),
        target_parameter=metadata.target_parameter,
        parameters=_parameters(playbook, slots, resolution),
        level=response.level,
        # In the host's own words: what a person decides on must not be a server's text.
        reasons=tuple(f"{risk.risk} ({risk.mitigation})" for risk in metadata.risks),
        explanation=reveal(f"{metadata.name} on r1: {metadata.purpose}", resolution),
    )


def _require_rules(playbook: Playbook, bindings: Sequence[Binding], resolution: Resolution) -> None:
    """Check the bindings of values against the playbook's metadata, because the server may not have done so.

    A value fills at most one parameter, apart from the two parts of a ``key=value``. Values of one type fill their
    parameters in the order of the prompt, so no server can exchange two values.

    Raises:
        EgressRefusedError: A binding breaks a rule.
    """
    metadata, parameters = playbook.metadata, [binding.parameter for binding in bindings]
    slots = {binding.parameter: binding.slot for binding in bindings}
    if len(slots) != len(parameters):
        raise _refused(playbook, "binds a parameter twice")
    if unknown := set(slots) - set(playbook.document.parameters):
        raise _refused(playbook, f"binds {', '.join(sorted(unknown))}, which the playbook does not have")
    filled: dict[tuple[str, str], list[str]] = {}
    # The document's order, not the server's: with it, the first value of a type belongs to the first parameter.
    for name in (each for each in playbook.document.parameters if each in slots and each != metadata.target_parameter):
        source, slot = metadata.parameters.get(name), slots[name]
        if source is None or source.source not in _FROM_REQUEST:
            raise _refused(playbook, f"binds a value to {name}, which takes none from a request")
        if slot not in resolution.values:
            raise _refused(playbook, f"binds {name} to slot {slot}, which was not sent")
        wanted: str = "text" if source.value_type in {"name", None} else str(source.value_type)
        if resolution.types[slot] != wanted:
            raise _refused(playbook, f"binds {name} to a value of type {resolution.types[slot]}, not {wanted}")
        filled.setdefault((wanted, source.part or ""), []).append(slot)
    for (wanted, _), used in filled.items():
        if used != sorted(set(used), key=_number):
            raise _refused(playbook, f"binds the values of type {wanted} in another order than the prompt's")
    if filled.get((_PAIR, "key"), []) != filled.get((_PAIR, "value"), []):
        raise _refused(playbook, "takes the two parts of a key=value from different values")


def _refused(playbook: Playbook, why: str) -> EgressRefusedError:
    what = f"the playbook server's answer does not fit playbook {playbook.metadata.id}"
    return EgressRefusedError(what, f"it {why}", "Ask again; check the playbook server.")


def _number(slot: str) -> int:
    return int(slot[1:])


def reveal(text: str, resolution: Resolution) -> str:
    """Return a server's text with its slots replaced by what they stand for on this host."""
    names = [member.name or member.identifier for member in resolution.members]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004 - a sentence's length
    known = {**resolution.values, "r1": shown or "r1"}
    return _SLOT.sub(lambda match: known.get(match[0], match[0]), text)


def _parameters(playbook: Playbook, slots: Mapping[str, str], resolution: Resolution) -> dict[str, Any]:
    """Return the values that the request gives; the engine generates names, fills defaults and refuses blanks.

    Raises:
        PlaybookError: One value was given for what must differ from target to target.
    """
    target = playbook.metadata.target_parameter
    values: dict[str, Any] = {}
    for name, slot in slots.items():
        if name == target:
            continue
        source = playbook.metadata.parameters[name]
        if source.source == "generated" and len(resolution.members) > 1:
            raise PlaybookError(
                f"{name} must differ for each of {len(resolution.members)} targets",
                "",
                "Leave it out, and names are generated.",
            )
        values[name] = _value(slot, source.part, resolution)
    return values


def _value(slot: str, part: str | None, resolution: Resolution) -> str:
    text = resolution.values[slot]
    if part is None:
        return text
    key, _, value = text.partition("=")
    return key if part == "key" else value
