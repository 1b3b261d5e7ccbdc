"""``EstateStore``: the AWS resources that scans saw, encrypted and searchable, with the time of their last scan."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from cloudops_nb.model import ResourceFilter, SearchHit
from cloudops_nb.storage.encryption.sealed_data import readable
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.estate.cell_rows import CellRows
from cloudops_nb.storage.estate.cells import EstateCells
from cloudops_nb.storage.estate.estate_facets import EstateFacets
from cloudops_nb.storage.estate.estate_writer import EstateWriter, UpsertReport
from cloudops_nb.storage.estate.integrity import EstateIntegrity
from cloudops_nb.storage.estate.last_known import age_of_tags
from cloudops_nb.storage.estate.points import SEALED_FIELDS, EstatePoints
from cloudops_nb.storage.estate.search.estate_search import EstateSearch
from cloudops_nb.storage.estate.search.query_reading import QueryReading
from cloudops_nb.storage.estate.terms import EstateTerms
from cloudops_nb.storage.estate.vectors import EstateVectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cloudops_nb.embedding import Embedder
    from cloudops_nb.model import CellKey, CellResult, Resource
    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.scan_locks import ScanLocks
    from cloudops_nb.storage.scan_state import ScanState
    from cloudops_nb.storage.vault import Vault
    from cloudops_nb.understanding.query import Query

_EVERYTHING = ResourceFilter()
#: How many times as many hits a search looks at if too few pass a query.
_FURTHER = 8
#: Prefix of the scan ids of resources that are written between scans. The next scan of their cell removes these
#: resources if it does not see them.
_DELTA_PREFIX = "delta-"


class EstateStore:
    """Stores the resources of all accounts; several threads and notebook kernels may use it at the same time.

    A write that returned survives the crash of any process; after ``OpenStore.flush`` it also survives a power cut.

    A cell is a unit of a scan: one account, one region and one resource type. A row is a stored resource. Rows are
    removed only by :meth:`delete`, and by :meth:`finish_cell`, :meth:`finish_cells` and :meth:`apply_full` for a cell
    in the state ``ok`` or ``ok_empty``.

    A canonical key is a resource's ARN; for a resource without an ARN it is ``account|region|service|type|id``. Filters
    ignore case; the ``account`` of a filter is an id or a name. Methods raise
    :class:`~cloudops_nb.errors.StorageError` or a subclass; writing and searching may also raise
    :class:`~cloudops_nb.errors.EmbeddingError`.
    """

    def __init__(
        self,
        store: VectorStore,
        vault: Vault,
        results: ScanState,
        locks: ScanLocks,
        embedder: Callable[[], Embedder],
    ) -> None:
        self._store = store
        self._results = results
        self._points = EstatePoints(vault)
        terms, vectors = EstateTerms(vault.blind_index), EstateVectors(embedder, vault.rotation)
        self._facets = EstateFacets(store, self._points)
        self._writer = EstateWriter(store, vault, self._points, terms, vectors)
        self._rows = CellRows(store, self._points, vault, results, locks)
        self._cells = EstateCells(store, self._points, self._rows)
        #: Checks whether the stored rows are those that scans wrote.
        self.integrity = EstateIntegrity(store, self._points, vault, self._rows.records, results)
        self._search = EstateSearch(store, self._points, terms, vectors, self._facets)

    def begin_cells(self, keys: Iterable[CellKey], *, scan_id: str) -> None:
        """Note that a scan is about to write rows of cells; their state is ``running`` until the scan finishes them."""
        self._cells.begin(scan_id)
        self._rows.begin(keys, scan_id)

    def end_scan(self, scan_id: str) -> None:
        """Note that a scan writes nothing more; the cells that it has begun and not finished count as interrupted."""
        self._rows.end_scan(scan_id)

    def end_scans(self) -> None:
        """Note that no scan writes through this object any more, because the store is being closed."""
        self._rows.end_scans()

    def upsert(self, resources: Sequence[Resource], *, scan_id: str) -> UpsertReport:
        """Write resources and stamp them with the scan's id; unchanged resources only get the new stamp."""
        self._cells.begin(scan_id)
        keys = {resource.cell for resource in resources}
        self._rows.begin(keys, scan_id, running=False)
        try:
            report, checksums = self._writer.upsert(resources, scan_id)
        except BaseException:
            self._rows.failed(scan_id, keys)
            raise
        self._rows.wrote(scan_id, checksums)
        return report

    def finish_cell(self, result: CellResult, *, scan_id: str) -> CellResult:
        """Finish a cell of a scan and save its result; returns the result as saved.

        If the state is ``ok`` or ``ok_empty``, the cell's rows that neither this scan nor a concurrent scan has written
        are removed. With any other state all rows stay. If a cell with several rows is found empty for the first time,
        the saved state is ``suspicious_empty`` and all rows stay.
        """
        return self._cells.finish([result], scan_id)[0]

    def finish_cells(self, results: Sequence[CellResult], *, scan_id: str) -> list[CellResult]:
        """Finish several cells of a scan, each like :meth:`finish_cell`.

        If the cells have no row to remove, one request to Qdrant is enough for all cells.
        """
        return self._cells.finish(results, scan_id)

    def apply_full(self, result: CellResult, resources: Sequence[Resource], *, scan_id: str) -> CellResult:
        """Replace a cell's rows with the resources that its scan found (requirement S14).

        Calls :meth:`upsert`, then :meth:`finish_cell`.
        """
        self.upsert(resources, scan_id=scan_id)
        return self.finish_cell(result, scan_id=scan_id)

    def apply_delta(self, resources: Sequence[Resource]) -> UpsertReport:
        """Write some resources outside a scan; removes no row (requirement S14)."""
        scan_id = f"{_DELTA_PREFIX}{uuid.uuid4()}"
        keys = list({resource.cell for resource in resources})
        return self._rows.edit(keys, scan_id, lambda: self.upsert(resources, scan_id=scan_id))

    def search(self, query: str, *, limit: int = 10, where: ResourceFilter = _EVERYTHING) -> list[SearchHit]:
        """Find resources by id, name, fragment, misspelling, tag or meaning; returns hits with reasons, best first."""
        found = self._search.search(query, limit, self._points.matching(where))
        states = self._cell_states(hit.resource for hit in found)
        return [
            SearchHit(hit.resource, hit.score, hit.why + age_of_tags(hit.resource), states[hit.resource.cell])
            for hit in found
        ]

    def understand(self, query: str) -> QueryReading:
        """Return how :meth:`search` interprets a query: the filters, the other words, and corrected misspellings."""
        return QueryReading.of(self._search.read(query))

    def resources(self, where: ResourceFilter = _EVERYTHING, *, limit: int | None = None) -> list[SearchHit]:
        """Return the resources that pass the filter, ordered by account, region, type and name, with score 0.

        If more than ``limit`` resources pass the filter, the result is an arbitrary selection.
        """
        rows = self._store.rows(AWS_ESTATE.name, self._points.matching(where), SEALED_FIELDS, limit)
        return self.hits_of(readable(rows, self._points.resource))

    def matching(self, query: Query) -> list[SearchHit]:
        """Return the resources that pass a query; those that no index decides are decrypted first."""
        rows = self._store.rows(AWS_ESTATE.name, self._points.narrowed(query), SEALED_FIELDS)
        return self.hits_of(filter(query.holds, readable(rows, self._points.resource)))

    def hits_of(self, resources: Iterable[Resource]) -> list[SearchHit]:
        """Return stored resources as hits of a filter, each with the state of its cell."""
        found = sorted(resources, key=_sort_key)
        states = self._cell_states(found)
        return [SearchHit(resource, 0.0, "filter" + age_of_tags(resource), states[resource.cell]) for resource in found]

    def search_matching(self, text: str, query: Query, *, limit: int) -> list[SearchHit]:
        """Return the best hits of a search among the resources that pass a query."""
        narrowed, wanted = self._points.narrowed(query), limit
        while True:
            hits = self._search.search(text, wanted, narrowed)
            found = [hit for hit in hits if query.holds(hit.resource)]
            if len(found) >= limit or len(hits) < wanted:
                break
            # The index left too many that do not pass: look further down.
            wanted *= _FURTHER
        states = self._cell_states(hit.resource for hit in found)
        return [
            SearchHit(hit.resource, hit.score, hit.why + age_of_tags(hit.resource), states[hit.resource.cell])
            for hit in found[:limit]
        ]

    def lookup(self, text: str) -> list[Resource]:
        """Return the resources whose id, name or ARN is this text; case is ignored."""
        if not text.strip():
            return []
        rows = self._store.rows(AWS_ESTATE.name, self._points.exactly(text), SEALED_FIELDS)
        return sorted(readable(rows, self._points.resource), key=_sort_key)

    def related_to(self, resources: Sequence[Resource]) -> list[Resource]:
        """Return the resources with a relation to one of the given resources, in any account and region."""
        if not resources:
            return []
        rows = self._store.rows(AWS_ESTATE.name, self._points.related_to(resources), SEALED_FIELDS)
        found = sorted(readable(rows, self._points.resource), key=_sort_key)
        # A keyed number may belong to two keys, and a person with access to the folder can alter it.
        return [each for each in found if any(link.points_to(to) for link in each.relations for to in resources)]

    def without_targets(self) -> int:
        """Return the number of resources that were written before the targets of relations were kept."""
        return self._store.count(AWS_ESTATE.name, self._points.without_targets())

    def get(self, arn_or_key: str) -> Resource | None:
        """Return the resource with this ARN or canonical key; ``None`` if it is not in the estate, or is unreadable."""
        point_id = self._points.point_id_of(arn_or_key)
        rows = self._store.retrieve(AWS_ESTATE.name, [point_id], SEALED_FIELDS)
        return next(readable(rows, self._points.resource), None)

    def count(self, where: ResourceFilter = _EVERYTHING) -> int:
        """Count the resources that pass the filter (requirement S11)."""
        return self._store.count(AWS_ESTATE.name, self._points.matching(where))

    def facets(self, field: str, where: ResourceFilter = _EVERYTHING) -> dict[str, int]:
        """Return each value of a field with its number of resources, the most frequent value first.

        The values come from decrypted resources. The numbers are for display only: Qdrant counts keyed hashes, which a
        person with access to the store's folder can alter.

        Args:
            field: ``tags`` (as ``key=value``), ``tag_keys``, ``traits`` (``environment=production``,
                ``engine=postgres``), or one of the resource's other fields in
                :data:`~cloudops_nb.storage.estate.estate_facets.COUNTED_FIELDS`.
            where: Only resources that pass this filter are counted.

        Raises:
            StorageError: The field cannot be counted.
        """
        return self._facets.count(field, self._points.matching(where))

    def delete(self, *arns_or_keys: str) -> int:
        """Delete resources by ARN or canonical key; returns the number that existed (requirement S11)."""
        ids = [self._points.point_id_of(key) for key in arns_or_keys]
        rows = self._store.retrieve(AWS_ESTATE.name, ids, SEALED_FIELDS)
        keys = list({resource.cell for resource in readable(rows, self._points.resource)})
        scan_id = f"{_DELTA_PREFIX}{uuid.uuid4()}"
        return self._rows.edit(keys, scan_id, lambda: self._store.delete_ids(AWS_ESTATE.name, ids))

    def rows_of(self, keys: Iterable[CellKey]) -> dict[CellKey, int]:
        """Return the number of stored resources of each cell."""
        return {key: self._store.count(AWS_ESTATE.name, self._points.in_cells([key])) for key in keys}

    def forget_cells(self, keys: Sequence[CellKey]) -> None:
        """Delete the resources of cells and the cells' results; no scan must read the cells at the same time."""
        self._store.delete(AWS_ESTATE.name, self._points.in_cells(keys))
        self._results.forget(keys)

    def _cell_states(self, resources: Iterable[Resource]) -> dict[CellKey, str]:
        """Return the last saved state of each resource's cell; an empty text if no scan has finished the cell."""
        cells = {resource.cell for resource in resources}
        return dict.fromkeys(cells, "") | {key: state.value for key, state in self._results.states(cells).items()}


def _sort_key(resource: Resource) -> tuple[str, ...]:
    return (
        resource.account_name,
        resource.account_id,
        resource.region,
        resource.resource_type,
        resource.name,
        resource.identifier,
    )
