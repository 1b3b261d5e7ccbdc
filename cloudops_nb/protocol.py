"""The wire protocol between the notebook host and the playbook server, version 1.

A *slot* is an id that stands for resources (``r1``) or a value (``v2``), and has a meaning only within one request. A
*handle* describes the resources of a slot by *facets*: facts such as the resource type and the state.

Every string in a request is the random request id, a slot, or an element of a closed, published set of words and facet
values. No field accepts the name or id of a resource, an ARN, an account, a region, a tag or an address.
:mod:`cloudops_nb.request.egress` checks the bytes of a request again before they are sent.
"""

from __future__ import annotations

import re
from functools import cache
from textwrap import shorten
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from cloudops_nb.ssm.effects import iam_actions
from cloudops_nb.understanding.tokens import ValueType
from cloudops_nb.understanding.vocabulary import vocabulary

VERSION = "cloudops/1"
MEDIA_TYPE = "application/vnd.cloudops.v1+json"
MAX_BYTES = 64 * 1024
MAX_HANDLES = 10
MAX_VALUES = 20
MAX_WORDS = 200
MAX_EXCHANGES = 5
#: Limits of a response: characters of its text, of each shorter text in it, and of each name; items of each list.
MAX_TEXT, MAX_LINE, MAX_NAME, MAX_ITEMS = 4_000, 500, 100, 50

SLOT = re.compile(r"[rv]([1-9]|1\d|20)")
#: Facet values: ``other`` stands for a value of AWS that is not in the published set, ``none`` for no value.
OTHER, NONE = "other", "none"

Environment = Literal["production", "staging", "development", "unknown"]
Bucket = Literal["0", "1", "2-5", "6-20", "21-100", "101+"]
Verdict = Literal["allowed", "denied", "unknown"]
TernaryValue = Literal["true", "false", "unknown"]
ConstraintName = Literal["can_start", "can_stop", "can_delete"]
FactName = Literal["has_dependencies", "has_backups", "multi_az", "read_replicas", "protected"]


@cache
def closed_words() -> frozenset[str]:
    """Return every string of the published vocabulary that may be a word or a facet value in a request."""
    words = vocabulary()
    concepts = {
        *words.resource_types.values(),
        *words.engines.values(),
        *words.environments.values(),
        *words.intents.values(),
    }
    return words.words | words.states | concepts | {OTHER, NONE, "unknown"}


def line(text: str, limit: int = MAX_LINE) -> str:
    """Return a text as one line that a response may contain: a longer one is shortened at the end of a word."""
    return shorten(text, limit, placeholder=" …")


def bucket(count: int) -> Bucket:
    """Return the range that contains a count. Requests contain ranges instead of exact counts."""
    for limit, name in ((0, "0"), (1, "1"), (5, "2-5"), (20, "6-20"), (100, "21-100")):
        if count <= limit:
            return name  # type: ignore[return-value] # mypy cannot see that each name is a Bucket
    return "101+"


def _word_or_slot(value: str) -> str:
    if value not in vocabulary().words and not SLOT.fullmatch(value):
        raise ValueError("neither a published word nor a slot")
    return value


def _one_of(values: frozenset[str]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in values:
            raise ValueError("not a published value")
        return value

    return AfterValidator(check)


Word = Annotated[str, AfterValidator(_word_or_slot)]
Slot = Annotated[str, Field(pattern=rf"^{SLOT.pattern}$")]
ResourceType = Annotated[str, _one_of(frozenset(vocabulary().resource_types.values()) | {OTHER})]
State = Annotated[str, _one_of(vocabulary().states | {OTHER, NONE})]
Engine = Annotated[str, _one_of(frozenset(vocabulary().engines.values()) | {OTHER, NONE})]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Line = Annotated[str, Field(max_length=MAX_LINE)]
Name = Annotated[str, Field(max_length=MAX_NAME)]
IntentName = Annotated[str, _one_of(frozenset(vocabulary().intents.values()) | {""})]
IamAction = Annotated[str, _one_of(iam_actions())]


class WireModel(BaseModel):
    """The base class of the models here. They are frozen, convert no types, and refuse unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Facets(WireModel):
    """The facts about one resource that a request may contain."""

    resource_type: ResourceType
    state: State = NONE
    engine: Engine = NONE
    environment: Environment = "unknown"
    constraints: dict[ConstraintName, TernaryValue] = {}
    facts: dict[FactName, bool | Bucket] = {}
    iam: dict[IamAction, Verdict] = {}


class ResourceHandle(WireModel):
    """One resource, under a slot that has no meaning outside the request."""

    slot: Slot
    kind: Literal["resource"] = "resource"
    facets: Facets


class SetHandle(WireModel):
    """Several resources of one type: the range of their number, and of how many have each state, engine and so on."""

    slot: Slot
    kind: Literal["set"] = "set"
    resource_type: ResourceType
    count: Bucket
    states: dict[State, Bucket] = {}
    engines: dict[Engine, Bucket] = {}
    environments: dict[Environment, Bucket] = {}
    constraints: dict[ConstraintName, dict[TernaryValue, Bucket]] = {}
    iam: dict[IamAction, dict[Verdict, Bucket]] = {}


class ValueSlot(WireModel):
    """A value in the prompt. Only its slot and its type are sent; the value stays on the host."""

    slot: Slot
    value_type: ValueType


class Exchange(WireModel):
    """The words of an earlier request in the conversation, and the intent that the server found in them."""

    words: Annotated[tuple[Word, ...], Field(max_length=MAX_WORDS)]
    intent: IntentName = ""


class PlanRequest(WireModel):
    """A user's request in the form that is sent.

    It contains published words and slots, the facets of each slot for resources, the type of each slot for a value, and
    earlier exchanges of the conversation.
    """

    protocol: Literal["cloudops/1"] = "cloudops/1"
    request_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    words: Annotated[tuple[Word, ...], Field(min_length=1, max_length=MAX_WORDS)]
    handles: Annotated[tuple[ResourceHandle | SetHandle, ...], Field(max_length=MAX_HANDLES)] = ()
    values: Annotated[tuple[ValueSlot, ...], Field(max_length=MAX_VALUES)] = ()
    history: Annotated[tuple[Exchange, ...], Field(max_length=MAX_EXCHANGES)] = ()


class PlaybookVersion(WireModel):
    """The id, version and content hash of one version of a playbook."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Binding(WireModel):
    """A parameter of the playbook, and the slot whose value or resources the notebook host gives to the parameter."""

    parameter: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,63}$")]
    slot: Slot


class Blank(WireModel):
    """A required parameter for which the request has no slot. The user must give the value; it is never guessed."""

    parameter: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,63}$")]
    value_type: Name
    description: Line


class Alternative(WireModel):
    """A playbook that the server considered, the chosen one included, with its score from 0 to 1 and the reason."""

    playbook: PlaybookVersion
    title: Name
    score: Annotated[float, Field(allow_inf_nan=False)]
    reason: Line


class PlanResponse(WireModel):
    """The server's response.

    Its texts consist of fixed phrases, published words and texts of the playbook catalogue. They name resources and
    values only by slots.
    """

    protocol: Literal["cloudops/1"] = "cloudops/1"
    request_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    kind: Literal["plan", "clarification", "information", "refusal"]
    intent: IntentName = ""
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    text: Text
    playbook: PlaybookVersion | None = None
    bindings: Annotated[tuple[Binding, ...], Field(max_length=MAX_ITEMS)] = ()
    blanks: Annotated[tuple[Blank, ...], Field(max_length=MAX_ITEMS)] = ()
    level: Literal["low", "medium", "high", "critical"] = "low"
    reasons: Annotated[tuple[Line, ...], Field(max_length=MAX_ITEMS)] = ()
    alternatives: Annotated[tuple[Alternative, ...], Field(max_length=MAX_ITEMS)] = ()
