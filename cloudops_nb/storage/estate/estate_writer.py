"""Writing what a scan read: only what changed is embedded and written, everything seen is stamped."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import Patch, Point
from cloudops_nb.storage.estate.description import wording_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.storage.engines.vector_store import StoredRow, VectorStore
    from cloudops_nb.storage.estate.description import Wording
    from cloudops_nb.storage.estate.points import EstatePoints
    from cloudops_nb.storage.estate.terms import EstateTerms
    from cloudops_nb.storage.estate.vectors import EstateVectors

#: Resources a batch: large enough for the embedder, small enough that a search gets its turn in between.
BATCH = 256
_COMPARED_FIELDS = ("content", "searchable", "last_synced")


@dataclass(frozen=True, slots=True)
class UpsertReport:
    """How many resources were written, and how many had not changed, so that only their stamp was renewed."""

    written: int = 0
    unchanged: int = 0

    def __add__(self, other: UpsertReport) -> UpsertReport:
        return UpsertReport(self.written + other.written, self.unchanged + other.unchanged)


@dataclass(slots=True)
class _Draft:
    """A resource on its way into the store: its id, its wording, all of it packed, its hashes and its stamp."""

    point_id: str
    resource: Resource
    wording: Wording
    content: bytes
    hashes: Mapping[str, str]
    stamp: Mapping[str, Any]


class EstateWriter:
    """Writes resources; safe from several threads and processes, the last writer of a resource wins.

    What :meth:`upsert` returned for is in the store and survives a crash of any process. While the store is busy with
    one batch the next is prepared; when :meth:`upsert` has returned or raised, nothing of it is under way.
    """

    def __init__(self, store: VectorStore, points: EstatePoints, terms: EstateTerms, vectors: EstateVectors) -> None:
        self._store = store
        self._points = points
        self._terms = terms
        self._vectors = vectors

    def upsert(self, resources: Sequence[Resource], scan_id: str) -> UpsertReport:
        """Write what changed and stamp everything with the scan; of a resource that comes twice, the latter counts."""
        latest = list({resource.canonical_key: resource for resource in resources}.values())
        report = UpsertReport()
        under_way: deque[Iterator[UpsertReport]] = deque()
        with _lane() as lane:
            for start in range(0, len(latest), BATCH):
                under_way.append(self._batch(latest[start : start + BATCH], scan_id, lane))
                report += _advance(under_way)
            while under_way:
                report += _advance(under_way)
        return report

    def _batch(self, resources: Sequence[Resource], scan_id: str, lane: ThreadPoolExecutor) -> Iterator[UpsertReport]:
        """Look up, write and settle a batch; at the end of each stage, yield what came to be known."""
        now = time.time()
        drafts = {draft.point_id: draft for draft in (self._draft(resource, scan_id, now) for resource in resources)}
        looked_up = lane.submit(self._store.retrieve, AWS_ESTATE.name, list(drafts), _COMPARED_FIELDS)
        yield UpsertReport()
        same, altered, new = _sorted_out(drafts, looked_up.result())
        patches = [*_stamps(same), *(Patch([draft.point_id], self._payload(draft)) for draft in altered)]
        patched = lane.submit(self._store.patch, AWS_ESTATE.name, patches) if patches else None
        written = lane.submit(self._store.upsert, AWS_ESTATE.name, self._made(new)) if new else None
        yield UpsertReport()
        # Another kernel may have removed rows since we looked: those are written like new ones.
        gone = set(patched.result()) if patched else set()
        if gone:
            removed = [draft for draft in drafts.values() if draft.point_id in gone]
            self._store.upsert(AWS_ESTATE.name, self._made(removed))
        if written:
            written.result()
        unchanged = sum(draft.point_id not in gone for draft in same)
        yield UpsertReport(written=len(drafts) - unchanged, unchanged=unchanged)

    def _made(self, drafts: Sequence[_Draft]) -> list[Point]:
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

    def _payload(self, draft: _Draft) -> dict[str, Any]:
        fields = self._points.payload(draft.resource, draft.content, draft.wording.traits, draft.point_id)
        return {**fields, **draft.hashes, **draft.stamp}


@contextmanager
def _lane() -> Iterator[ThreadPoolExecutor]:
    """Lend one thread that talks to the store; what it has not begun when the block fails is dropped."""
    lane = ThreadPoolExecutor(max_workers=1, thread_name_prefix="estate-writer")
    try:
        yield lane
    finally:
        lane.shutdown(cancel_futures=True)


def _advance(under_way: deque[Iterator[UpsertReport]]) -> UpsertReport:
    """Bring every batch to its next stage, the newest first: its look-up is short, and answered when it is needed."""
    settled = UpsertReport()
    for batch in tuple(reversed(under_way)):
        report = next(batch, None)
        if report is None:
            under_way.remove(batch)
        else:
            settled += report
    return settled


def _sorted_out(
    drafts: Mapping[str, _Draft], rows: Sequence[StoredRow]
) -> tuple[list[_Draft], list[_Draft], list[_Draft]]:
    """Return what did not change, what changed but in nothing that its vectors show, and what is to be written anew."""
    same: list[_Draft] = []
    altered: list[_Draft] = []
    new = dict(drafts)
    for row in rows:
        draft, known = drafts[row.id], row.payload
        # The listing of a scan beside this one may have begun later and come sooner.
        if known.get("last_synced", 0.0) > draft.stamp["last_synced"]:
            draft.stamp = {**draft.stamp, "last_synced": known["last_synced"]}
        if known.get("searchable") != draft.hashes["searchable"]:
            continue
        del new[row.id]
        # A changed size or verdict shows in no vector, so the point's vectors stay as they are.
        (same if known.get("content") == draft.hashes["content"] else altered).append(draft)
    return same, altered, list(new.values())


def _stamps(drafts: Sequence[_Draft]) -> list[Patch]:
    """One patch for all that were read at the same moment, which a page of a listing is."""
    moments: dict[float, list[_Draft]] = defaultdict(list)
    for draft in drafts:
        moments[draft.stamp["last_synced"]].append(draft)
    return [Patch([draft.point_id for draft in together], together[0].stamp) for together in moments.values()]
