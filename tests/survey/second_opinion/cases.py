"""Plain Automation documents, with the steps that the user guide demands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Step = dict[str, Any]

#: For each operator a value of the variable, an operand with which it holds, and one with which it does not.
_OPERATORS: Mapping[str, tuple[str, Any, Any, Any]] = {
    "StringEquals": ("String", "running", "running", "Running"),
    "EqualsIgnoreCase": ("String", "running", "RUNNING", "stopped"),
    "StartsWith": ("String", "running", "run", "ing"),
    "EndsWith": ("String", "running", "ing", "run"),
    "Contains": ("String", "running", "nni", "nnn"),
    "NumericEquals": ("Integer", 5, 5, 6),
    "NumericGreater": ("Integer", 5, 4, 5),
    "NumericLesser": ("Integer", 5, 6, 5),
    "NumericGreaterOrEquals": ("Integer", 5, 5, 6),
    "NumericLesserOrEquals": ("Integer", 5, 5, 4),
    "BooleanEquals": ("Boolean", True, True, False),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A document with answers, and how it ends.

    Attributes:
        name: What it shows.
        document: The document.
        steps: The names of the steps in the order of the run.
        succeeds: Whether the run ends well.
        parameters: Values of the parameters.
        answers: AWS's answers by the name of a step.
        differs: Why the library does something else, with the words of the guide; empty if it does not.
    """

    name: str
    document: Mapping[str, Any]
    steps: Sequence[str]
    succeeds: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    differs: str = ""


def cases() -> Iterator[Case]:
    """Yield every case."""
    yield from _sequences()
    yield from _operators()
    yield from _branches()
    yield from _checks()
    yield from _failures()
    yield from _outputs()


def document(*steps: Step, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a document with these steps."""
    return {"schemaVersion": "0.3", "description": "plain", "parameters": parameters or {}, "mainSteps": list(steps)}


def _nap(name: str, **fields: Any) -> Step:
    return {"name": name, "action": "aws:sleep", "inputs": {"Duration": "PT1S"}, **fields}


def _call(name: str, outputs: Mapping[str, tuple[str, str]] | None = None, **fields: Any) -> Step:
    listed = [{"Name": each, "Selector": path, "Type": kind} for each, (path, kind) in (outputs or {}).items()]
    inputs = {"Service": "rds", "Api": "DescribeDBInstances"}
    return {"name": name, "action": "aws:executeAwsApi", "inputs": inputs, "outputs": listed, **fields}


def _check(name: str, *desired: str, action: str = "assert", **fields: Any) -> Step:
    inputs = {"Service": "rds", "Api": "DescribeDBInstances", "PropertySelector": "$.DBInstances[0].DBInstanceStatus"}
    return {
        "name": name,
        "action": f"aws:{action}AwsResourceProperty",
        "timeoutSeconds": 60,
        "inputs": {**inputs, "DesiredValues": list(desired)},
        **fields,
    }


def _branch(name: str, *choices: tuple[str, str, Any, str], default: str = "", **fields: Any) -> Step:
    listed = [
        {"Variable": variable, operator: operand, "NextStep": target} for variable, operator, operand, target in choices
    ]
    inputs = {"Choices": listed, **({"Default": default} if default else {})}
    return {"name": name, "action": "aws:branch", "inputs": inputs, **fields}


def _is(status: str) -> dict[str, Any]:
    return {"DBInstances": [{"DBInstanceStatus": status, "AllocatedStorage": 20, "MultiAZ": False}]}


def _sequences() -> Iterator[Case]:
    yield Case("one step", document(_nap("one")), ["one"])
    yield Case("steps in their order", document(_nap("one"), _nap("two"), _nap("three")), ["one", "two", "three"])
    yield Case(
        "nextStep leaves a step out",
        document(_nap("one", nextStep="three"), _nap("two"), _nap("three")),
        ["one", "three"],
    )
    steps = _nap("one", nextStep="three"), _nap("two", isEnd=True), _nap("three", nextStep="two")
    why = 'the library ignores nextStep of the last step: "Specifies which step in an automation to process next"'
    yield Case("nextStep leads back", document(*steps), ["one", "three", "two"], differs=why)
    yield Case("isEnd ends the run", document(_nap("one", isEnd=True), _nap("two")), ["one"])
    yield Case("isEnd: false does not", document(_nap("one", isEnd=False), _nap("two")), ["one", "two"])
    why = 'the library reads no Timestamp: "If the specified date and time has passed, the action proceeds"'
    until = document(_until("one", "2020-01-01T01:00:00Z"), _nap("two"))
    yield Case("sleep until a time that has passed", until, ["one", "two"], differs=why)


def _until(name: str, timestamp: str) -> Step:
    return {"name": name, "action": "aws:sleep", "inputs": {"Timestamp": timestamp}}


def _operators() -> Iterator[Case]:
    for operator, (kind, value, holds, fails) in _OPERATORS.items():
        for operand, way in ((holds, "chosen"), (fails, "other")):
            steps = (
                _branch("choose", ("{{ Value }}", operator, operand, "chosen"), default="other"),
                _nap("chosen", isEnd=True),
                _nap("other", isEnd=True),
            )
            yield Case(
                f"{operator} {'holds' if way == 'chosen' else 'does not hold'}",
                document(*steps, parameters={"Value": {"type": kind}}),
                ["choose", way],
                parameters={"Value": value},
            )


def _branches() -> Iterator[Case]:
    ends = [_nap(name, isEnd=True) for name in ("first", "second", "third")]
    mode = {"Mode": {"type": "String"}}
    for value, way in (("a", "first"), ("b", "second"), ("c", "third")):
        choose = _branch(
            "choose",
            ("{{ Mode }}", "StringEquals", "a", "first"),
            ("{{ Mode }}", "StringEquals", "b", "second"),
            default="third",
        )
        steps = document(choose, *ends, parameters=mode)
        yield Case(f"of two choices and a default: {way}", steps, ["choose", way], parameters={"Mode": value})
    both = _branch(
        "choose", ("{{ Mode }}", "StartsWith", "a", "second"), ("{{ Mode }}", "EndsWith", "b", "first"), default="third"
    )
    yield Case(
        "the first of two that hold",
        document(both, *ends, parameters=mode),
        ["choose", "second"],
        parameters={"Mode": "ab"},
    )
    without = _branch("choose", ("{{ Mode }}", "StringEquals", "a", "second"))
    yield Case(
        "no choice and no default",
        document(without, *ends, parameters=mode),
        ["choose", "first"],
        parameters={"Mode": "x"},
    )
    ending = _branch("choose", ("{{ Mode }}", "StringEquals", "a", "second"), isEnd=True)
    yield Case(
        "isEnd, and a choice holds",
        document(ending, *ends, parameters=mode),
        ["choose", "second"],
        parameters={"Mode": "a"},
        differs='the library ends: "If none of the Choices are true [...] the automation stops at the end of the step"',
    )
    yield Case("isEnd, and none holds", document(ending, *ends, parameters=mode), ["choose"], parameters={"Mode": "x"})
    output = {"State": ("$.DBInstances[0].DBInstanceStatus", "String")}
    decide = _branch("choose", ("{{ look.State }}", "StringEquals", "stopped", "second"), default="third")
    for state, way in (("stopped", "second"), ("available", "third")):
        yield Case(
            f"an output decides: {state}",
            document(_call("look", output), decide, *ends),
            ["look", "choose", way],
            answers={"look": _is(state)},
        )


def _checks() -> Iterator[Case]:
    yield Case(
        "an assertion holds",
        document(_check("check", "available"), _nap("two")),
        ["check", "two"],
        answers={"check": _is("available")},
    )
    yield Case(
        "an assertion of one of two values", document(_check("check", "stopped", "available"), _nap("two")),
        ["check", "two"], answers={"check": _is("available")},
    )  # fmt: skip
    yield Case(
        "an assertion fails",
        document(_check("check", "available"), _nap("two")),
        ["check"],
        succeeds=False,
        answers={"check": _is("stopped")},
    )
    yield Case(
        "a wait ends", document(_check("until", "stopped", action="waitFor"), _nap("two")), ["until", "two"],
        answers={"until": [_is("available"), _is("stopping"), _is("stopped")]},
    )  # fmt: skip
    yield Case(
        "a wait times out", document(_check("until", "stopped", action="waitFor"), _nap("two")), ["until"],
        succeeds=False, answers={"until": _is("available")},
    )  # fmt: skip
    yield Case(
        "a capital True is the Boolean",
        document(_flag("check", "True")),
        ["check"],
        answers={"check": {"DBInstances": [{"MultiAZ": True}]}},
        differs='the library compares types: "you must use a capital letter such as True or False"',
    )


def _flag(name: str, desired: str) -> Step:
    step = _check(name, desired)
    return {**step, "inputs": {**step["inputs"], "PropertySelector": "$.DBInstances[0].MultiAZ"}}


def _failures() -> Iterator[Case]:
    refused = {"one": {"error": "DBInstanceNotFound"}}
    yield Case("a call fails", document(_call("one"), _nap("two")), ["one"], succeeds=False, answers=refused)
    yield Case(
        "onFailure: Abort",
        document(_call("one", onFailure="Abort"), _nap("two")),
        ["one"],
        succeeds=False,
        answers=refused,
    )
    yield Case(
        "onFailure: Continue",
        document(_call("one", onFailure="Continue"), _nap("two")),
        ["one", "two"],
        answers=refused,
    )
    critical = document(_call("one", onFailure="Continue", isCritical=True), _nap("two"))
    why = 'the library ignores isCritical: "Automation reports the final status of the Automation as Failed"'
    yield Case(
        "onFailure: Continue of a critical step", critical, ["one", "two"], succeeds=False, answers=refused, differs=why
    )
    jump = document(_call("one", onFailure="step:three", isCritical=False), _nap("two"), _nap("three"))
    yield Case("onFailure leads to a step", jump, ["one", "three"], answers=refused)
    yield Case(
        "onFailure is not taken after a success", jump, ["one", "two", "three"], answers={"one": _is("available")}
    )
    failing = document(_call("one", onFailure="step:three"), _nap("two"), _nap("three"))
    why = f'{why}; "Otherwise, the default value for this option is true"'
    yield Case(
        "onFailure leads to a step, but the run fails",
        failing,
        ["one", "three"],
        succeeds=False,
        answers=refused,
        differs=why,
    )
    twice = document(_call("one", maxAttempts=3), _nap("two"))
    answers = {"one": [{"error": "InternalFailure"}, {"error": "InternalFailure"}, _is("available")]}
    yield Case("a third attempt succeeds", twice, ["one", "two"], answers=answers)
    yield Case("every attempt fails", twice, ["one"], succeeds=False, answers=refused)
    end = document(_call("one", isEnd=True), _nap("two"))
    yield Case("a step with isEnd fails", end, ["one"], succeeds=False, answers=refused)
    assertion = document(
        _check("check", "stopped", onFailure="step:change", isCritical=False, nextStep="last"),
        _nap("change"),
        _nap("last"),
    )
    for state, way in (("stopped", ["check", "last"]), ("available", ["check", "change", "last"])):
        yield Case(f"an assertion guards a change: {state}", assertion, way, answers={"check": _is(state)})


def _outputs() -> Iterator[Case]:
    state = {"State": ("$.DBInstances[0].DBInstanceStatus", "String")}
    again = _check("check", "{{ look.State }}")
    why = (
        "the library compares with the text of the reference: a reference in DesiredValues is replaced, as in any input"
    )
    yield Case(
        "an output is a desired value", document(_call("look", state), again), ["look", "check"],
        answers={"look": _is("available"), "check": _is("available")}, differs=why,
    )  # fmt: skip
    absent = document(_call("look", {"Gone": ("$.DBInstances[0].Nothing", "String")}), _nap("two"))
    why = "the library fails: an example of automation-actions declares an output that the answer may lack"
    yield Case("the answer lacks an output", absent, ["look", "two"], answers={"look": _is("available")}, differs=why)
    size = {"Size": ("$.DBInstances[0].AllocatedStorage", "Integer")}
    choose = _branch("choose", ("{{ look.Size }}", "NumericGreater", 10, "big"), isEnd=False, default="small")
    numbers = document(_call("look", size), choose, _nap("small", isEnd=True), _nap("big"))
    yield Case("a number of an answer decides", numbers, ["look", "choose", "big"], answers={"look": _is("available")})
    text = document(_call("look", {"Size": ("$.DBInstances[0].AllocatedStorage", "String")}), _nap("two"))
    why = 'the library refuses another type: "Automation tries to convert the data type"'
    yield Case("a number becomes text", text, ["look", "two"], answers={"look": _is("available")}, differs=why)
