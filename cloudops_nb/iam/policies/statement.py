"""A statement of a policy, compiled."""

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
    """A statement; ``source`` names it and its policy. ``not_…`` says that the values are exceptions.

    ``resources`` is ``None`` where the policy belongs to the one resource that it is about.
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
        """Return whether it is about an action, which is in lower case."""
        return any(matches(action) for matches in self.actions) is not self.not_actions

    def applies(self, match: Callable[[ResourcePattern], Truth], holds: Callable[[ConditionTest], Truth]) -> Truth:
        """Return whether it applies to a request, apart from action and principal.

        Args:
            match: Tells whether a pattern matches the request's resource.
            holds: Tells whether a test of a condition holds.
        """
        meant = self._covers_resource(match)
        # Conditions need not be looked at where the resource is another.
        return meant if meant is False else all_hold((meant, *map(holds, self.tests)))

    def _covers_resource(self, match: Callable[[ResourcePattern], Truth]) -> Truth:
        if self.resources is None:
            return True
        found = any_holds(match(pattern) for pattern in self.resources)
        return negated(found) if self.not_resources else found

    @property
    def patterns(self) -> tuple[ResourcePattern, ...]:
        """The resource patterns."""
        return self.resources or ()
