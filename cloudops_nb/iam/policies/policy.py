"""Policies in a form that is fast to evaluate: each document is parsed and compiled once.

The grammar of policies: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.iam.policies.arns import ResourcePattern
from cloudops_nb.iam.policies.conditions import ConditionTest, UndocumentedTest, condition_tests
from cloudops_nb.iam.policies.principal_element import PrincipalElement
from cloudops_nb.iam.policies.statement import Statement
from cloudops_nb.iam.policies.wildcards import HOLE, pattern_matcher, split_pattern
from cloudops_nb.iam.truth import unknown

_VERSION_WITH_VARIABLES = "2012-10-17"
_VERSIONS = ("2008-10-17", _VERSION_WITH_VARIABLES)
_STATEMENT_ELEMENTS = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)


class PolicyError(ConfigurationError):
    """The error for a policy document that AWS would not accept."""


@dataclass(frozen=True, eq=False, slots=True)
class Policy:
    """A compiled policy; ``name`` identifies the policy in the reasons of verdicts."""

    name: str
    statements: tuple[Statement, ...]

    @classmethod
    def parse(cls, document: Mapping[str, Any] | str, *, name: str) -> Self:
        """Parse and compile a policy document.

        Args:
            document: The policy, as JSON text or as parsed JSON.
            name: The policy's name in errors and in the reasons of verdicts.

        Raises:
            PolicyError: The document is malformed. An unknown condition operator or principal type is not an error; the
                verdicts that depend on this operator or type are unknown.
        """
        data = _parse_json(document, name) if isinstance(document, str) else document
        try:
            return cls(name, _compile_statements(data, name))
        except _MalformedPolicyError as error:
            raise PolicyError(f"{name} is not a valid policy", str(error)) from None


class _MalformedPolicyError(Exception):
    pass


def _parse_json(text: str, name: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object_without_duplicates)
    except _MalformedPolicyError as error:
        why = str(error)
    except RecursionError:
        why = "it is nested too deeply"
    except ValueError as error:
        why = f"it is not JSON: {error}"
    raise PolicyError(f"{name} is not a valid policy", why)


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; duplicate keys are an error, because AWS does not document which of them counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _MalformedPolicyError("a key occurs twice")
    return found


def _compile_statements(data: Any, name: str) -> tuple[Statement, ...]:
    if not isinstance(data, Mapping) or not set(data) <= {"Version", "Id", "Statement"} or "Statement" not in data:
        raise _MalformedPolicyError("a policy takes a Statement and, optionally, Version and Id")
    version = data.get("Version", _VERSIONS[0])
    if version not in _VERSIONS:
        raise _MalformedPolicyError(f"Version must be {' or '.join(_VERSIONS)}")
    listed = data["Statement"]
    if isinstance(listed, Mapping):
        listed = [listed]
    if not isinstance(listed, Sequence) or isinstance(listed, str | bytes):
        raise _MalformedPolicyError("Statement must be a statement or a list of statements")
    return tuple(
        _compile_statement(each, f"{name}, statement {number}", variables=version == _VERSION_WITH_VARIABLES)
        for number, each in enumerate(listed, 1)
    )


def _compile_statement(data: Any, source: str, *, variables: bool) -> Statement:
    if not isinstance(data, Mapping) or not set(data) <= _STATEMENT_ELEMENTS:
        raise _MalformedPolicyError(f"a statement takes only {', '.join(sorted(_STATEMENT_ELEMENTS))}")
    effect, sid = data.get("Effect"), data.get("Sid")
    if effect not in ("Allow", "Deny"):
        raise _MalformedPolicyError("Effect must be Allow or Deny")
    if isinstance(sid, str) and sid:
        source = f"{source.rpartition(' ')[0]} {sid}"
    actions, not_actions = _element_or_opposite(data, "Action")
    if actions is None:
        raise _MalformedPolicyError("a statement takes either Action or NotAction")
    principal = _principal_element(data)
    resources, not_resources = _element_or_opposite(data, "Resource")
    if resources is None and principal is None:
        raise _MalformedPolicyError("a statement without a principal takes either Resource or NotResource")
    return Statement(
        source=" ".join(source.split()),
        denies=effect == "Deny",
        actions=tuple(pattern_matcher(split_pattern(action.lower())) for action in actions),
        not_actions=not_actions,
        resources=None
        if resources is None
        else tuple(
            ResourcePattern(
                text,
                variables=variables,
                valueless=unknown(f"a variable in NotResource {text} has no value") if not_resources else False,
            )
            for text in resources
        ),
        not_resources=not_resources,
        principal=principal,
        tests=(
            *condition_tests(_values_by_operator_and_key(data.get("Condition", {})), variables=variables),
            *_undocumented_tests(data, principal),
        ),
    )


def _undocumented_tests(data: Mapping[str, Any], principal: PrincipalElement | None) -> Iterator[ConditionTest]:
    """Yield a test that is always unknown for each part of a statement whose effect AWS does not document."""
    for name in ("NotAction", "NotResource"):
        if name in data and not data[name]:
            yield UndocumentedTest(f"{name} lists nothing")
    if principal is not None and principal.opposite:
        if not principal.entries:
            yield UndocumentedTest("NotPrincipal lists no principal")
        if data["Effect"] == "Allow":
            yield UndocumentedTest("NotPrincipal with Allow is not supported by AWS")


def _element_or_opposite(data: Mapping[str, Any], name: str) -> tuple[tuple[str, ...] | None, bool]:
    """Return the values of an element or of its ``Not`` form, and true if the statement has the ``Not`` form."""
    opposite = f"Not{name}"
    if name in data and opposite in data:
        raise _MalformedPolicyError(f"a statement takes either {name} or {opposite}")
    if name not in data and opposite not in data:
        return None, False
    return _text_values(data.get(name, data.get(opposite)), name), opposite in data


def _principal_element(data: Mapping[str, Any]) -> PrincipalElement | None:
    opposite = "NotPrincipal" in data
    if opposite and "Principal" in data:
        raise _MalformedPolicyError("a statement takes either Principal or NotPrincipal")
    if not opposite and "Principal" not in data:
        return None
    found = data["NotPrincipal" if opposite else "Principal"]
    if found == "*":
        found = {"AWS": "*"}
    if not isinstance(found, Mapping):
        raise _MalformedPolicyError('a principal must be "*" or a mapping of principal types to values')
    return PrincipalElement(
        tuple((str(kind), text) for kind, listed in found.items() for text in _text_values(listed, "a principal")),
        opposite,
    )


def _values_by_operator_and_key(data: Any) -> dict[str, dict[str, tuple[str, ...]]]:
    if not isinstance(data, Mapping) or not all(isinstance(by_key, Mapping) for by_key in data.values()):
        raise _MalformedPolicyError("Condition must map operators to keys and values")
    return {
        str(name): {str(key): _text_values(values, "a condition", scalars=True) for key, values in by_key.items()}
        for name, by_key in data.items()
    }


def _text_values(value: Any, name: str, *, scalars: bool = False) -> tuple[str, ...]:
    listed = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
    return tuple(_text_value(each, name, scalars=scalars) for each in listed)


def _text_value(value: Any, name: str, *, scalars: bool) -> str:
    if isinstance(value, bool) and scalars:
        return str(value).lower()
    if isinstance(value, int | float) and not isinstance(value, bool) and scalars:
        return repr(value)
    if not isinstance(value, str):
        raise _MalformedPolicyError(f"{name} must be text or a list of texts")
    # In a pattern, the character HOLE would count as an unknown part of a text.
    return value.replace(HOLE, "\ufffd")
