"""Groups resources into classes, and caches permissions per class.

For a fixed set of actions, a principal has the same permissions on all resources of a class. The set usually contains
the actions of one resource type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.iam.action_resources import action_resources
from cloudops_nb.iam.context import AuthorisationRequest
from cloudops_nb.iam.evaluation.request_classes import ResultCache
from cloudops_nb.iam.evaluation.resource_side import requires_own_policy
from cloudops_nb.iam.rules import evaluation_rules
from cloudops_nb.iam.tag_keys import action_tag_keys

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from cloudops_nb.iam.context import RequestContext
    from cloudops_nb.iam.evaluation.action_authoriser import ActionAuthoriser
    from cloudops_nb.iam.evaluation.request_classes import CachedTest
    from cloudops_nb.iam.policies.arns import ResourcePattern
    from cloudops_nb.iam.tag_keys import ActionTagKeys
    from cloudops_nb.iam.truth import Truth
    from cloudops_nb.model import IamPermissions

_SIZE = 20_000


class ResourceClasses:
    """The classes of resources for a set of actions, and the cached permissions on each class.

    Two resources are in the same class if they have the same account and region, and if the resource patterns and
    condition tests in the principal's policies give the same results for both. Account and region matter because AWS
    may authorise an action on further resources, whose ARNs depend on both. A class is valid only for resources that
    have no policy of their own, and for requests whose ``context`` is empty.

    Attributes:
        permissions: The permissions on the resources of each class; the class is the cache key.
    """

    __slots__ = ("_conditional_rows", "_groups", "_patterns", "permissions")

    def __init__(self, actions: Sequence[str], authoriser: ActionAuthoriser) -> None:
        self.permissions: ResultCache[IamPermissions] = ResultCache(_SIZE)
        self._conditional_rows = [each for action in actions for each in action_resources(action).also if each.unless]
        groups: dict[tuple[str, bool, bool, ActionTagKeys], _TestGroup] = {}
        patterns: dict[ResourcePattern, None] = {}
        for action in dict.fromkeys(_actions_on_the_resource(actions)):
            request_classes = authoriser.request_classes(action)
            # A condition key's state depends on the action only through its service, through aws:ResourceAccount being
            # in its requests, and through its tag keys. Actions on no specific resource need no policy of a resource.
            # So the first action of a group represents the others.
            service = action.partition(":")[0].lower()
            has_account = action.lower() not in evaluation_rules().without_resource_account
            has_resource = action.lower() not in evaluation_rules().without_resource
            key = (service, has_account, has_resource, action_tag_keys(action.lower()))
            group = groups.setdefault(key, _TestGroup(action, authoriser))
            group.add([pattern for pattern in request_classes.patterns if pattern.keys], request_classes.tests)
            patterns |= dict.fromkeys(pattern for pattern in request_classes.patterns if not pattern.keys)
        self._patterns = tuple(patterns)
        self._groups = tuple(groups.values())

    def class_of(self, arn: str, account_id: str, region: str, tags: Mapping[str, str] | None) -> Hashable:
        """Return the class of a resource; the principal has the same permissions on all resources of a class."""
        return (
            account_id,
            region,
            tuple([pattern.match_plain(arn) for pattern in self._patterns]),
            tuple([each.is_needed_for(arn) for each in self._conditional_rows]),
            tuple([group.truths_of(arn, account_id, region, tags) for group in self._groups]),
        )


class _TestGroup:
    """The resource patterns and condition tests for a group of actions, evaluated with one of these actions.

    The actions belong to one service and have the same tag keys. The requests of all of them contain
    ``aws:ResourceAccount``, or those of none do; and all of them concern a resource, or none does.
    """

    __slots__ = ("_action", "_authoriser", "_may_require_own_policy", "_patterns", "_tests")

    def __init__(self, action: str, authoriser: ActionAuthoriser) -> None:
        self._action = action
        self._authoriser = authoriser
        self._may_require_own_policy = action.partition(":")[0].lower() in evaluation_rules().own_policy_required
        self._patterns: dict[ResourcePattern, None] = {}
        self._tests: dict[object, CachedTest] = {}

    def add(self, patterns: Sequence[ResourcePattern], tests: Sequence[CachedTest]) -> None:
        """Add the patterns and tests of one more action of the group."""
        self._patterns |= dict.fromkeys(patterns)
        self._tests |= {cached.test: cached for cached in tests}

    def truths_of(self, arn: str, account_id: str, region: str, tags: Mapping[str, str] | None) -> Hashable:
        """Return the results of all patterns and tests for a resource.

        The first item is true if AWS requires the resource to have a policy of its own.
        """
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
