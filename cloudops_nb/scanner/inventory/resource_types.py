"""Lists the resource types that a scan can read: those with a spec (a declaration), and those that need none.

A type without a spec is read through AWS Cloud Control.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from cloudops_nb.aws.account_errors import account_label
from cloudops_nb.aws.regions import GLOBAL
from cloudops_nb.errors import AwsError
from cloudops_nb.scanner.calls.call_errors import failure_of
from cloudops_nb.specs.cloud_control import SUPPORTED_TYPE_FILTERS
from cloudops_nb.specs.files import bundled_specs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.specs.model import ResourceSpec

TYPE_COLUMNS: Final = ("resource_type", "service", "cloudformation_type", "scope", "source")
BUNDLED, OWN, CLOUD_CONTROL = "bundled", "own", "Cloud Control"


def declared_types(specs: Iterable[ResourceSpec]) -> list[dict[str, str]]:
    """Return one row per spec with :data:`TYPE_COLUMNS`; ``source`` is ``bundled``, or ``own`` for a user's spec."""
    # Compare specs by identity, because they are not hashable.
    bundled = frozenset(map(id, bundled_specs()))
    return [
        {
            "resource_type": spec.resource_type,
            "service": spec.service,
            "cloudformation_type": spec.cloudformation_type,
            "scope": spec.scope,
            "source": BUNDLED if id(spec) in bundled else OWN,
        }
        for spec in sorted(specs, key=lambda spec: (spec.service, spec.resource_type))
    ]


def cloud_control_types(
    sessions: AccountSessions, specs: Iterable[ResourceSpec], account: str = ""
) -> list[dict[str, str]]:
    """Return one row for each type that has no spec but that Cloud Control can read, by CloudFormation's registry.

    Args:
        sessions: The sessions of the configured accounts.
        specs: The declarations of types; these types are left out.
        account: The name or id of the account whose registry is read; the first configured account by default.

    Raises:
        AwsError: AWS did not list the types.
        CloudOpsError: The account is unknown, or its credentials do not work.
    """
    selected = sessions.accounts([account] if account else None)[0]
    client = sessions.client(selected.account_id, "cloudformation", GLOBAL)
    names: set[str] = set()
    try:
        for type_filter in SUPPORTED_TYPE_FILTERS:
            pages = client.get_paginator("list_types").paginate(**type_filter)
            names.update(each["TypeName"] for page in pages for each in page["TypeSummaries"])
    except (ClientError, BotoCoreError) as error:
        why = failure_of(error, region=GLOBAL).detail
        what = f"{account_label(selected)}: cannot list the types that Cloud Control can read"
        raise AwsError(what, why, "Allow cloudformation:ListTypes.") from error
    return _cloud_control_rows(sorted(names - {spec.cloudformation_type for spec in specs}))


def _cloud_control_rows(names: Sequence[str]) -> list[dict[str, str]]:
    return [
        {
            "resource_type": name,
            "service": name.split("::")[1].casefold(),
            "cloudformation_type": name,
            "scope": "",
            "source": CLOUD_CONTROL,
        }
        for name in names
    ]
