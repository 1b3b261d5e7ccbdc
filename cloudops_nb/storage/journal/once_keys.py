"""The keys that a journal has recorded and that may never be recorded again, as its MACs vouch for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.storage.journal.chain import check_length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cloudops_nb.storage.journal.chain import Chain, ChainHead, StoredRecord


class OnceKeys:
    """Blind keys learned from verified records only; each record is verified once and remembered from then on.

    What is changed in the file afterwards, too, takes no key away. The caller sees to it that calls take turns.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._verified = chain.start
        self._keys: set[bytes] = set()

    def contains(self, key: bytes, behind: Callable[[int], Iterable[StoredRecord]], end: ChainHead) -> bool:
        """Verify what was added since the last time, and say whether a key is recorded.

        Args:
            key: The blind key.
            behind: Returns the records after a sequence number, in order.
            end: Where the journal ends.

        Raises:
            JournalError: A record was changed, removed or moved, or the journal is not the one that was verified.
        """
        check_length(end.count, self._verified)
        found: set[bytes] = set()
        records = _noting(behind(self._verified.count), found)
        self._verified = self._chain.check(records, [end], after=self._verified)
        self._keys |= found
        return key in self._keys


def _noting(records: Iterable[StoredRecord], found: set[bytes]) -> Iterator[StoredRecord]:
    for record in records:
        if record.once is not None:
            found.add(record.once)
        yield record
