"""Rewrites the journal under a new master key: encrypts and chains every record again, and stores its earlier MACs.

A head is the number of records in a journal and the MAC of the last record. With the earlier MACs, a head that a user
exported under an earlier key can still be verified: the earlier MACs of the record with that number must contain the
head's MAC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import JournalError
from cloudops_nb.storage.journal.chain import Chain
from cloudops_nb.storage.journal.journal import EARLIER, EARLIER_STARTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudops_nb.storage.journal.chain import StoredRecord
    from cloudops_nb.storage.journal.journal import Journal
    from cloudops_nb.storage.vault import Vault

#: The kind of the record that reports a change of the master key.
REKEY = "rekey"


def rechain(old: Journal, old_vault: Vault, new: Journal, new_vault: Vault) -> int:
    """Write a journal's records into an empty journal under a new key, and verify both journals.

    A record that reports the key change and contains the old journal's head is added after the old records.

    Returns:
        The number of records that were copied.

    Raises:
        JournalError: A journal does not verify, or the once-key of an old record cannot be found. A once-key is a text
            that makes a record unique: a journal accepts only one record with it.
    """
    before = old.verify()
    head = f"{before.count}:{before.head}"
    change = {
        "at": datetime.now(UTC).isoformat(),
        "kind": REKEY,
        "subject": new_vault.keys.fingerprint,
        "body": {"old_head": head, "old_fingerprint": old_vault.keys.fingerprint},
        "once": "",
    }
    start = Chain(old_vault.keys).start.mac.hex()
    new.fill(_with_earlier_starts(chain(_with_earlier_macs(old), [change]), start))
    after = new.verify(against=head)
    if after.count != before.count + 1:
        why = f"{after.count - 1} of {before.count} records were copied"
        raise JournalError("the journal cannot be rewritten under a new key", why)
    return before.count


def _with_earlier_macs(old: Journal) -> Iterator[dict[str, Any]]:
    for record, content in old.contents():
        macs = [*content.get(EARLIER, ()), record.mac.hex()]
        yield {**content, "once": _once_key(old, record, content), EARLIER: macs}


def _with_earlier_starts(contents: Iterator[dict[str, Any]], start: str) -> Iterator[dict[str, Any]]:
    first = next(contents)
    yield {**first, EARLIER_STARTS: [*first.get(EARLIER_STARTS, ()), start]}
    yield from contents


def _once_key(old: Journal, record: StoredRecord, content: Mapping[str, Any]) -> str:
    """Return a record's once-key, or an empty text if it has none.

    Earlier versions of this package wrote only the once-key's blind value (keyed hash), not the once-key itself. Then
    every once-key that those versions could have used is blinded, and compared with the stored blind value.
    """
    if record.once_key is None:
        return ""
    if "once" in content:
        return str(content["once"])
    kind, values = content["kind"], [content["subject"], *content["body"].values()]
    keys = [key for value in values if isinstance(value, str) for key in (f"{kind}:{value}", value)]
    once_key = next((key for key in keys if old.blind("once", key) == record.once_key), "")
    if not once_key:
        why = f"the key that makes record {record.sequence} unique cannot be found"
        raise JournalError("the journal cannot be rewritten under a new key", why)
    return once_key
