"""The ``Condition`` element: a list of tests of condition keys. The element holds if every test holds.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from cloudops_nb.iam.policies.operators import NEGATED, OPERATORS, PolicyValue
from cloudops_nb.iam.truth import Truth, Unknown, all_hold, any_holds, negated, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.iam.context import RequestContext
    from cloudops_nb.iam.policies.operators import Comparison

#: The prefix ``ForAllValues`` or ``ForAnyValue`` of an operator, in lower case; empty for an operator without it.
Quantifier = Literal["", "forallvalues", "foranyvalue"]
_IF_EXISTS = "ifexists"
_NULL = "null"


class ConditionTest(Protocol):
    """One operator applied to one condition key, such as ``StringEquals`` to ``aws:RequestedRegion``."""

    @property
    def keys(self) -> frozenset[str]:
        """The condition keys on which the result depends, in lower case."""

    def holds(self, context: RequestContext) -> Truth:
        """Return whether the test holds for a request."""


def condition_tests(
    condition: Mapping[str, Mapping[str, Sequence[str]]], *, variables: bool
) -> tuple[ConditionTest, ...]:
    """Return the tests of a ``Condition``, one per operator and key; a test with an unknown operator is unknown."""
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
    comparisons = tuple(
        build(PolicyValue(value, variables, unknown(f"a variable in {value} has no value") if opposite else False))
        for value in values
    )
    # The quantifier is checked above.
    return _ComparisonTest(key, key.lower(), comparisons, opposite, base != rest, quantifier)  # type: ignore[arg-type]


def _key_not_known(key: str) -> Truth:
    return unknown(f"condition key {key} is not known")


@dataclass(frozen=True, eq=False, slots=True)
class UndocumentedTest:
    """A test that is always unknown, because AWS does not document its result; ``why`` is the reason in one line."""

    why: str

    @property
    def keys(self) -> frozenset[str]:
        """Empty, because the result depends on no condition key."""
        return frozenset()

    def holds(self, _context: RequestContext) -> Truth:
        """Return unknown, for the reason ``why``."""
        return unknown(self.why)


@dataclass(frozen=True, eq=False, slots=True)
class _NullTest:
    """The ``Null`` operator, which tests if a key is absent; ``name`` is the key as written in the policy."""

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
            # AWS documents that a key counts as present only if its value is not null, and also that an empty text in a
            # set is null. The result for empty texts is therefore not clear.
            return unknown(f"condition key {self.name} is empty")
        return not values

    def _null_holds(self, value: str, absent: Truth) -> Truth:
        results = {"true": absent, "false": negated(absent)}
        return results.get(
            value.strip().lower(), unknown(f"condition key {self.name}: {value[:40]!r} in a condition cannot be read")
        )


@dataclass(frozen=True, eq=False, slots=True)
class _ComparisonTest:
    """An operator that compares the values of a condition key in the request with the values in the policy.

    Attributes:
        name: The condition key as written in the policy.
        key: The condition key in lower case.
        comparisons: One comparison per value in the policy.
        opposite: True for a negated operator, such as ``StringNotEquals``. ``comparisons`` then test with
            ``StringEquals``, and their result for each value in the request is negated.
        if_exists: True if the operator ends with ``IfExists``.
        quantifier: The prefix of the operator.
    """

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
            # AWS treats a set of empty texts as an empty set, for which ForAllValues holds and ForAnyValue does not.
            return self.quantifier == "forallvalues"
        each = [self._value_holds(value, context) for value in values]
        if self.quantifier:
            return all_hold(each) if self.quantifier == "forallvalues" else any_holds(each)
        # AWS documents operators without ForAllValues or ForAnyValue only for keys that have a single value.
        return each[0] if len(set(each)) == 1 else unknown(f"condition key {self.name} has several values")

    def _holds_when_absent(self) -> Truth:
        if self.quantifier == "foranyvalue":
            return _key_not_known(self.name) if self.if_exists else False
        return self.if_exists or self.opposite or self.quantifier == "forallvalues"

    def _value_holds(self, value: str, context: RequestContext) -> Truth:
        matched = any_holds(comparison.compare(value, context) for comparison in self.comparisons)
        if isinstance(matched, Unknown):
            return Unknown(tuple(f"condition key {self.name}: {why}" for why in matched.reasons))
        return negated(matched) if self.opposite else matched
