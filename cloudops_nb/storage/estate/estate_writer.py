"""Writes the resources of a scan: embeds only resources whose texts changed, and stamps every resource.

The stamp is the payload fields that every scan rewrites: the scan, and the times of listing and writing.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import Patch, Point
from cloudops_nb.storage.estate.description import wording_of
from cloudops_nb.storage.estate.last_known import with_last_known
from cloudops_nb.storage.estate.rows_digest import DIGESTED_FIELDS, row_checksum

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudops_nb.model import CellKey, Resource
    from cloudops_nb.storage.engines.vector_store import StoredRow, VectorStore
    from cloudops_nb.storage.estate.description import Wording
    from cloudops_nb.storage.estate.points import EstatePoints
    from cloudops_nb.storage.estate.terms import EstateTerms
    from cloudops_nb.storage.estate.vectors import EstateVectors
    from cloudops_nb.storage.vault import Vault

#: Number of resources per batch: large enough to embed efficiently, small enough that searches run between batches.
BATCH = 256
_COMPARED_FIELDS = (*AWS_ESTATE.sealed_fields, "searchable", "last_synced")


@dataclass(frozen=True, slots=True)
class UpsertReport:
    """The number of written resources, and the number of unchanged resources, which only got a new stamp."""

    written: int = 0
    unchanged: int = 0

    def __add__(self, other: UpsertReport) -> UpsertReport:
        return UpsertReport(self.written + other.written, self.unchanged + other.unchanged)


@dataclass(slots=True)
class _Draft:
    """A resource prepared for the store: its point id, wording, packed content, hashes and stamp.

    ``payload`` has the fields of its row that a digest covers, once the row is written or known to be unchanged.
    """

    point_id: str
    resource: Resource
    wording: Wording
    content: bytes
    hashes: Mapping[str, str]
    stamp: Mapping[str, Any]
    payload: Mapping[str, Any] = field(default_factory=dict)


class EstateWriter:
    """Writes resources; threads and processes may write at once, and the last writer of a resource wins.

    While Qdrant writes a batch, this class prepares the next batch. When :meth:`upsert` has returned, its writes
    survive a crash of any process. When it has returned or raised, none of its requests is running any more.
    """

    def __init__(
        self, store: VectorStore, vault: Vault, points: EstatePoints, terms: EstateTerms, vectors: EstateVectors
    ) -> None:
        self._store = store
        self._blind_index = vault.blind_index
        self._points = points
        self._terms = terms
        self._vectors = vectors

    def upsert(
        self, resources: Sequence[Resource], scan_id: str
    ) -> tuple[UpsertReport, Mapping[CellKey, Mapping[str, int]]]:
        """Write the changed resources and stamp all; of resources with the same canonical key only the last counts.

        Returns:
            The report, and the checksums of the resources' rows by cell and point id.
        """
        latest = list({resource.canonical_key: resource for resource in resources}.values())
        report = UpsertReport()
        checksums: dict[CellKey, dict[str, int]] = defaultdict(dict)
        running: deque[Iterator[UpsertReport]] = deque()
        with _request_thread() as requests:
            for start in range(0, len(latest), BATCH):
                running.append(self._batch_stages(latest[start : start + BATCH], scan_id, requests, checksums))
                report += _advance(running)
            while running:
                report += _advance(running)
        return report, checksums

    def _batch_stages(
        self,
        resources: Sequence[Resource],
        scan_id: str,
        requests: ThreadPoolExecutor,
        checksums: Mapping[CellKey, dict[str, int]],
    ) -> Iterator[UpsertReport]:
        """Process a batch in three stages: look up its rows, write the changes, and complete the writes.

        The last stage adds the rows' checksums to ``checksums``.

        Yields an empty report after each of the first two stages, and the batch's report after the last.
        """
        now = time.time()
        drafts = {draft.point_id: draft for draft in (self._draft(resource, scan_id, now) for resource in resources)}
        looked_up = requests.submit(self._store.retrieve, AWS_ESTATE.name, list(drafts), _COMPARED_FIELDS)
        yield UpsertReport()
        rows = looked_up.result()
        drafts.update((draft.point_id, draft) for draft in self._completed(drafts, rows, scan_id, now))
        same, changed, new = self._sort_drafts(drafts, rows)
        patches = [*_stamp_patches(same), *(Patch([draft.point_id], self._payload(draft)) for draft in changed)]
        patched = requests.submit(self._store.patch, AWS_ESTATE.name, patches) if patches else None
        written = requests.submit(self._store.upsert, AWS_ESTATE.name, self._new_points(new)) if new else None
        yield UpsertReport()
        # A patch changes only existing rows. So if another kernel has removed a row since the look-up, write all of it.
        missing = set(patched.result()) if patched else set()
        if missing:
            removed = [draft for draft in drafts.values() if draft.point_id in missing]
            self._store.upsert(AWS_ESTATE.name, self._new_points(removed))
        if written:
            written.result()
        for draft in drafts.values():
            checksum = row_checksum(self._blind_index, draft.point_id, draft.payload)
            checksums[draft.resource.cell][draft.point_id] = checksum
        unchanged = sum(draft.point_id not in missing for draft in same)
        yield UpsertReport(written=len(drafts) - unchanged, unchanged=unchanged)

    def _new_points(self, drafts: Sequence[_Draft]) -> list[Point]:
        vectors = self._vectors.of([draft.wording.description for draft in drafts])
        return [
            Point(draft.point_id, self._payload(draft), vector, self._terms.of(draft.resource, draft.wording))
            for draft, vector in zip(drafts, vectors, strict=True)
        ]

    def _draft(self, resource: Resource, scan_id: str, now: float) -> _Draft:
        wording = wording_of(resource)
        content = self._points.content(resource)
        return _Draft(
            point_id=self._points.point_id(resource),
            resource=resource,
            wording=wording,
            content=content,
            hashes=self._points.hashes(resource, content, wording, self._vectors.model_id),
            stamp=self._points.stamp(resource, scan_id, now),
        )

    def _completed(
        self, drafts: Mapping[str, _Draft], rows: Sequence[StoredRow], scan_id: str, now: float
    ) -> Iterator[_Draft]:
        """Yield new drafts of the resources of which this scan could not read all and an earlier one could."""
        for row in rows:
            resource = drafts[row.id].resource
            if resource.last_read and self._points.intact(row):
                completed = with_last_known(resource, self._points.resource(row))
                if completed is not resource:
                    yield self._draft(completed, scan_id, now)

    def _sort_drafts(
        self, drafts: Mapping[str, _Draft], rows: Sequence[StoredRow]
    ) -> tuple[list[_Draft], list[_Draft], list[_Draft]]:
        """Return three groups: unchanged drafts, changed drafts that keep their vectors, and all other drafts."""
        same: list[_Draft] = []
        changed: list[_Draft] = []
        new = dict(drafts)
        for row in rows:
            draft, stored = drafts[row.id], row.payload
            # A damaged or altered row is written again as a whole, although its hashes may match.
            if not self._points.intact(row):
                continue
            # Keep the later time: a concurrent scan that listed the resource later may have written the row already.
            if stored.get("last_synced", 0.0) > draft.stamp["last_synced"]:
                draft.stamp = {**draft.stamp, "last_synced": stored["last_synced"]}
            if stored.get("searchable") != draft.hashes["searchable"]:
                continue
            del new[row.id]
            # If only a size or an IAM permission changed, for example, the vectors stay the same.
            if stored.get("content") == draft.hashes["content"]:
                draft.payload = stored
                same.append(draft)
            else:
                changed.append(draft)
        return same, changed, list(new.values())

    def _payload(self, draft: _Draft) -> dict[str, Any]:
        traits, hashes = draft.wording.traits, draft.hashes
        fields = self._points.payload(draft.resource, draft.content, traits, draft.point_id, hashes)
        draft.payload = {name: fields[name] for name in DIGESTED_FIELDS}
        return {**fields, **draft.stamp}


@contextmanager
def _request_thread() -> Iterator[ThreadPoolExecutor]:
    """Lend a thread that runs requests to Qdrant one after another, in the order of their submission.

    At the end of the block, requests that have not started are cancelled. After the block, the thread has ended.
    """
    requests = ThreadPoolExecutor(max_workers=1, thread_name_prefix="estate-writer")
    try:
        yield requests
    finally:
        requests.shutdown(cancel_futures=True)


def _advance(running: deque[Iterator[UpsertReport]]) -> UpsertReport:
    """Advance every batch by one stage, the newest first.

    So the short look-up of the newest batch is sent before the long write of an older batch, and its result is there
    when the newest batch needs it.
    """
    completed = UpsertReport()
    for batch in tuple(reversed(running)):
        report = next(batch, None)
        if report is None:
            running.remove(batch)
        else:
            completed += report
    return completed


def _stamp_patches(drafts: Sequence[_Draft]) -> list[Patch]:
    """Return one patch per ``last_synced``: resources that were listed together share this time, and so the stamp."""
    by_time: dict[float, list[_Draft]] = defaultdict(list)
    for draft in drafts:
        by_time[draft.stamp["last_synced"]].append(draft)
    return [Patch([draft.point_id for draft in group], group[0].stamp) for group in by_time.values()]
