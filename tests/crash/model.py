"""What a store must hold after a sequence of operations, and what it may hold when the last one was cut short."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: An operation as the worker says it: ``kind`` and what belongs to it, as plain JSON data.
Operation = dict[str, Any]


@dataclass
class Model:
    """The content of a store: resource id to version, conversation to texts, journal texts."""

    estate: dict[str, int] = field(default_factory=dict)
    chat: dict[str, list[str]] = field(default_factory=dict)
    journal: list[str] = field(default_factory=list)
    #: By an acknowledged snapshot's name, the content that it has.
    snapshots: dict[str, Any] = field(default_factory=dict)

    def carry_out(self, operation: Operation) -> None:
        """Change the content as the operation does when it is carried out wholly."""
        match operation:
            case {"kind": "upsert", "resources": resources}:
                self.estate.update(resources)
            case {"kind": "delete", "ids": ids}:
                for identifier in ids:
                    self.estate.pop(identifier, None)
            case {"kind": "say", "conversation": conversation, "text": text}:
                self.chat.setdefault(conversation, []).append(text)
            case {"kind": "record", "text": text}:
                self.journal.append(text)
            case {"kind": "snapshot", "what": what, "name": name}:
                self.snapshots[name] = copy.deepcopy(self.estate if what == "aws_estate" else self.chat)
            case {"kind": "restore", "what": "aws_estate", "name": name}:
                self.estate = copy.deepcopy(self.snapshots[name])
            case {"kind": "restore", "what": "chat_history", "name": name}:
                self.chat = copy.deepcopy(self.snapshots[name])
            case {"kind": "snapshot" | "rotate" | "rekey"}:
                pass  # changes how the content is kept, not the content
            case _:
                raise ValueError(operation)


@dataclass
class Found:
    """What a store was seen to hold."""

    estate: Mapping[str, int]
    chat: Mapping[str, list[str]]
    journal: list[str]


def faults(model: Model, pending: Operation | None, found: Found) -> list[str]:
    """Compare a store with the model, allowing an operation that was under way to be done, or (a batch) partly done."""
    after = copy.deepcopy(model)
    if pending:
        after.carry_out(pending)
    problems = []
    if pending and pending["kind"] == "restore":
        # A restore puts a whole collection in place of another: no mixture of the two may ever show.
        if found.estate not in (model.estate, after.estate):
            problems.append("the estate is neither the one before the restore nor the one restored")
    else:
        for identifier in {*model.estate, *after.estate, *found.estate}:
            allowed = {model.estate.get(identifier), after.estate.get(identifier)}
            if found.estate.get(identifier) not in allowed:
                problems.append(f"{identifier}: version {found.estate.get(identifier)}, not one of {allowed}")
    if found.chat not in (_filled(model.chat), _filled(after.chat)):
        problems.append("the conversations are neither those before the last operation nor those after it")
    if found.journal not in (model.journal, after.journal):
        problems.append(f"the journal has {len(found.journal)} records, not {len(model.journal)} as acknowledged")
    return problems


def settled(model: Model, found: Found) -> Model:
    """Return the model of what is there now: an operation that was under way happened as far as it is seen."""
    chat = {name: list(texts) for name, texts in found.chat.items()}
    return Model(dict(found.estate), chat, list(found.journal), model.snapshots)


def _filled(chat: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {name: texts for name, texts in chat.items() if texts}
