"""The cases, as ``cases/*.yaml`` has them, and the known differences to AWS."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from cloudops_nb.ssm.values import ABSENT

FOLDER = Path(__file__).parent
#: The page of a source: a page of the user guide by its name, or another page by its address.
SOURCE = r"^(https://docs\.aws\.amazon\.com/\S+\.html|[a-z][A-Za-z0-9-]+), \S.*[^.]$"

Answers = dict[str, Any]


class Part(BaseModel):
    """A part of a case: nothing but the fields it has."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Expectation(Part):
    """What a case must end with; each field that is given is compared, and a case gives at least one.

    Text that begins with ``~`` is a regular expression.

    Attributes:
        loads: The document loads; how it runs is not the subject.
        refused: Part of the loader's refusal.
        finding: Part of a finding of the linter: ``severity rule: message``.
        unprepared: Part of the reason why no plan can be made.
        planned: The steps of the plan.
        ran: The paths of the steps, in the order in which they began.
        status: How the run ended.
        states: How single steps ended, by path.
        messages: Part of what single steps say, by path.
        reason: Part of what the run says at its end.
        calls: The calls of the run in order, ``service:Api`` alone or with its exact parameters.
        outputs: Outputs by ``path.Name``; ``absent`` for one that has no value.
        limits: How many seconds one attempt of a step may take, by path.
        value: The value of the one parameter or output of a fragment.
        holds: Whether the condition of a fragment is true.
    """

    loads: bool = False
    refused: str = ""
    finding: str = ""
    unprepared: str = ""
    planned: list[str] | None = None
    ran: list[str] | None = None
    status: str = ""
    states: dict[str, str] = {}
    messages: dict[str, str] = {}
    reason: str = ""
    calls: list[str | dict[str, Any]] | None = None
    outputs: dict[str, Any] = {}
    limits: dict[str, float] = {}
    value: Any = ABSENT
    holds: bool | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Expectation:
        if not self.model_fields_set:
            raise ValueError("a case expects something")
        return self

    @property
    def before_the_run(self) -> bool:
        """Whether loading or planning decides the case."""
        return bool(self.loads or self.refused or self.finding or self.unprepared or self.limits)


class Case(Part):
    """One row of the table: a rule of the guide, where it stands, and a document that shows it.

    The document is ``text``, or is made of ``steps`` and ``fields``. A fragment is instead the one ``condition`` of a
    branch, the one ``output`` of a call, or one ``parameter``.

    Attributes:
        id: Unique.
        rule: One sentence.
        source: The page and its section.
        differs: The id of the known difference to AWS that the case shows.
        xfail: Why the case fails today.
        given: The values of parameters.
        answers: The answers of each API, ``service:Api``, in order; the last one is repeated. An answer with ``error``
            is a refusal, with ``transient`` one that passes. An API without answers answers an empty map.
        documents: Documents that the case's own may run, by name.
        cancel: The path of the step during which a person cancels the run.
        clean_up_seconds: Replaces the two minutes that steps may take after a cancel.
        override: Whether APIs that nobody reviewed may be planned.
        answer: The answer to the call of a fragment.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    rule: Annotated[str, Field(pattern=r"^\S.*\.$")]
    source: Annotated[str, Field(pattern=SOURCE)]
    expect: Expectation
    differs: str = ""
    xfail: str = ""
    text: str = ""
    steps: list[Any] | None = None
    fields: dict[str, Any] = {}
    condition: dict[str, Any] | None = None
    output: dict[str, Any] | None = None
    parameter: dict[str, Any] | None = None
    answer: Any = None
    given: Any = None
    answers: Answers = {}
    documents: dict[str, dict[str, Any]] = {}
    cancel: str = ""
    clean_up_seconds: float | None = None
    caller: str = "arn:aws:sts::123456789012:assumed-role/Operator/ada"
    region: str = "eu-central-1"
    override: bool = False

    @property
    def parameters(self) -> dict[str, Any]:
        """The given values by name; a fragment has one parameter, P."""
        return {"P": self.given} if self.parameter is not None and self.given is not None else self.given or {}


class Area(Part):
    """One file of cases; ``define`` has what its cases share by YAML's anchors."""

    title: str
    define: Any = None
    cases: Annotated[list[Case], Field(min_length=1)]


class Difference(Part):
    """Something that is not as AWS does it: what happens here, in a clause, and why.

    Of something ``silent`` the guide does not say how AWS does it.
    """

    here: Annotated[str, Field(pattern=r"^\S.*[^.]$")]
    why: Annotated[str, Field(pattern=r"^[A-Z`].*\.$")]
    silent: bool = False


@cache
def areas() -> list[Area]:
    """Return the areas in the order of the files' names."""
    return [_read(path, Area) for path in sorted((FOLDER / "cases").glob("*.yaml"))]


@cache
def differences() -> dict[str, Difference]:
    """Return the known differences by id."""
    return TypeAdapter(dict[str, Difference]).validate_python(_data(FOLDER / "differences.yaml"))


def cases() -> list[Case]:
    """Return every case."""
    return [case for area in areas() for case in area.cases]


def _read(path: Path, kind: type[Area]) -> Area:
    try:
        return kind.model_validate(_data(path))
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None


def _data(path: Path) -> Any:
    return yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
