"""A statement of a policy, compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.iam.truth import Truth, every, negated, some

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.iam.policies.arns import ResourcePattern
    from cloudops_nb.iam.policies.conditions import Test
    from cloudops_nb.iam.policies.principal_element import PrincipalElement
    from cloudops_nb.iam.policies.wildcards import Matches


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Statement:
    """A statement; ``source`` names it and its policy. ``not_…`` says that the values are exceptions.

    ``resources`` is ``None`` where the policy belongs to the one resource that it is about.
    """

    source: str
    denies: bool
    actions: tuple[Matches, ...]
    not_actions: bool
    resources: tuple[ResourcePattern, ...] | None
    not_resources: bool
    principal: PrincipalElement | None
    tests: tuple[Test, ...]

    def concerns(self, action: str) -> bool:
        """Return whether it is about an action, which is in lower case."""
        return any(matches(action) for matches in self.actions) is not self.not_actions

    def applies(self, match: Callable[[ResourcePattern], Truth], holds: Callable[[Test], Truth]) -> Truth:
        """Return whether it applies to a request, apart from action and principal.

        Args:
            match: Tells whether a pattern matches the request's resource.
            holds: Tells whether a test of a condition holds.
        """
        meant = self._meant(match)
        # Conditions need not be looked at where the resource is another.
        return meant if meant is False else every((meant, *map(holds, self.tests)))

    def _meant(self, match: Callable[[ResourcePattern], Truth]) -> Truth:
        if self.resources is None:
            return True
        found = some(match(pattern) for pattern in self.resources)
        return negated(found) if self.not_resources else found

    @property
    def patterns(self) -> tuple[ResourcePattern, ...]:
        """The resource patterns."""
        return self.resources or ()
