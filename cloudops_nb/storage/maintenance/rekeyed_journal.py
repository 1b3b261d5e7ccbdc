"""The journal's way to another master key: every record is sealed and chained anew, and says what its MAC was before.

So a head that was exported under an earlier key can still be checked: the record at its count names it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import JournalError
from cloudops_nb.storage.journal.chain import Chain
from cloudops_nb.storage.journal.records import EARLIER, EARLIER_STARTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudops_nb.storage.journal.chain import StoredRecord
    from cloudops_nb.storage.journal.records import Journal
    from cloudops_nb.storage.vault import Vault

#: The kind of the record that ends the old journal's part.
REKEY = "rekey"


def rechain(old: Journal, old_vault: Vault, new: Journal, new_vault: Vault) -> int:
    """Write a journal's records into an empty one under another key, and check both; returns how many there were.

    Behind them comes a record of the change itself, with the old journal's head.

    Raises:
        JournalError: A journal does not verify, or a record's key for being made one time only is not known.
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
    new.fill(_from_the_start(chain(_attested(old), [change]), start))
    after = new.verify(against=head)
    if after.count != before.count + 1:
        raise JournalError("the journal was not rewritten", f"{after.count - 1} of {before.count} records arrived")
    return before.count


def _attested(old: Journal) -> Iterator[dict[str, Any]]:
    for record, content in old.contents():
        macs = [*content.get(EARLIER, ()), record.mac.hex()]
        yield {**content, "once": _once(old, record, content), EARLIER: macs}


def _from_the_start(contents: Iterator[dict[str, Any]], start: str) -> Iterator[dict[str, Any]]:
    first = next(contents)
    yield {**first, EARLIER_STARTS: [*first.get(EARLIER_STARTS, ()), start]}
    yield from contents


def _once(old: Journal, record: StoredRecord, content: Mapping[str, Any]) -> str:
    """Return a record's key for being made one time only; in version 1 it stood in no content, only blinded."""
    if record.once is None:
        return ""
    if "once" in content:
        return str(content["once"])
    kind, values = content["kind"], [content["subject"], *content["body"].values()]
    keys = [key for value in values if isinstance(value, str) for key in (f"{kind}:{value}", value)]
    found = next((key for key in keys if old.blind("once", key) == record.once), "")
    if not found:
        why = f"record {record.sequence} may be made one time only, and under which key is not known"
        raise JournalError("the journal cannot be taken to another key", why)
    return found
