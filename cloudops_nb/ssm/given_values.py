"""The values that a person gives for a document's parameters: from code, or as ``key=value`` words of a command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlanError, PlaybookError, did_you_mean
from cloudops_nb.ssm.document import walk
from cloudops_nb.ssm.references import references

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from cloudops_nb.ssm.catalogue import Playbook
    from cloudops_nb.ssm.document import AutomationDocument
    from cloudops_nb.ssm.parameters import Parameter

_LISTS = ("StringList", "MapList")
_EXAMPLES: Mapping[str, Any] = {
    "String": "…",
    "StringList": ["…"],
    "Boolean": True,
    "Integer": 1,
    "MapList": [{"Key": "…"}],
    "StringMap": {"Key": "…"},
}


def role_parameters(document: AutomationDocument) -> frozenset[str]:
    """Return the parameters that only ``assumeRole`` uses.

    A plan runs as the configured principal and assumes no other role, so these need no value.
    """
    used = [
        [[step.inputs, step.timeout_seconds, step.max_attempts] for _, step in walk(document.steps)],
        [variable.default for variable in document.variables.values()],
        [f"{{{{ {name} }}}}" for name in document.outputs],
    ]
    try:
        return frozenset((references(document.assume_role) & document.parameters.keys()) - references(used))
    except PlaybookError:  # a malformed reference, which the linter reports
        return frozenset()


def missing(playbook: Playbook, given: Collection[str]) -> dict[str, Parameter]:
    """Return the parameters that still need a value, in the order of the document."""
    role = role_parameters(playbook.document)
    sources = playbook.metadata.parameters
    return {
        name: parameter
        for name, parameter in playbook.document.parameters.items()
        if parameter.required
        and name not in given
        and name not in role
        and not (name in sources and sources[name].source == "generated")
    }


def require_all(name: str, missed: Mapping[str, Parameter], example: str) -> None:
    """Raise an error that names every missing parameter with its description.

    Args:
        name: The playbook's name.
        missed: The parameters without a value.
        example: The call or the command with example values for them.

    Raises:
        PlanError: A parameter is missing.
    """
    if missed:
        lines = [f"{each} ({parameter.description or parameter.type})" for each, parameter in missed.items()]
        raise PlanError(f"parameters of {name} have no value", "; ".join(lines), f"For example: {example}")


def example_call(name: str, missed: Mapping[str, Parameter]) -> str:
    """Return a call of ``CloudOps.prepare`` with an example of each missing value."""
    values = {each: _example(parameter) for each, parameter in missed.items()}
    return f'ops.prepare("{name}", {json.dumps(values, ensure_ascii=False)})'


def example_words(missed: Mapping[str, Parameter]) -> str:
    """Return the flags of ``prepare`` with an example of each missing value."""
    texts = ((each, _example(parameter)) for each, parameter in missed.items())
    return " ".join(f"--param {each}={_word(value)}" for each, value in texts)


def converted(playbook: Playbook, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return given values in the types of their parameters.

    Raises:
        PlanError: The document has no such parameter, or a value does not fit; the value itself is not repeated.
    """
    parameters, values = playbook.document.parameters, {}
    for name, value in given.items():
        _require_known(playbook, name)
        values[name] = parameters[name].convert(value)
        if name == playbook.metadata.target_parameter:
            continue  # a name or an ARN is given, and the engine checks the id that it stands for
        if problem := parameters[name].problem(values[name]):
            why = f"it {problem}"
            raise PlanError(f"parameter {name} of {playbook.ref.id} does not fit", why, parameters[name].description)
    return values


def from_words(playbook: Playbook, pairs: Iterable[str]) -> dict[str, Any]:
    """Return the values of ``key=value`` words.

    A list is one word per item, or one word with commas or with JSON; a map is JSON.

    Raises:
        PlanError: A word has no ``=``, the document has no such parameter, or one that is no list has two values.
    """
    texts: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise PlanError("a parameter cannot be read", "it has no =", "Write it as --param Name=value.")
        _require_known(playbook, name)
        texts.setdefault(name, []).append(text)
    return {name: _value(name, playbook.document.parameters[name], each) for name, each in texts.items()}


def with_answers(playbook: Playbook, given: Mapping[str, Any], ask: Callable[[str], str | None]) -> dict[str, Any]:
    """Return the given values, and for each missing one the answer of a person, if there is any.

    Args:
        playbook: The playbook.
        given: The given values.
        ask: Asks a person for one value; returns ``None`` if nobody can answer.
    """
    answers = {name: ask(_question(name, parameter)) for name, parameter in missing(playbook, given).items()}
    parameters = playbook.document.parameters
    return {**given, **{name: _value(name, parameters[name], [text]) for name, text in answers.items() if text}}


def _question(name: str, parameter: Parameter) -> str:
    described = f"{parameter.type}: {parameter.description}" if parameter.description else parameter.type
    return f"{name} ({described})"


def _value(name: str, parameter: Parameter, texts: Sequence[str]) -> Any:
    kind = parameter.base_type
    if kind not in _LISTS:
        if len(texts) > 1:
            raise PlanError(f"parameter {name} has two values", f"it is a {parameter.type}", "Give one of them.")
        return texts[0]
    items: list[Any] = []
    for text in texts:
        found = _json(text)
        if isinstance(found, list):
            items += found
        elif kind == "MapList":
            items.append(found)
        else:
            # A repeated flag gives one item each, which may then contain a comma.
            items += [text] if len(texts) > 1 else [item.strip() for item in text.split(",") if item.strip()]
    return items


def _json(text: str) -> Any:
    """Return the list or the map that a text is the JSON of; any other text as it is."""
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _require_known(playbook: Playbook, name: str) -> None:
    known = playbook.document.parameters
    if name not in known:
        hint = did_you_mean(name, known, otherwise=f"it has {', '.join(known) or 'none'}")
        raise PlanError(f"{playbook.ref.id} has no parameter {name}", hint)


def _example(parameter: Parameter) -> Any:
    return parameter.allowed_values[0] if parameter.allowed_values else _EXAMPLES[parameter.base_type]


def _word(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return value if isinstance(value, str) else f"'{json.dumps(value, ensure_ascii=False)}'"


def role_values(playbook: Playbook, given: Collection[str], account_id: str) -> dict[str, str]:
    """Return a value for each parameter without one that only ``assumeRole`` uses: empty, if it may be empty."""
    parameters = playbook.document.parameters
    unset = (each for each in sorted(role_parameters(playbook.document)) if parameters[each].required)
    return {each: _unused_role(parameters[each], account_id) for each in unset if each not in given}


def _unused_role(parameter: Parameter, account_id: str) -> str:
    return f"arn:aws:iam::{account_id}:role/not-assumed" if parameter.problem("") else ""
