"""Resources, plans and requests as pandas DataFrames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.model import RESOURCE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from cloudops_nb.model import JournalRecord, Resource, SearchHit

LEDGER_COLUMNS = ("at", "destination", "purpose", "bytes", "sha256", "request_id", "body")


def hits_frame(hits: Iterable[SearchHit], *, scored: bool) -> pd.DataFrame:
    """Return one row a resource in the order given; ``score`` and ``why`` only if ``scored``."""
    columns = (*RESOURCE_COLUMNS, "score", "why") if scored else RESOURCE_COLUMNS
    return rows_frame([_row(hit.resource, hit.cell_state, hit.score, hit.why) for hit in hits], columns)


def resources_frame(resources: Iterable[Resource]) -> pd.DataFrame:
    """Return one row a resource; the cell's state is not known here and stays empty."""
    return rows_frame([_row(resource, "", 0.0, "") for resource in resources], RESOURCE_COLUMNS)


def ledger_frame(records: Iterable[JournalRecord]) -> pd.DataFrame:
    """Return one row for each request that left the host, the newest last."""
    rows = [{"at": record.at, "request_id": record.subject, **record.body} for record in records]
    return rows_frame(rows, LEDGER_COLUMNS)


def rows_frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a DataFrame with exactly these columns, also when there is no row."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=pd.Index(columns))


def _row(resource: Resource, cell_state: str, score: float, why: str) -> dict[str, Any]:
    return {
        **{name: getattr(resource, name) for name in RESOURCE_COLUMNS if hasattr(resource, name)},
        "tags": dict(resource.tags),
        "allowed": list(resource.iam.allowed),
        "denied": list(resource.iam.denied),
        "unknown": list(resource.iam.unknown),
        "as_of": resource.last_synced,
        "cell_state": cell_state,
        "score": score,
        "why": why,
    }
