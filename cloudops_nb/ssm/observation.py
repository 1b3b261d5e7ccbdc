"""How a document looks at the resource that an API changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Observation:
    """The read of one resource, and what is known of its states around a call.

    Attributes:
        member: The member of the changing API that names the resource.
        service: botocore's name of the service that is read.
        api: The API that reads.
        parameters: Its parameters; the resource is ``{{ NAME }}``, with the name of the document's parameter.
        identifier: The JSONPath of the resource's id in the answer; empty if the answer does not contain it.
        state: The JSONPath of its state; empty if it has none or it is not known.
        before: The states in which AWS accepts the call; empty if not known.
        after: The states after the call; empty if not known.
        resource_type: Our resource type; empty if no declared type is read.
        constraint: The constraint that says whether the call is possible; empty for none.
    """

    member: str
    service: str
    api: str
    parameters: Mapping[str, Any]
    identifier: str
    state: str = ""
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    resource_type: str = ""
    constraint: str = ""


@dataclass(frozen=True, slots=True)
class Observations:
    """The resource that a call needs, and the one that it leaves behind; often the same. ``None`` if not known."""

    subject: Observation | None = None
    result: Observation | None = None


def parameter_name(member: str) -> str:
    """Return the name of a document's parameter for a member of an API: it starts with a capital."""
    return member[:1].upper() + member[1:]


def reference(member: str) -> str:
    """Return the reference to the parameter of a member."""
    return f"{{{{ {parameter_name(member)} }}}}"
