"""The access level that AWS publishes for each IAM action, and the actions that authorise an API operation.

``access_levels.yaml`` is written by ``make access-levels``; ``api_actions.yaml`` has the reviewed exceptions. Both are
data, so that judging an API loads no service model of botocore.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache

from cloudops_nb.declarations.tables import bundled_table


class AccessLevel(StrEnum):
    """AWS's classes of actions, and one for an action that AWS publishes no level of.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_understand-policy-summary-access-level-summaries.html
    """

    LIST = "List"
    READ = "Read"
    TAGGING = "Tagging"
    WRITE = "Write"
    PERMISSIONS = "Permissions management"
    UNKNOWN = "unknown"

    @property
    def only_reads(self) -> bool:
        """Whether an action of this level changes nothing."""
        return self in (AccessLevel.LIST, AccessLevel.READ)


#: From the weakest to the strongest; what is unknown counts as the strongest.
LEVEL_ORDER = tuple(AccessLevel)


def action_level(action: str) -> AccessLevel:
    """Return the published level of an IAM action, such as ``ec2:StopInstances``, in any case."""
    prefix, _, name = action.partition(":")
    _, level = _actions(prefix.lower()).get(name.lower(), ("", AccessLevel.UNKNOWN))
    return level


def api_actions(service: str, api: str) -> tuple[str, ...]:
    """Return the IAM actions that authorise an operation; empty if no published action is known for it.

    Args:
        service: botocore's service name, such as ``elbv2``.
        api: The operation's name, such as ``DescribeLoadBalancers``.
    """
    reviewed = bundled_table(__package__, "api_actions.yaml")
    generated = bundled_table(__package__, "access_levels.yaml")
    prefix = reviewed["prefixes"].get(service) or generated["services"].get(service, service)
    if names := reviewed["operations"].get(service, {}).get(api):
        return tuple(name if ":" in name else f"{prefix}:{name}" for name in names)
    name, _ = _actions(prefix).get(api.lower(), (_method(service, api), AccessLevel.UNKNOWN))
    return (f"{prefix}:{name}",) if name else ()


def api_level(service: str, api: str) -> AccessLevel:
    """Return the strongest level of the actions that authorise an operation."""
    levels = map(action_level, api_actions(service, api))
    return max(levels, key=LEVEL_ORDER.index, default=AccessLevel.UNKNOWN)


@cache
def _actions(prefix: str) -> dict[str, tuple[str, AccessLevel]]:
    """Return the actions of a prefix, by their names in lower case: operations and actions differ in case at times."""
    levels = bundled_table(__package__, "access_levels.yaml")["actions"].get(prefix, {})
    return {name.lower(): (name, AccessLevel(level)) for level, names in levels.items() for name in names.split()}


def _method(service: str, api: str) -> str:
    """Return the HTTP method of an operation whose service is authorised by methods, or an empty text."""
    methods = bundled_table(__package__, "access_levels.yaml")["methods"].get(service, {})
    return next((method for method, operations in methods.items() if api in operations.split()), "")
