"""Documents of one's own: the folder ``playbooks`` of a data path, and single files.

A document is a file that ends in .yaml, .yml or .json, perhaps with a file next to it that ends in .metadata.yaml; or a
folder with ``runbook.yaml`` and perhaps ``metadata.yaml``. The name of the file or the folder is the document's name.
Without metadata, they are derived from the document.
"""

from __future__ import annotations

import os.path
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.declarations.located_yaml import MAX_BYTES
from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.catalogue import METADATA_FILE, Playbook
from cloudops_nb.ssm.linter import Severity, lint
from cloudops_nb.ssm.loader import LONGEST_ERROR

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.ssm.linter import LintReport

#: The name of the folder in a data path that contains documents of one's own.
OWN_PLAYBOOKS_FOLDER = "playbooks"
DOCUMENT_SUFFIXES = (".yaml", ".yml", ".json")
METADATA_ENDING = ".metadata.yaml"
#: The name of the document in a folder of its own, without the ending.
RUNBOOK = "runbook"

#: What shows that a file changed: its path, modification time, size and inode.
Stamp = tuple[str, int, int, int]
Types = Mapping[str, Iterable[str]]


@dataclass(frozen=True, slots=True)
class PlaybookFile:
    """A playbook that this host has, and what the linter says of it.

    Attributes:
        name: The name of its file or folder; the id of a bundled playbook.
        playbook: The playbook.
        lint: The linter's report.
        path: The file of the document; ``None`` for a bundled playbook.
    """

    name: str
    playbook: Playbook
    lint: LintReport
    path: Path | None = None

    @property
    def own(self) -> bool:
        """Whether it is not one of the bundled playbooks."""
        return self.path is not None

    @property
    def refusal(self) -> str:
        """Why no plan can be made of it; empty if one can.

        The findings on a document without reviewed metadata are for the reader to judge, except those that no plan can
        hold.
        """
        fatal = [each for each in self.lint.findings if each.severity is Severity.FATAL]
        if fatal:
            return "; ".join(f"{each.rule}: {each.message}" for each in fatal)
        if self.playbook.metadata.reviewed and self.lint.verdict == "refused":
            return f"the linter gives it {self.lint.score} of 100"
        return ""

    @property
    def verdict(self) -> str:
        """``refused`` if no plan can be made of it, ``warned`` if the linter has much to say, else ``accepted``."""
        if self.refusal:
            return "refused"
        return "warned" if self.lint.verdict == "refused" else self.lint.verdict

    def require_runnable(self, document: str | Path = "") -> None:
        """Raise :class:`PlaybookError` if no plan can be made of it.

        Args:
            document: What a person named it by, which the error repeats; its name by default.
        """
        if self.refusal:
            fix = f"See cloudops-nb playbook lint {document or self.name}."
            raise PlaybookError(f"playbook {self.name} cannot run", self.refusal, fix)


@dataclass(frozen=True, slots=True)
class OwnPlaybooks:
    """The content of a folder: the playbooks that could be read, and one line for each problem."""

    files: Sequence[PlaybookFile] = ()
    problems: Sequence[str] = ()


class OwnFolder:
    """The folder of one's own documents, read again when a file in it changes; safe to share between threads.

    Args:
        folder: The folder; it may be missing.
        bundled: The ids of the bundled playbooks, which no document of one's own may have.
        types: Returns our resource types by CloudFormation type; called when there is a document.
    """

    def __init__(self, folder: Path, bundled: Sequence[str] = (), types: Callable[[], Types] = dict) -> None:
        self.folder = folder
        self._bundled = bundled
        self._types = types
        self._lock = threading.Lock()
        self._stamps: Sequence[Stamp] | None = None
        self._read = OwnPlaybooks()

    def current(self) -> OwnPlaybooks:
        """Return the playbooks in the folder now, and the problems of its files."""
        with self._lock:
            stamps = list(_stamps(self.folder))
            if stamps != self._stamps:
                self._read = read_folder(self.folder, self._bundled, self._types() if stamps else {})
                self._stamps = stamps
            return self._read


def read_folder(folder: Path, bundled: Sequence[str] = (), types: Types | None = None) -> OwnPlaybooks:
    """Read every document in a folder; a missing folder has none.

    A file that cannot be used becomes a problem, and the others are read all the same.

    Args:
        folder: The folder.
        bundled: The ids of the bundled playbooks.
        types: Our resource types by CloudFormation type.
    """
    problems: list[str] = []
    files: list[PlaybookFile] = []
    taken = dict.fromkeys(bundled, "a bundled playbook")
    for name, path in _documents(folder, problems):
        try:
            found = read_file(path, name, bundled, types)
        except PlaybookError as error:
            problems.append(_one_line(str(error)))
            continue
        shown, playbook_id = path.relative_to(folder), found.playbook.ref.id
        # Names and ids are one set, because a person gives either of them to prepare.
        if clash := next((each for each in (name, playbook_id) if each in taken), ""):
            problems.append(
                _one_line(f"{shown} is not read: {taken[clash]} has the name {clash} too. Rename one of them.")
            )
        else:
            files.append(found)
            taken.update(dict.fromkeys((name, playbook_id), str(shown)))
    return OwnPlaybooks(tuple(files), tuple(problems))


def read_file(path: Path, name: str, bundled: Sequence[str] = (), types: Types | None = None) -> PlaybookFile:
    """Read one document, with its metadata if there are any next to it.

    Args:
        path: The file of the document.
        name: Its name, without the ending.
        bundled: The ids of the bundled playbooks, which a way back may name.
        types: Our resource types by CloudFormation type.

    Raises:
        PlaybookError: The document or its metadata cannot be read, or are not valid.
    """
    runbook = _text(path)
    described = _metadata_file(path)
    if os.path.lexists(described):
        playbook = Playbook.from_files(runbook, path.name, _text(described), described.name, source=name)
    else:
        playbook = Playbook.without_metadata(runbook, name, path.name, types)
    report = lint(playbook.document, playbook.metadata, playbooks=[*bundled, playbook.ref.id])
    return PlaybookFile(name, playbook, report, path)


def document_name(path: Path) -> str:
    """Return the name of a document: that of its file, or of its folder if the file is ``runbook.yaml``."""
    return path.parent.name if path.stem == RUNBOOK else path.stem


def _metadata_file(path: Path) -> Path:
    return path.with_name(METADATA_FILE if path.stem == RUNBOOK else f"{path.stem}{METADATA_ENDING}")


def _documents(folder: Path, problems: list[str]) -> Iterator[tuple[str, Path]]:
    """Yield the name and the file of each document; what can be none becomes a problem."""
    for entry in _entries(folder, problems):
        if _is_folder(entry):
            inside = [each for each in _entries(entry, problems) if each.stem == RUNBOOK and _is_document(each)]
            if inside:
                yield entry.name, inside[0]
            else:
                problems.append(f"{entry.name} is not read: the folder has no {RUNBOOK}.yaml.")
        elif entry.name.endswith(METADATA_ENDING):
            stem = entry.name.removesuffix(METADATA_ENDING)
            if not any(os.path.lexists(entry.with_name(stem + suffix)) for suffix in DOCUMENT_SUFFIXES):
                problems.append(f"{entry.name} is not read: there is no {stem}.yaml next to it.")
        elif _is_document(entry):
            yield document_name(entry) if entry.stem != RUNBOOK else RUNBOOK, entry


def _is_document(entry: Path) -> bool:
    return entry.suffix.lower() in DOCUMENT_SUFFIXES


def _is_folder(entry: Path) -> bool:
    # Path.is_dir raises an error if the folder around the entry may be listed, but not entered.
    return os.path.isdir(entry)  # noqa: PTH112


def _entries(folder: Path, problems: list[str]) -> list[Path]:
    """Return what a folder contains, sorted, without hidden files; a missing folder contains nothing."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(f"{folder} cannot be read: {error.strerror or type(error).__name__}.")
        return []


def _stamps(folder: Path) -> Iterator[Stamp]:
    for entry in _entries(folder, []):
        for path in (entry, *(_entries(entry, []) if _is_folder(entry) else ())):
            try:
                found = path.stat()
            except OSError:
                yield str(path), 0, 0, 0
            else:
                yield str(path), found.st_mtime_ns, found.st_size, found.st_ino


def _text(path: Path) -> str:
    what = f"{path.name} cannot be read"
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # reading a named pipe would block
            raise PlaybookError(what, "it is not a regular file")
        if found.st_size > MAX_BYTES:
            raise PlaybookError(
                f"{path.name} is larger than {MAX_BYTES} bytes", "Systems Manager accepts no larger document"
            )
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise PlaybookError(what, f"line {line} is not UTF-8", "Save it as UTF-8.") from None
    except OSError as error:
        raise PlaybookError(what, error.strerror or type(error).__name__) from None


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_ERROR else f"{text[: LONGEST_ERROR - 1]}…"
