"""The ``Condition`` element: tests of condition keys, all of which must hold.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from cloudops_nb.iam.policies.operators import NEGATED, OPERATORS, PolicyValue
from cloudops_nb.iam.truth import Truth, all_hold, any_holds, negated, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.iam.context import RequestContext
    from cloudops_nb.iam.policies.operators import Comparison

Quantifier = Literal["", "forallvalues", "foranyvalue"]
_IF_EXISTS = "ifexists"
_NULL = "null"


class ConditionTest(Protocol):
    """The test of one key by one operator."""

    @property
    def keys(self) -> frozenset[str]:
        """Every condition key that the result depends on, in lower case."""

    def holds(self, context: RequestContext) -> Truth:
        """Return whether the test holds for a request."""


def condition_tests(
    condition: Mapping[str, Mapping[str, Sequence[str]]], *, variables: bool
) -> tuple[ConditionTest, ...]:
    """Return the tests of a condition, one per operator and key; the result for an unknown operator is unknown."""
    return tuple(
        _condition_test(name, key, values, variables=variables)
        for name, by_key in condition.items()
        for key, values in by_key.items()
    )


def _condition_test(name: str, key: str, values: Sequence[str], *, variables: bool) -> ConditionTest:
    quantifier, _, rest = name.lower().rpartition(":")
    base = rest.removesuffix(_IF_EXISTS)
    is_null = base == _NULL and base == rest and not quantifier
    build = OPERATORS.get(NEGATED.get(base, base))
    if quantifier not in ("", "forallvalues", "foranyvalue") or (build is None and not is_null):
        return UndocumentedTest(f"condition operator {name} is not known")
    if not values:
        return UndocumentedTest(f"{name} compares {key} with no values")
    if build is None:
        return _NullTest(key, key.lower(), tuple(values))
    opposite = base in NEGATED
    valueless: Truth = unknown(f"a variable in {name} has no value") if opposite else False
    comparisons = tuple(build(PolicyValue(value, variables, valueless)) for value in values)
    return _ComparisonTest(key, key.lower(), comparisons, opposite, base != rest, quantifier)  # type: ignore[arg-type]  # checked above


def _key_not_known(key: str) -> Truth:
    return unknown(f"condition key {key} is not known")


@dataclass(frozen=True, eq=False, slots=True)
class UndocumentedTest:
    """A test whose result AWS does not document; ``why`` is the reason in one line."""

    why: str

    @property
    def keys(self) -> frozenset[str]:
        """No condition key changes the result."""
        return frozenset()

    def holds(self, _context: RequestContext) -> Truth:
        """Return unknown, with the reason."""
        return unknown(self.why)


@dataclass(frozen=True, eq=False, slots=True)
class _NullTest:
    """The ``Null`` operator: whether a key is absent; ``name`` is the key as the policy writes it."""

    name: str
    key: str
    values: tuple[str, ...]

    @property
    def keys(self) -> frozenset[str]:
        return frozenset({self.key})

    def holds(self, context: RequestContext) -> Truth:
        state = context.state(self.key)
        if state.possible is None:
            absent: Truth = False if state.present else _key_not_known(self.name)
        else:
            found = {self._is_absent(values) for values in state.possible}
            absent = found.pop() if len(found) == 1 else _key_not_known(self.name)
        return any_holds(self._null_holds(value, absent) for value in self.values)

    def _is_absent(self, values: tuple[str, ...]) -> Truth:
        if values and not any(values):
            # AWS documents both that Null tests for a value that is not null and that an empty text in a set is null,
            # so the result is not clear.
            return unknown(f"condition key {self.name} is empty")
        return not values

    def _null_holds(self, value: str, absent: Truth) -> Truth:
        results = {"true": absent, "false": negated(absent)}
        return results.get(value.strip().lower(), unknown(f"{value[:40]!r} in a condition cannot be read"))


@dataclass(frozen=True, eq=False, slots=True)
class _ComparisonTest:
    """A comparison of a key's values with the policy's; ``name`` is the key as the policy writes it."""

    name: str
    key: str
    comparisons: tuple[Comparison, ...]
    opposite: bool
    if_exists: bool
    quantifier: Quantifier

    @property
    def keys(self) -> frozenset[str]:
        return frozenset({self.key}).union(*(comparison.keys for comparison in self.comparisons))

    def holds(self, context: RequestContext) -> Truth:
        state = context.state(self.key)
        if state.possible is None:
            return _key_not_known(self.name)
        outcomes = {self._holds_for(values, context) for values in state.possible}
        return outcomes.pop() if len(outcomes) == 1 else _key_not_known(self.name)

    def _holds_for(self, values: tuple[str, ...], context: RequestContext) -> Truth:
        if not values:
            return self._holds_when_absent()
        if self.quantifier and not any(values):
            # A set of empty texts counts as an empty set.
            return self.quantifier == "forallvalues"
        each = [self._value_holds(value, context) for value in values]
        if self.quantifier:
            return all_hold(each) if self.quantifier == "forallvalues" else any_holds(each)
        # AWS documents operators without a quantifier only for single-valued keys.
        return each[0] if len(set(each)) == 1 else unknown(f"condition key {self.name} has several values")

    def _holds_when_absent(self) -> Truth:
        if self.quantifier == "foranyvalue":
            return _key_not_known(self.name) if self.if_exists else False
        return self.if_exists or self.opposite or self.quantifier == "forallvalues"

    def _value_holds(self, value: str, context: RequestContext) -> Truth:
        matched = any_holds(comparison.compare(value, context) for comparison in self.comparisons)
        return negated(matched) if self.opposite else matched
