"""Once-keys: with each once-key, a journal accepts only one record, ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.storage.journal.chain import check_length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cloudops_nb.storage.journal.chain import Chain, ChainHead, StoredRecord


class OnceKeys:
    """Remembers the once-keys of a journal as blind values (keyed hashes); each record is verified once, when read.

    A later change of the file cannot remove a once-key from this memory. The caller ensures that only one thread calls
    at a time.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._verified = chain.start
        self._keys: set[bytes] = set()

    def contains(self, key: bytes, records_after: Callable[[int], Iterable[StoredRecord]], end: ChainHead) -> bool:
        """Verify the records added since the last call, and return whether any record of the journal has this once-key.

        Args:
            key: The blind value of the once-key.
            records_after: Returns the records after a sequence number, in order.
            end: The head at the journal's end.

        Raises:
            JournalError: A record was changed, removed or moved, or the journal was replaced.
        """
        check_length(end.count, self._verified)
        new_keys: set[bytes] = set()
        records = _collecting_keys(records_after(self._verified.count), new_keys)
        self._verified = self._chain.check(records, [end], after=self._verified)
        # Add the once-keys only after check() has verified their records.
        self._keys |= new_keys
        return key in self._keys


def _collecting_keys(records: Iterable[StoredRecord], keys: set[bytes]) -> Iterator[StoredRecord]:
    for record in records:
        if record.once_key is not None:
            keys.add(record.once_key)
        yield record
