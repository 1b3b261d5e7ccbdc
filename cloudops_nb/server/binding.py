"""Which slot fills which parameter of a playbook, and what is left blank; nobody guesses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.protocol import Binding, Blank, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.protocol import PlanRequest
    from cloudops_nb.ssm.catalogue import Playbook


def bind_slots(request: PlanRequest, playbook: Playbook) -> tuple[Sequence[Binding], Sequence[Blank]]:
    """Return the bindings of a playbook's parameters, and the required ones that nothing in the request fills.

    The target takes the handle. Each prompt parameter takes the first free value of its type; a value of another type
    is never pressed in. Both parts of a ``key=value`` come from one slot.
    """
    free = [value for value in request.values if value.value_type != "place"]
    bindings: list[Binding] = []
    blanks: list[Blank] = []
    pairs: dict[str | None, list[str]] = {"key": [], "value": []}
    metadata = playbook.metadata
    for name, parameter in playbook.document.parameters.items():
        source = metadata.parameters.get(name)
        if name == metadata.target_parameter:
            slot, wanted = (request.handles[0].slot if request.handles else None), "resource"
        elif source is not None and source.source in {"prompt", "generated"}:
            wanted = "text" if source.value_type in {"name", None} else source.value_type
            used = pairs[source.part] if wanted == "key_value" else [binding.slot for binding in bindings]
            slot = next((value.slot for value in free if value.value_type == wanted and value.slot not in used), None)
            if wanted == "key_value" and slot is not None:
                used.append(slot)
        else:
            continue
        if slot is not None:
            bindings.append(Binding(parameter=name, slot=slot))
        elif parameter.default is None and (source is None or source.source != "generated"):
            blanks.append(Blank(parameter=name, value_type=wanted, description=line(parameter.description)))
    return bindings, blanks
