"""The compiled form of one statement of a policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.iam.truth import Truth, all_hold, any_holds, negated

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.iam.policies.arns import ResourcePattern
    from cloudops_nb.iam.policies.conditions import ConditionTest
    from cloudops_nb.iam.policies.principal_element import PrincipalElement
    from cloudops_nb.iam.policies.wildcards import TextMatcher


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Statement:
    """A statement whose patterns and conditions are parsed, so that evaluating a request needs no parsing.

    Attributes:
        source: The name of the policy, and the ``Sid`` or the number of the statement.
        denies: Whether the effect of the statement is ``Deny``.
        actions: Matchers of action names in lower case.
        not_actions: True if the statement covers every action except ``actions`` (``NotAction``).
        resources: Patterns of resource ARNs; ``None`` if the statement has no resource element. Only statements with a
            ``Principal`` may omit it.
        not_resources: True if the statement covers every resource except ``resources`` (``NotResource``).
        principal: The ``Principal`` or ``NotPrincipal`` element, if there is one.
        tests: The tests of the conditions, all of which must hold.
    """

    source: str
    denies: bool
    actions: tuple[TextMatcher, ...]
    not_actions: bool
    resources: tuple[ResourcePattern, ...] | None
    not_resources: bool
    principal: PrincipalElement | None
    tests: tuple[ConditionTest, ...]

    def covers_action(self, action: str) -> bool:
        """Return whether the statement covers an action; ``action`` must be in lower case."""
        return any(matches(action) for matches in self.actions) is not self.not_actions

    def applies(self, match: Callable[[ResourcePattern], Truth], holds: Callable[[ConditionTest], Truth]) -> Truth:
        """Return whether the resources and conditions match a request; action and principal are not compared.

        Args:
            match: Returns whether a pattern matches the resource of the request.
            holds: Returns whether a condition test holds for the request.
        """
        covered = self._covers_resource(match)
        # If the statement does not cover the resource, the condition tests are skipped to save time.
        return covered if covered is False else all_hold((covered, *map(holds, self.tests)))

    def _covers_resource(self, match: Callable[[ResourcePattern], Truth]) -> Truth:
        if self.resources is None:
            return True
        found = any_holds(match(pattern) for pattern in self.resources)
        return negated(found) if self.not_resources else found

    @property
    def patterns(self) -> tuple[ResourcePattern, ...]:
        """The resource patterns; empty if the statement has no resource element."""
        return self.resources or ()
