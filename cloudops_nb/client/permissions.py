"""What the configured principal may do to resources, one row for each action, as the last scan judged it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cloudops_nb.client.frames import rows_frame
from cloudops_nb.errors import ConfigurationError
from cloudops_nb.iam.reasons import parts_of
from cloudops_nb.model import ResourceFilter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.storage.estate.store import EstateStore

COLUMNS = (
    "resource", "action", "verdict", "allowed_by_account", "layer", "policy", "statement", "missing", "reason",
    "principal", "resource_type", "account_name", "region", "arn", "as_of",
)  # fmt: skip
#: The verdicts, in the order of the rows of a resource.
_VERDICTS = ("allowed", "denied", "unknown")


def permissions_frame(estate: EstateStore, asked: str | pd.DataFrame) -> pd.DataFrame:
    """Return one row for each action that a scan judged on each resource; see ``CloudOps.permissions``."""
    resources = _of_frame(estate, asked) if isinstance(asked, pd.DataFrame) else _of_text(estate, asked)
    frame = rows_frame([row for each in resources for row in _rows(each)], COLUMNS)
    frame.attrs["principals"] = sorted({each.iam.principal for each in resources} - {""})
    return frame


def _of_text(estate: EstateStore, text: str) -> Sequence[Resource]:
    found = estate.lookup(text)
    if not found:
        near = [hit.resource.name or hit.resource.identifier for hit in estate.search(text, limit=3)]
        why = f"there is: {', '.join(near)}" if near else "it may not have been scanned"
        raise ConfigurationError(f"there is no resource {text} in the estate", why, "Give an id, a name or an ARN.")
    return found


def _of_frame(estate: EstateStore, frame: pd.DataFrame) -> Sequence[Resource]:
    missing = [name for name in ("arn", "identifier", "resource_type", "account_id", "region") if name not in frame]
    if missing:
        why = f"it has no column {missing[0]}"
        raise ConfigurationError("the DataFrame names no resources", why, "Give one of search or resources.")
    found = []
    for (kind, account, region), rows in frame.groupby(["resource_type", "account_id", "region"], sort=False):
        wanted = {(str(row.arn), str(row.identifier)) for row in rows.itertuples()}
        where = ResourceFilter(account=str(account), region=str(region), resource_type=str(kind))
        hits = (hit.resource for hit in estate.resources(where))
        found += [each for each in hits if (each.arn, each.identifier) in wanted]
    return found


def _rows(resource: Resource) -> Iterator[dict[str, Any]]:
    for verdict in _VERDICTS:
        for action in getattr(resource.iam, verdict):
            reason = resource.iam.reasons.get(action, "")
            parts = parts_of(reason)
            yield {
                "resource": resource.name or resource.identifier,
                "action": action,
                "verdict": verdict,
                "allowed_by_account": action in resource.iam.allowed_by_account,
                "layer": parts.layer,
                "policy": parts.policy,
                "statement": parts.statement,
                "missing": parts.missing if verdict == "unknown" else "",
                "reason": reason,
                "principal": resource.iam.principal,
                "resource_type": resource.resource_type,
                "account_name": resource.account_name,
                "region": resource.region,
                "arn": resource.canonical_key,
                "as_of": resource.last_synced,
            }
