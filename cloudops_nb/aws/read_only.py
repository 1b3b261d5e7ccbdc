"""Which AWS operations a scan may call: only operations that read, and that return no secrets and no stored data.

A user's own declarations may name any operation of any service, and a scan makes its calls without approval.
"""

from __future__ import annotations

import re
from functools import cache

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.errors import ConfigurationError

_TABLE = "read_only.yaml"
_REASONS = {
    "returns_secrets": "returns secrets or credentials",
    "returns_data": "returns stored data",
    "changes": "changes something",
}


def scan_refusal(service: str, operation: str) -> str:
    """Return why a scan must not call an operation; empty if it may.

    Args:
        service: botocore's name for the service.
        operation: The operation's name, such as ``DescribeInstances``.
    """
    if not _verbs().match(operation):
        return f"{operation} is not an operation that only reads"
    return _exceptions().get((service, operation), "")


def require_read_only(service: str, operation: str) -> None:
    """Check that a scan may call an operation.

    Raises:
        ConfigurationError: The operation changes something, or returns secrets or stored data.
    """
    if refusal := scan_refusal(service, operation):
        raise ConfigurationError(
            f"a scan does not call {service}:{operation}", refusal, "Correct the declaration of the resource type."
        )


@cache
def _verbs() -> re.Pattern[str]:
    # A verb is followed by a capital letter: Get must not match a name such as Getaway.
    return re.compile(rf"(?:{'|'.join(bundled_table(__package__, _TABLE)['verbs'])})(?=[A-Z0-9])")


@cache
def _exceptions() -> dict[tuple[str, str], str]:
    table = bundled_table(__package__, _TABLE)
    return {
        (service, operation): f"{operation} {reason}"
        for kind, reason in _REASONS.items()
        for service, operations in table[kind].items()
        for operation in operations
    }
