"""Classes of resources on which a principal gets the same verdicts, for a fixed set of actions.

The set is usually that of one resource type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.iam.action_resources import action_resources
from cloudops_nb.iam.context import AuthorisationRequest
from cloudops_nb.iam.evaluation.request_classes import ResultCache
from cloudops_nb.iam.evaluation.resource_side import requires_own_policy
from cloudops_nb.iam.rules import evaluation_rules

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from cloudops_nb.iam.context import RequestContext
    from cloudops_nb.iam.evaluation.action_authoriser import ActionAuthoriser
    from cloudops_nb.iam.evaluation.request_classes import CachedTest
    from cloudops_nb.iam.policies.arns import ResourcePattern
    from cloudops_nb.iam.truth import Truth
    from cloudops_nb.model import IamPermissions

_SIZE = 20_000


class ResourceClasses:
    """Classes of resources that no policy distinguishes for any of the actions, and the cached permissions per class.

    They are valid only for resources without a policy of their own and requests without further context. A class
    includes the account and the region, which determine the further resources that an action is authorised on.

    Attributes:
        permissions: The permissions by class of resource.
    """

    __slots__ = ("_conditional_rows", "_patterns", "_services", "permissions")

    def __init__(self, actions: Sequence[str], authoriser: ActionAuthoriser) -> None:
        self.permissions: ResultCache[IamPermissions] = ResultCache(_SIZE)
        self._conditional_rows = [each for action in actions for each in action_resources(action).also if each.unless]
        services: dict[str, _ServiceTests] = {}
        patterns: dict[ResourcePattern, None] = {}
        for action in dict.fromkeys(_actions_on_the_resource(actions)):
            request_classes = authoriser.request_classes(action)
            # A request's keys depend on the action's service and on the account, and the account is part of the class.
            service = services.setdefault(action.partition(":")[0].lower(), _ServiceTests(action, authoriser))
            service.add([pattern for pattern in request_classes.patterns if pattern.keys], request_classes.tests)
            patterns |= dict.fromkeys(pattern for pattern in request_classes.patterns if not pattern.keys)
        self._patterns = tuple(patterns)
        self._services = tuple(services.values())

    def class_of(self, arn: str, account_id: str, region: str, tags: Mapping[str, str] | None) -> Hashable:
        """Return the class of a resource; a resource of the same class has the same permissions."""
        return (
            account_id,
            region,
            tuple([pattern.match_plain(arn) for pattern in self._patterns]),
            tuple([each.is_needed_for(arn) for each in self._conditional_rows]),
            tuple([service.truths_of(arn, account_id, region, tags) for service in self._services]),
        )


class _ServiceTests:
    """The patterns and tests of one service's actions, whose requests contain the same condition keys."""

    __slots__ = ("_action", "_authoriser", "_may_require_own_policy", "_patterns", "_tests")

    def __init__(self, action: str, authoriser: ActionAuthoriser) -> None:
        self._action = action
        self._authoriser = authoriser
        self._may_require_own_policy = action.partition(":")[0].lower() in evaluation_rules().own_policy_required
        self._patterns: dict[ResourcePattern, None] = {}
        self._tests: dict[object, CachedTest] = {}

    def add(self, patterns: Sequence[ResourcePattern], tests: Sequence[CachedTest]) -> None:
        """Add the patterns and tests of a further action."""
        self._patterns |= dict.fromkeys(patterns)
        self._tests |= {cached.test: cached for cached in tests}

    def truths_of(self, arn: str, account_id: str, region: str, tags: Mapping[str, str] | None) -> Hashable:
        """Return the results of the patterns and tests for a resource."""
        request = AuthorisationRequest(self._action, arn, account_id, region, tags)
        context = self._authoriser.context(request)
        return (self._may_require_own_policy and requires_own_policy(request), *self._truths(arn, context))

    def _truths(self, arn: str, context: RequestContext) -> Iterator[Truth]:
        yield from [pattern.match(arn, context) for pattern in self._patterns]
        yield from [test.holds(context) for test in self._tests.values()]


def _actions_on_the_resource(actions: Sequence[str]) -> Iterator[str]:
    """Yield every action that AWS authorises on the resource itself."""
    for action in actions:
        row = action_resources(action)
        if not row.resource:
            yield action
        yield from (each.action or action for each in row.also if each.arn is None)
