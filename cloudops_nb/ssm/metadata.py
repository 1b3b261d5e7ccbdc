"""What a playbook's ``metadata.yaml`` says: everything an SSM document has no field for.

Facts in it are claims of the playbook's author, checked by the linter as far as they can be, and by review.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cloudops_nb.declarations.located_yaml import invalid, read_yaml
from cloudops_nb.declarations.problem_words import problem_words
from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.lifecycle import Lifecycle
from cloudops_nb.ssm.selectors import check_selector

PLAYBOOK_ID = r"^[a-z][a-z0-9]*(-[a-z0-9]+)+$"
VERSION = r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$"

#: Where a parameter's value comes from: the resource, the person's words, the plan's context (account, region …), the
#: playbook's own default, or a template filled when the plan is made.
Source = Literal["estate", "prompt", "context", "static", "generated"]
ValueType = Literal["text", "name", "number", "size", "duration", "key_value"]
Level = Literal["low", "medium", "high", "critical"]
ConstraintName = Literal["can_start", "can_stop", "can_delete"]


def _is_jsonpath(value: str) -> str:
    try:
        check_selector(value)
    except PlaybookError as error:
        raise ValueError(str(error)) from None
    return value


Sentence = Annotated[str, Field(min_length=1)]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
IamAction = Annotated[str, Field(pattern=r"^[a-z0-9-]+:[A-Za-z0-9]+$")]
JsonPath = Annotated[str, AfterValidator(_is_jsonpath)]


class Part(BaseModel):
    """A part of the metadata: frozen, and strict about types and unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Impact(Part):
    """What the change costs; ``downtime`` and ``data_loss`` are sentences, ``none`` where there is none."""

    downtime: Sentence
    reversible: bool
    data_loss: Sentence


class Risk(Part):
    """Something that may go wrong, and what softens it."""

    risk: Sentence
    mitigation: Sentence


class Prerequisite(Part):
    """Something that must hold before the playbook runs; plain text, or text with a fact that tells whether it holds.

    Attributes:
        text: The prerequisite in words.
        field: A field of the fingerprint's projection. Exactly one of ``is``, ``is_not`` and ``one_of`` says which
            values fit; an empty list also fits a field that AWS's answer lacks.
        constraint: A constraint of the resource that covers the prerequisite.
    """

    text: Sentence
    field: str = ""
    is_: Annotated[Any, Field(alias="is")] = None
    is_not: Any = None
    one_of: Annotated[list[Any], Field(min_length=1)] = [None]
    constraint: ConstraintName | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"text": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_one_fact(self) -> Prerequisite:
        if len(self.comparisons) != bool(self.field):
            raise ValueError("a field needs one of is, is_not and one_of, and they need a field")
        if self.field and self.constraint:
            raise ValueError("a prerequisite has a field or a constraint, not both")
        return self

    @property
    def comparisons(self) -> list[str]:
        """The names of the given comparisons: ``is_``, ``is_not`` or ``one_of``."""
        return sorted({"is_", "is_not", "one_of"} & self.model_fields_set)

    def __str__(self) -> str:
        return self.text


class ParameterSource(Part):
    """Where a document parameter's value comes from.

    ``value_type`` is the form of a value from the prompt; of a ``key_value`` one, ``part`` says which side is meant.
    ``template`` is for ``generated`` ones: text with ``{target}`` (the resource's identifier) and ``{timestamp}``
    (UTC, as ``20060102150405``).
    """

    source: Source
    description: Sentence
    value_type: ValueType | None = None
    part: Literal["key", "value"] | None = None
    template: str = ""

    @model_validator(mode="after")
    def _fits_source(self) -> ParameterSource:
        if (self.source == "generated") != bool(self.template):
            raise ValueError("a template belongs to a generated parameter, and a generated parameter needs one")
        if (self.source == "prompt") != (self.value_type is not None):
            raise ValueError("a value_type belongs to a prompt parameter, and a prompt parameter needs one")
        if (self.value_type == "key_value") != (self.part is not None):
            raise ValueError("a part belongs to a key_value parameter, and a key_value parameter needs one")
        return self


class TargetParameter(Part):
    """The document parameter that receives the resource's identifier."""

    parameter: str
    resource_type: Identifier


class Fingerprint(Part):
    """The read that shows the live state, and the fields of its answer whose change is drift.

    ``parameters`` may hold references to document parameters; every field of ``projection`` is a JSONPath. The field
    ``state`` holds AWS's own word for the resource's state, if it has one.
    """

    service: str
    api: str
    parameters: dict[str, Any]
    projection: Annotated[dict[str, JsonPath], Field(min_length=1)]


class RollbackRule(Part):
    """The playbook that undoes this one, empty when there is none, and the plain truth about it."""

    playbook: str
    note: Sentence


class Change(Part):
    """One line of the changelog."""

    version: Annotated[str, Field(pattern=VERSION)]
    change: Sentence
    date: str = ""


class PlaybookMetadata(Part):
    """The whole of ``metadata.yaml``; it holds only the fields that an operation has.

    Attributes:
        reviewed: Whether a person wrote the metadata; false if they are derived from the document.
        target: The parameter that receives the resource; ``None`` for a document that runs once for all its parameters.
        constraints: The fields of :class:`cloudops_nb.model.Constraints` that must not be false.
        iam_actions: The IAM actions of the document's calls.
        fingerprint: The read that shows the live state; ``None`` if the assertions of the document itself are compared.
        allowed_states: The states of the target in which the playbook may start; empty for any.
        expected_state: The state that it leaves behind; empty if it leaves the state as it was.
        sensitive_outputs: Outputs (``step.Output``) that are kept in memory only.
    """

    id: Annotated[str, Field(pattern=PLAYBOOK_ID)]
    version: Annotated[str, Field(pattern=VERSION)]
    name: Sentence
    description: Sentence
    purpose: str = ""
    reviewed: bool = True
    lifecycle: Annotated[Lifecycle, Field(strict=False)] = Lifecycle.ACTIVE
    intents: list[Identifier] = []
    resource_types: list[Identifier] = []
    keywords: list[Sentence] = []
    use_cases: list[Sentence] = []
    prerequisites: list[Prerequisite] = []
    level: Level = "low"
    impact: Impact | None = None
    risks: list[Risk] = []
    parameters: dict[str, ParameterSource] = {}
    target: TargetParameter | None = None
    constraints: list[ConstraintName] = []
    iam_actions: list[IamAction] = []
    fingerprint: Fingerprint | None = None
    allowed_states: list[Sentence] = []
    expected_state: str = ""
    rollback: RollbackRule = RollbackRule(playbook="", note="no playbook undoes it")
    success_criteria: list[Sentence] = []
    sensitive_outputs: list[str] = []
    changelog: list[Change] = []

    @property
    def target_parameter(self) -> str:
        """The parameter that receives the resource; empty if there is none."""
        return self.target.parameter if self.target else ""

    @property
    def reversible(self) -> bool:
        """Whether the metadata say that the change can be undone."""
        return self.impact is not None and self.impact.reversible


def load_metadata(text: str, source: str) -> PlaybookMetadata:
    """Read ``metadata.yaml``.

    Args:
        text: The YAML text.
        source: Its name in messages.

    Raises:
        PlaybookError: It does not fit; every problem is named, each as ``line:column``.
    """
    located = read_yaml(text, source)
    try:
        return PlaybookMetadata.model_validate(located.data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise invalid(
            source, [located.problem(item["loc"], _worded(item["loc"], problem_words(item))) for item in found]
        ) from None


def _worded(path: tuple[str | int, ...], words: str) -> str:
    return f"{'.'.join(map(str, path))}: {words}" if path else words
