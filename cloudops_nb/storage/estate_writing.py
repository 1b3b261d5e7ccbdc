"""Writing what a scan read: only what changed is embedded and written, everything seen is stamped."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cloudops_nb.storage.description import describe
from cloudops_nb.storage.schema import AWS_ESTATE
from cloudops_nb.storage.vector_store import Patch, Point

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.storage.estate_points import EstatePoints
    from cloudops_nb.storage.estate_terms import EstateTerms
    from cloudops_nb.storage.estate_vectors import EstateVectors
    from cloudops_nb.storage.vector_store import VectorStore

#: Resources a batch: large enough for the embedder, small enough that a search gets its turn in between.
BATCH = 256


@dataclass(frozen=True, slots=True)
class UpsertReport:
    """How many resources were written, and how many had not changed, so that only their stamp was renewed."""

    written: int = 0
    unchanged: int = 0

    def __add__(self, other: UpsertReport) -> UpsertReport:
        return UpsertReport(self.written + other.written, self.unchanged + other.unchanged)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A resource on its way into the store: its id, its words, its hashes and its stamp."""

    point_id: str
    resource: Resource
    description: str
    hashes: Mapping[str, str]
    stamp: Mapping[str, Any]


class EstateWriter:
    """Writes resources; safe from several threads and processes, the last writer of a resource wins.

    What :meth:`upsert` returned for is in the store and survives a crash of any process.
    """

    def __init__(self, store: VectorStore, points: EstatePoints, terms: EstateTerms, vectors: EstateVectors) -> None:
        self._store = store
        self._points = points
        self._terms = terms
        self._vectors = vectors

    def upsert(self, resources: Sequence[Resource], scan_id: str) -> UpsertReport:
        """Write what changed and stamp everything with the scan."""
        report = UpsertReport()
        for start in range(0, len(resources), BATCH):
            report += self._batch(resources[start : start + BATCH], scan_id)
        return report

    def _batch(self, resources: Sequence[Resource], scan_id: str) -> UpsertReport:
        now = time.time()
        drafts = {draft.point_id: draft for draft in (self._draft(resource, scan_id, now) for resource in resources)}
        rows = self._store.retrieve(AWS_ESTATE.name, list(drafts), ("content", "searchable", "last_synced"))
        known = {row.id: row.payload for row in rows}
        drafts = {point_id: _not_older(draft, known) for point_id, draft in drafts.items()}
        same = [draft for draft in drafts.values() if _equal(draft, known, "content")]
        # A changed size or verdict shows in no vector, so the point's vectors stay as they are.
        altered = [
            draft
            for draft in drafts.values()
            if not _equal(draft, known, "content") and _equal(draft, known, "searchable")
        ]
        patches = [*_stamps(same), *(Patch([draft.point_id], self._payload(draft)) for draft in altered)]
        # Another kernel may have removed rows since we looked: those are written like new ones.
        gone = set(self._store.patch(AWS_ESTATE.name, patches)) if patches else set()
        kept = {draft.point_id for draft in (*same, *altered)} - gone
        self._write([draft for draft in drafts.values() if draft.point_id not in kept])
        unchanged = sum(draft.point_id not in gone for draft in same)
        return UpsertReport(written=len(drafts) - unchanged, unchanged=unchanged)

    def _write(self, drafts: Sequence[_Draft]) -> None:
        if not drafts:
            return
        vectors = self._vectors.of([draft.description for draft in drafts])
        points = [
            Point(draft.point_id, self._payload(draft), vector, self._terms.of(draft.resource, draft.description))
            for draft, vector in zip(drafts, vectors, strict=True)
        ]
        self._store.upsert(AWS_ESTATE.name, points)

    def _draft(self, resource: Resource, scan_id: str, now: float) -> _Draft:
        description = describe(resource)
        return _Draft(
            point_id=self._points.point_id(resource),
            resource=resource,
            description=description,
            hashes=self._points.hashes(resource, description, self._vectors.model_id),
            stamp=self._points.stamp(resource, scan_id, now),
        )

    def _payload(self, draft: _Draft) -> dict[str, Any]:
        return {**self._points.payload(draft.resource), **draft.hashes, **draft.stamp}


def _equal(draft: _Draft, known: Mapping[str, Mapping[str, Any]], name: str) -> bool:
    return known.get(draft.point_id, {}).get(name) == draft.hashes[name]


def _not_older(draft: _Draft, known: Mapping[str, Mapping[str, Any]]) -> _Draft:
    """Keep a later ``last_synced``: the listing of a scan beside this one may have begun later and come sooner."""
    later = max(draft.stamp["last_synced"], known.get(draft.point_id, {}).get("last_synced", 0.0))
    return replace(draft, stamp={**draft.stamp, "last_synced": later})


def _stamps(drafts: Sequence[_Draft]) -> list[Patch]:
    """One patch for all that were read at the same moment, which a page of a listing is."""
    moments: dict[float, list[_Draft]] = defaultdict(list)
    for draft in drafts:
        moments[draft.stamp["last_synced"]].append(draft)
    return [Patch([draft.point_id for draft in together], together[0].stamp) for together in moments.values()]
