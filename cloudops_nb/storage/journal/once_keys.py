"""The keys of records that a journal may hold only once, learned from verified records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.storage.journal.chain import check_length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cloudops_nb.storage.journal.chain import Chain, ChainHead, StoredRecord


class OnceKeys:
    """Remembers the blind once-keys of a journal; each record is verified before its key counts, and only once.

    A later change of the file cannot remove a key. The caller serialises the calls.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._verified = chain.start
        self._keys: set[bytes] = set()

    def contains(self, key: bytes, behind: Callable[[int], Iterable[StoredRecord]], end: ChainHead) -> bool:
        """Verify the records added since the last call, and return whether a key is recorded.

        Args:
            key: The blind key.
            behind: Returns the records after a sequence number, in order.
            end: The journal's end.

        Raises:
            JournalError: A record was changed, removed or moved, or the journal is not the verified one.
        """
        check_length(end.count, self._verified)
        found: set[bytes] = set()
        records = _collecting_keys(behind(self._verified.count), found)
        self._verified = self._chain.check(records, [end], after=self._verified)
        self._keys |= found
        return key in self._keys


def _collecting_keys(records: Iterable[StoredRecord], found: set[bytes]) -> Iterator[StoredRecord]:
    for record in records:
        if record.once is not None:
            found.add(record.once)
        yield record
