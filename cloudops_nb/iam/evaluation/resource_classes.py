"""Actions that are judged together, as those of one type of resource are, and the resources on which they come out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.iam.action_resources import action_resources
from cloudops_nb.iam.context import Request
from cloudops_nb.iam.evaluation.request_classes import Memory
from cloudops_nb.iam.evaluation.resource_side import is_sole
from cloudops_nb.iam.rules import rules

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from cloudops_nb.iam.context import Context
    from cloudops_nb.iam.evaluation.action_authoriser import Authorisation
    from cloudops_nb.iam.evaluation.request_classes import RememberedTest
    from cloudops_nb.iam.policies.arns import ResourcePattern
    from cloudops_nb.iam.truth import Truth
    from cloudops_nb.model import IamPermissions

_SIZE = 20_000


class ActionSet:
    """Tells which resources no policy tells apart, whichever of some actions is asked about.

    It is for resources without a policy of their own and requests of which nothing further is given. What an action is
    authorised on besides the resource follows from the account and the region.

    Attributes:
        permissions: What was found out, by class of resources.
    """

    __slots__ = ("_kinds", "_patterns", "_rows", "permissions")

    def __init__(self, actions: Sequence[str], authorisation: Authorisation) -> None:
        self.permissions: Memory[IamPermissions] = Memory(_SIZE)
        self._rows = [each for action in actions for each in action_resources(action).also if each.unless]
        kinds: dict[str, _Kind] = {}
        patterns: dict[ResourcePattern, None] = {}
        for action in dict.fromkeys(_on_the_resource(actions)):
            classes = authorisation.classes(action)
            # The service decides which keys a request holds, beside the account, of which every class is by itself.
            kind = kinds.setdefault(action.partition(":")[0].lower(), _Kind(action, authorisation))
            kind.add([pattern for pattern in classes.patterns if pattern.keys], classes.tests)
            patterns |= dict.fromkeys(pattern for pattern in classes.patterns if not pattern.keys)
        self._patterns = tuple(patterns)
        self._kinds = tuple(kinds.values())

    def alike(self, arn: str, account_id: str, region: str, tags: Mapping[str, str] | None) -> Hashable:
        """Return the class of a resource."""
        return (
            account_id,
            region,
            tuple([pattern.match_plain(arn) for pattern in self._patterns]),
            tuple([each.concerns(arn) for each in self._rows]),
            tuple([kind.of(arn, account_id, region, tags) for kind in self._kinds]),
        )


class _Kind:
    """Actions whose requests hold the same condition keys: what depends on these."""

    __slots__ = ("_action", "_authorisation", "_patterns", "_sole", "_tests")

    def __init__(self, action: str, authorisation: Authorisation) -> None:
        self._action = action
        self._authorisation = authorisation
        self._sole = action.partition(":")[0].lower() in rules().sole_policies
        self._patterns: dict[ResourcePattern, None] = {}
        self._tests: dict[object, RememberedTest] = {}

    def add(self, patterns: Sequence[ResourcePattern], tests: Sequence[RememberedTest]) -> None:
        """Have more patterns and tests looked at."""
        self._patterns |= dict.fromkeys(patterns)
        self._tests |= {remembered.test: remembered for remembered in tests}

    def of(self, arn: str, account_id: str, region: str, tags: Mapping[str, str] | None) -> Hashable:
        """Return what they come to."""
        request = Request(self._action, arn, account_id, region, tags)
        context = self._authorisation.context(request)
        return (self._sole and is_sole(request), *self._truths(arn, context))

    def _truths(self, arn: str, context: Context) -> Iterator[Truth]:
        yield from [pattern.match(arn, context) for pattern in self._patterns]
        yield from [test.holds(context) for test in self._tests.values()]


def _on_the_resource(actions: Sequence[str]) -> Iterator[str]:
    """Yield every action that is authorised on the resource itself."""
    for action in actions:
        row = action_resources(action)
        if not row.resource:
            yield action
        yield from (each.action or action for each in row.also if each.arn is None)
