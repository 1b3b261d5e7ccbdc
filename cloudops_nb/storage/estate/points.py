"""Converts resources to payloads of Qdrant points, and back.

A payload holds blind values (keyed hashes) of the fields that filters can name, one envelope (encrypted value) with the
whole resource, two hashes that reveal a change of the resource, and times.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgpack

from cloudops_nb.errors import DecryptionError
from cloudops_nb.model import Resource
from cloudops_nb.storage.encryption.sealed_data import (
    authenticated,
    open_sealed,
    packed,
    packed_list,
    plain_fields,
    seal_packed,
    shallow,
)
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import AnyOf, Below, PointFilter
from cloudops_nb.storage.estate.description import DESCRIPTION_VERSION
from cloudops_nb.storage.estate.fields import GROUPS, MARKS, TARGET, list_of, numbered
from cloudops_nb.storage.estate.lexicon import folded
from cloudops_nb.storage.estate.relation_keys import KEPT, key_of, keys_to

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.model import CellKey, ResourceFilter
    from cloudops_nb.storage.engines.vector_store import StoredRow
    from cloudops_nb.storage.estate.description import Wording
    from cloudops_nb.storage.vault import Vault
    from cloudops_nb.understanding.query import Query

#: The payload fields from which :meth:`EstatePoints.resource` restores a resource.
SEALED_FIELDS = (*AWS_ESTATE.sealed_fields, "last_synced")
#: A tag filter with this value matches every resource that has the tag's key.
ANY_VALUE = "*"
_EXACT_FIELDS = ("identifier", "name", "arn")
#: Changes with the payload that a resource gets, so that the next scan writes every row again.
_PAYLOAD_VERSION = 2
_NAME_TAG = "Name"
_CACHED_VALUES = 1 << 16


class EstatePoints:
    """Turns resources into payloads, rows into resources, and real values into filters; safe to share between threads.

    A value is folded (without case) before its blind value is computed, so filters ignore case. Only scan ids and cells
    are not folded. The blind values of the latest 65,536 folded values, and of as many other values, are cached,
    because names, types and tags repeat.
    """

    def __init__(self, vault: Vault) -> None:
        self._envelope = vault.envelope
        self._quiet_envelope = vault.envelope.with_own_alarm()
        self._blind_index = vault.blind_index
        self._blind = lru_cache(maxsize=_CACHED_VALUES)(self._folded_blind)
        self._exact = lru_cache(maxsize=_CACHED_VALUES)(self._exact_blind)

    def point_id(self, resource: Resource) -> str:
        """Return the id of a resource's point."""
        return self._blind_index.point_id(resource.canonical_key)

    def point_id_of(self, canonical_key: str) -> str:
        """Return the id of the point for a resource's canonical key, such as its ARN; the point need not exist."""
        return self._blind_index.point_id(canonical_key)

    def blind(self, name: str, value: str) -> int:
        """Return the number that represents a field's value; case is ignored."""
        return self._blind(name, value)

    def content(self, resource: Resource) -> bytes:
        """Encode a resource as bytes, without the time of its last scan, which changes with every scan."""
        return packed({**shallow(resource), "last_synced": None})

    def hashes(self, resource: Resource, content: bytes, wording: Wording, model_id: str) -> dict[str, str]:
        """Return two keyed hashes, which differ from the stored hashes if the resource has changed.

        ``content`` covers the whole resource, ``searchable`` only the texts from which the resource's vectors are made.
        Both also cover :data:`DESCRIPTION_VERSION` and the embedding model's id, ``content`` also the
        form of the payload.
        """
        version: bytes = msgpack.packb([DESCRIPTION_VERSION, model_id])
        payload: bytes = msgpack.packb([DESCRIPTION_VERSION, model_id, _PAYLOAD_VERSION])
        named = [*wording.phrases, resource.name, resource.identifier]
        searchable = [named, sorted(resource.tags.items()), sorted(wording.spoken.items())]
        return {
            "content": self._blind_index.fingerprint("content", payload + content),
            "searchable": self._blind_index.fingerprint("searchable", version + packed_list(searchable)),
        }

    def stamp(self, resource: Resource, scan_id: str, now: float) -> dict[str, Any]:
        """Return the payload fields that every scan rewrites.

        ``last_synced``, which users see, is the time at which AWS listed the resource, or ``now`` if that is unknown.
        ``seen`` is the time of this write; :meth:`unseen` compares it. The empty ``suspected`` removes the mark that
        :class:`~cloudops_nb.storage.estate.cells.EstateCells` sets on the rows of a suspiciously empty cell.
        """
        synced = resource.last_synced.timestamp() if resource.last_synced else now
        return {
            "scan": self._scan_number(scan_id),
            "last_synced": synced,
            "seen": now,
            "suspected": [],
        }

    def payload(
        self, resource: Resource, content: bytes, traits: Sequence[str], point_id: str, hashes: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return the payload fields that change only with the resource.

        Args:
            resource: The resource.
            content: The result of :meth:`content`.
            traits: The resource's ``Wording.traits``.
            point_id: The result of :meth:`point_id`.
            hashes: The result of :meth:`hashes`.
        """
        blind = self._blind
        shared = [
            ("account_id", resource.account_id),
            ("account_name", resource.account_name),
            ("region", resource.region),
            ("service", resource.service),
            ("resource_type", resource.resource_type),
            ("state", resource.state),
        ]
        # A resource with a unique name of its own is found by its Name tag, too.
        names = dict.fromkeys((resource.name, resource.tags.get(_NAME_TAG, "")))
        own = [*(("name", name) for name in names), ("identifier", resource.identifier), ("arn", resource.arn)]
        fields: dict[str, Any] = {
            **hashes,
            GROUPS: [
                *(blind(name, value) for name, value in shared if value),
                *(blind("tag_keys", key) for key in resource.tags),
                *(blind("traits", trait) for trait in traits),
            ],
            MARKS: [
                *(blind(name, value) for name, value in own if value),
                *(blind("tags", f"{key}={value}") for key, value in resource.tags.items()),
                self.cell_number(resource.cell),
                *sorted({self._exact(TARGET, key) for key in (KEPT, *map(key_of, resource.relations))}),
            ],
        }
        return {**fields, "data": seal_packed(self._envelope, content, AWS_ESTATE, point_id, fields)}

    def resource(self, row: StoredRow) -> Resource:
        """Decrypt the resource in a row that was read with :data:`SEALED_FIELDS`.

        The resource's ``last_synced`` comes from the row's payload, because the envelope does not contain it.

        Raises:
            DecryptionError: The row was altered, or its envelope comes from a different row.
        """
        data = open_sealed(self._envelope, row, AWS_ESTATE)
        with plain_fields(self._envelope, AWS_ESTATE):
            data["last_synced"] = datetime.fromtimestamp(row.payload["last_synced"], UTC).isoformat()
        data["iam"] = {name: tuple(value) if isinstance(value, list) else value for name, value in data["iam"].items()}
        return Resource.from_dict(data)

    def intact(self, row: StoredRow) -> bool:
        """Return whether a row that was read with :data:`SEALED_FIELDS` can be decrypted and has a usable time.

        A row that is not intact does not count in the alarm of the vault's envelope: the caller writes it again.
        """
        try:
            authenticated(self._quiet_envelope, row, AWS_ESTATE)
            with plain_fields(self._quiet_envelope, AWS_ESTATE):
                datetime.fromtimestamp(row.payload["last_synced"], UTC)
        except DecryptionError:
            return False
        return True

    def matching(self, where: ResourceFilter) -> PointFilter:
        """Translate a filter by real values into a filter by blind values."""
        named = ("region", "service", "resource_type", "state", "name")
        must = [self.one_of(name, [value]) for name in named if (value := getattr(where, name))]
        if where.account:
            must.append(self.in_accounts([where.account]))
        for key, value in where.tags.items():
            must.append(
                self.one_of("tag_keys", [key]) if value == ANY_VALUE else self.one_of("tags", [f"{key}={value}"])
            )
        return PointFilter(must=must)

    def narrowed(self, query: Query) -> PointFilter:
        """Translate the parts of a query that blind values decide; ``Query.holds`` decides the others."""
        texts = {name: match.texts for name, match in query.fields.items() if match.exact}
        accounts = texts.pop("account", None)
        must = [self.one_of(name, values) for name, values in texts.items()]
        if accounts:
            must.append(self.in_accounts(accounts))
        must_not = []
        for key, match in query.tags.items():
            if match.exact:
                must.append(self.one_of("tags", [f"{key}={value}" for value in match.texts]))
            elif not match.absent:
                must.append(self.one_of("tag_keys", [key]))
            elif not match.options:
                must_not.append(self.one_of("tag_keys", [key]))
        return PointFilter(must, must_not)

    def in_accounts(self, accounts: Sequence[str]) -> AnyOf:
        """Return the condition that the account's id or the account's name is one of these texts."""
        fields = ("account_id", "account_name")
        return AnyOf(GROUPS, [self.blind(name, account) for name in fields for account in accounts])

    def one_of(self, name: str, values: Sequence[str]) -> AnyOf:
        """Return the condition that a field has one of these values."""
        return AnyOf(list_of(name), [self.blind(name, value) for value in values])

    def exactly(self, *texts: str) -> PointFilter:
        """Return the filter for rows whose id, name or ARN is one of these texts; case is ignored."""
        return PointFilter(must=[AnyOf(MARKS, [self.blind(name, text) for name in _EXACT_FIELDS for text in texts])])

    def related_to(self, resources: Sequence[Resource]) -> PointFilter:
        """Return the filter for the rows with a relation to one of the resources."""
        keys = {key for resource in resources for key in keys_to(resource)}
        return PointFilter(must=[AnyOf(MARKS, sorted(self._exact(TARGET, key) for key in keys))])

    def without_targets(self) -> PointFilter:
        """Return the filter for rows that were written before the targets of relations were kept."""
        return PointFilter((), [AnyOf(MARKS, [self._exact(TARGET, KEPT)])])

    def in_cells(self, keys: Sequence[CellKey]) -> PointFilter:
        """Return the filter for the rows of scan cells; a cell is an account, a region and a resource type."""
        return PointFilter(must=[AnyOf(MARKS, [self.cell_number(key) for key in keys])])

    def cell_number(self, key: CellKey) -> int:
        """Return the number that represents a scan cell in the rows of the cell."""
        return self._exact("cell", str(key))

    def not_written(self, keys: Sequence[CellKey], scan_id: str) -> PointFilter:
        """Return the filter for the rows of cells that the scan did not write."""
        return self.in_cells(keys) & PointFilter((), [AnyOf("scan", [self._scan_number(scan_id)])])

    def unseen(self, keys: Sequence[CellKey], scan_id: str, since: float, until: float) -> list[PointFilter]:
        """Return filters for the rows of cells that the scan did not write and no scan wrote from ``since`` on.

        A row that was written after ``until`` is unseen, too: its time is wrong, for example because the clock was set
        back. The times are in seconds since 1970. No row passes both filters.
        """
        others = self.not_written(keys, scan_id)
        before, after = PointFilter([Below("seen", since)]), PointFilter((), [Below("seen", until)])
        return [others & before, others & after]

    def _folded_blind(self, name: str, value: str) -> int:
        return numbered(name, self._blind_index.blind(name, folded(value)))

    def _exact_blind(self, name: str, value: str) -> int:
        return numbered(name, self._blind_index.blind(name, value))

    def _scan_number(self, scan_id: str) -> int:
        return self._exact("scan", scan_id)
