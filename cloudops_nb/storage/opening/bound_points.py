"""Converts the estate's points (the AWS resources that scans found) from store format 3 to format 4.

In format 4 an envelope is bound to the blind values (keyed hashes of the fields' values) and to the content hash of its
point, so that an altered blind value is noticed. A number of a blind value has two more bits for its field, because
format 3 had two fields left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgpack

from cloudops_nb.errors import DecryptionError
from cloudops_nb.model import Resource
from cloudops_nb.storage.encryption.sealed_data import authenticated
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.estate.description import traits_of
from cloudops_nb.storage.estate.fields import GROUPS, MARKS, VALUE_BITS
from cloudops_nb.storage.estate.points import EstatePoints
from cloudops_nb.storage.opening.numbered_points import VALUE_BITS as EARLIER_VALUE_BITS
from cloudops_nb.storage.opening.staged_copy import row_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.storage.engines.vector_store import Point
    from cloudops_nb.storage.vault import Vault

#: The first store format in which envelopes are bound to the blind values of their points.
BOUND_FORMAT: Final = 4
_NUMBERED: Final = (GROUPS, MARKS, "scan")
_UNBOUND: Final = replace(AWS_ESTATE, bound=())


class BoundPointsConverter:
    """Converts points from format 3 to format 4: computes their blind values again, and encrypts their envelopes again.

    The blind values come from the decrypted resource, so a blind value that was altered in format 3 is right again. A
    point whose envelope cannot be decrypted keeps its envelope, and its numbers are converted, so that a scan finds the
    point and replaces it.

    Args:
        vault: The keys that the points were made with.
    """

    def __init__(self, vault: Vault) -> None:
        self._points = EstatePoints(vault)
        # A separate object, so that decryption failures here do not count in the alarm of the vault's own envelope.
        self._envelope = vault.envelope.with_own_alarm()

    def __call__(self, points: Sequence[Point]) -> list[Point]:
        """Return the new points for a batch."""
        return [self._new_point(point) for point in points]

    def _new_point(self, point: Point) -> Point:
        converted = {name: _renumbered(value) for name, value in point.payload.items() if name in _NUMBERED}
        converted = {**point.payload, **converted}
        try:
            content = authenticated(self._envelope, row_of(point), _UNBOUND, retired=True)
        except DecryptionError:
            return replace(point, payload=converted)
        resource = Resource.from_dict(msgpack.unpackb(content, unicode_errors="surrogatepass", strict_map_key=False))
        hashes = {name: str(point.payload.get(name, "")) for name in ("content", "searchable")}
        fields = self._points.payload(resource, content, traits_of(resource), point.id, hashes)
        return replace(point, payload={**converted, **fields})


def _renumbered(value: Any) -> Any:
    """Convert a blind value's number from format 3, or a list of them; other values, which are damaged, stay.

    The code of the number's field stays, and the last bits of the blind value go.
    """
    if isinstance(value, list):
        return [_renumbered(each) for each in value]
    if not isinstance(value, int):
        return value
    field, value = value >> EARLIER_VALUE_BITS, value & (1 << EARLIER_VALUE_BITS) - 1
    return field << VALUE_BITS | value >> (EARLIER_VALUE_BITS - VALUE_BITS)
