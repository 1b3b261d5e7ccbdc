"""Takes the reason of a verdict apart: the layer, the policy, the statement, and what is not known.

A reason is kept as one line, because a store has one for each action of each resource. Its words are those of
:mod:`cloudops_nb.iam.evaluation.verdict` and :mod:`cloudops_nb.iam.evaluation.layers`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_GRANT = re.compile(r"^(?:denied|allowed(?: unless the organisation denies,)?) by (.*)$")
_FURTHER = "it also requires "
_NOT_KNOWN = "not known: "
_NAMED = re.compile(
    r"^(?P<layer>permissions boundary|session policy|service control policy|resource control policy|policy) "
    r"(?P<policy>.+) (?P<statement>\S+)$"
)
_OWN = re.compile(r"^the resource's own policy (?P<statement>\S+)$")
#: The layers that do not allow an action, by the begin of the reason.
_SILENT = {
    "no service control policy": "service control policy",
    "no resource control policy": "resource control policy",
    "no session policy": "session policy",
    "the permissions boundary does not": "permissions boundary",
    "the resource's own policy does not": "resource policy",
    "the resource belongs to another account": "resource policy",
    "no policy": "identity policy",
    "managed by AWS": "AWS",
    "allowed by AWS": "AWS",
}


@dataclass(frozen=True, slots=True)
class ReasonParts:
    """The parts of a reason; each is empty if the reason does not name it.

    Attributes:
        layer: The kind of policy that decided, such as ``permissions boundary``.
        policy: The policy's name.
        statement: The statement's ``Sid`` or number.
        missing: What is not known, if the verdict is unknown.
    """

    layer: str = ""
    policy: str = ""
    statement: str = ""
    missing: str = ""


def parts_of(reason: str) -> ReasonParts:
    """Return the parts of a verdict's reason; if a further authorisation decided it, those of that one."""
    if reason.startswith(_FURTHER):
        return parts_of(reason.partition(": ")[2])
    for begin, layer in _SILENT.items():
        if reason.startswith(begin):
            return ReasonParts(layer)
    decided, _, missing = reason.partition(_NOT_KNOWN)
    granted = _GRANT.match(decided.rstrip("; "))
    if not granted:
        return ReasonParts(missing=missing or reason)
    if own := _OWN.match(granted[1]):
        return ReasonParts("resource policy", "", own["statement"], missing)
    if named := _NAMED.match(granted[1]):
        layer = "identity policy" if named["layer"] == "policy" else named["layer"]
        return ReasonParts(layer, named["policy"], named["statement"], missing)
    return ReasonParts(granted[1], missing=missing)
