"""Opens a damaged store as a notebook does, and compares what it returns with what was written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloudops_nb.errors import CloudOpsError
from cloudops_nb.model import CellState
from tests.corrupt.sample import CELLS, CHAT, NOTES, every_resource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from cloudops_nb.model import Resource
    from cloudops_nb.storage.facade import StorageService

#: A flip damages one record; in a file that holds no records (an index, a log) it may hide none.
_DAMAGED_RECORDS = 1


class Refused(Exception):  # noqa: N818 - an outcome, not a failure of the program
    """A part of the store refused with a good error: it names a file of the store and the fix."""


def call(folder: Path, what: str, action: Callable[[], object]) -> None:
    """Run a check; a good error of the store becomes :class:`Refused`, and any other error an AssertionError."""
    try:
        action()
    except AssertionError as error:
        raise AssertionError(f"{what}: {error}") from error
    except CloudOpsError as error:
        if not names_file_and_fix(error, folder):
            raise AssertionError(
                f"{what}: the error names no file or no fix: {type(error).__name__}: {error}"
            ) from error
        raise Refused(f"{what}: {error}") from error
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error


def names_file_and_fix(error: CloudOpsError, folder: Path) -> bool:
    """Return whether an error names a file or folder of the store, and what to do."""
    advises = error.fix or error.why.endswith("?")  # "did you mean scan_threads?"
    return bool(advises) and any(part in str(error) for part in (str(folder), "journal.db", "journal.head"))


def check_estate(storage: StorageService, *, missing: int = _DAMAGED_RECORDS) -> None:
    """Check that all resources but ``missing`` are listed and found, each exactly as it was written."""
    expected = every_resource()
    found = _unchanged([hit.resource for hit in storage.estate.resources()], expected)
    _check_missing("resources()", expected.keys() - found, missing)
    lost: dict[str, list[str]] = {"search": [], "lookup": []}
    for arn in found:
        name = expected[arn].name
        hits = {hit.resource.arn for hit in storage.estate.search(name, limit=5)}
        lost["search"] += [] if arn in hits else [arn]
        lost["lookup"] += [] if arn in {each.arn for each in storage.estate.lookup(name)} else [arn]
    for how, arns in lost.items():
        _check_missing(how, arns, missing)


def check_chat(storage: StorageService, *, missing: int = _DAMAGED_RECORDS) -> None:
    """Check that all messages but ``missing`` are in their conversations, in order."""
    lost = []
    for name, texts in CHAT.items():
        found = [message.content for message in storage.chat.history(name, limit=1000)]
        assert found == [text for text in texts if text in found], f"conversation {name} has {found}"
        lost += [text for text in texts if text not in found]
    _check_missing("messages", lost, missing)
    names = {conversation.name for conversation in storage.chat.conversations()}
    _check_missing("conversations", CHAT.keys() - names, missing)


def check_scan_state(storage: StorageService, *, missing: int = _DAMAGED_RECORDS) -> None:
    """Check that all results but ``missing`` are listed."""
    cells = storage.scan_state.cells()
    assert all(cell.state is CellState.OK for cell in cells), f"cells: {cells}"
    rates = len(storage.scan_state.rates())
    assert len(cells) <= len(CELLS)
    assert rates <= 1
    lost = [str(key) for key in CELLS if key not in {cell.key for cell in cells}]
    _check_missing("results", lost + ["rate"] * (1 - rates), missing)


def check_journal(storage: StorageService) -> None:
    """Check that the journal verifies and returns every record."""
    storage.journal.verify()
    notes = [record.body["text"] for record in storage.journal.records(kind="note")]
    assert notes == NOTES, f"the journal verifies, and its notes are {notes}"
    about = [record.body["text"] for record in storage.journal.records(subject="corrupt")]
    assert about == NOTES, f"the journal verifies, and the notes by subject are {about}"


def _unchanged(found: Iterable[Resource], expected: Mapping[str, Resource]) -> set[str]:
    arns = []
    for resource in found:
        same = expected.get(resource.arn)
        assert same is not None, f"{resource.arn} was made up"
        assert replace(resource, last_synced=None) == replace(same, last_synced=None), f"{resource.arn} was changed"
        arns.append(resource.arn)
    assert len(arns) == len(set(arns)), "a resource is listed twice"
    return set(arns)


def _check_missing(what: str, lost: Iterable[str], allowed: int) -> None:
    names = sorted(lost)
    assert len(names) <= allowed, f"{what} lost {len(names)}: {names[:4]}"
