"""The playbooks at hand: ``<service>/<playbook id>/<version>/{runbook.yaml, metadata.yaml}``.

A version is immutable: its content hash covers both files, and a plan names the hash.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Self

from cloudops_nb.errors import PlaybookError, did_you_mean
from cloudops_nb.model import PlaybookRef
from cloudops_nb.ssm.derived_metadata import derive
from cloudops_nb.ssm.linter import lint
from cloudops_nb.ssm.loader import load_document
from cloudops_nb.ssm.metadata import PlaybookMetadata, load_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from importlib.resources.abc import Traversable

    from cloudops_nb.ssm.document import AutomationDocument

RUNBOOK_FILE = "runbook.yaml"
METADATA_FILE = "metadata.yaml"
_HASH_DOMAIN = b"cloudops/playbook/1\0"


@dataclass(frozen=True, slots=True)
class Playbook:
    """One immutable version of a playbook, with the texts of its two files."""

    ref: PlaybookRef
    metadata: PlaybookMetadata
    document: AutomationDocument
    runbook_text: str = field(repr=False)
    metadata_text: str = field(repr=False)
    source: str = ""
    bundled: bool = False

    @classmethod
    def from_texts(cls, runbook: str, metadata: str, source: str) -> Self:
        """Read a playbook from the texts of its two files.

        Args:
            runbook: The text of ``runbook.yaml``.
            metadata: The text of ``metadata.yaml``; empty for a document that has none.
            source: What messages call its folder; for a document without metadata, its name.

        Raises:
            PlaybookError: One of the two is not valid; the first problems are named.
        """
        if not metadata:
            return cls.without_metadata(runbook, source, source)
        return cls.from_files(runbook, f"{source}/{RUNBOOK_FILE}", metadata, f"{source}/{METADATA_FILE}", source=source)

    @classmethod
    def from_files(cls, runbook: str, runbook_name: str, metadata: str, metadata_name: str, *, source: str) -> Self:
        """Read a playbook from the texts of its two files, which messages call by these names.

        Raises:
            PlaybookError: One of the two is not valid; the first problems are named.
        """
        document = load_document(runbook, runbook_name)
        facts = load_metadata(metadata, metadata_name)
        ref = PlaybookRef(facts.id, facts.version, content_hash(runbook, metadata))
        return cls(ref, facts, document, runbook, metadata, source)

    @classmethod
    def without_metadata(
        cls, runbook: str, name: str, runbook_name: str, types: Mapping[str, Iterable[str]] | None = None
    ) -> Self:
        """Read a document that comes without metadata; they are derived from it.

        Args:
            runbook: The text of the document.
            name: The name of its file, without the ending; the id follows from it.
            runbook_name: What messages call the file.
            types: Our resource types by CloudFormation type.

        Raises:
            PlaybookError: The document is not valid; the first problems are named.
        """
        document = load_document(runbook, runbook_name)
        facts = derive(document, name, types)
        ref = PlaybookRef(facts.id, facts.version, content_hash(runbook, ""))
        return cls(ref, facts, document, runbook, "", name)

    @property
    def version_key(self) -> tuple[int, ...]:
        """The version as numbers, in the order of semantic versioning."""
        return tuple(map(int, self.ref.version.split(".")))


def content_hash(runbook: str, metadata: str) -> str:
    """Return the SHA-256 of a playbook's content: both files' UTF-8 bytes with LF line ends, each after its length."""
    digest = hashlib.sha256(_HASH_DOMAIN)
    for text in (runbook, metadata):
        data = text.replace("\r\n", "\n").encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


class Catalogue:
    """A fixed set of playbooks; safe to share between threads.

    Args:
        playbooks: The playbooks.
        refused: Why the linter refuses a playbook, by its reference. Such a playbook never runs, not even by an
            override.
    """

    def __init__(self, playbooks: Iterable[Playbook], refused: Mapping[PlaybookRef, str] | None = None) -> None:
        self._refused = dict(refused or {})
        ordered = sorted(playbooks, key=lambda playbook: (playbook.ref.id, playbook.version_key))
        self._playbooks = tuple(ordered)
        self._versions: Mapping[str, list[Playbook]] = {playbook.ref.id: [] for playbook in ordered}
        for playbook in ordered:
            versions = self._versions[playbook.ref.id]
            if versions and versions[-1].ref.version == playbook.ref.version:
                raise PlaybookError(f"playbook {playbook.ref.id} {playbook.ref.version} exists twice")
            versions.append(playbook)

    @classmethod
    def bundled(cls) -> Catalogue:
        """Return the playbooks that come with this package, read and linted at the first call."""
        return _bundled()

    @classmethod
    def from_folder(cls, folder: Traversable) -> Self:
        """Read, validate and lint every playbook under ``folder``.

        Raises:
            PlaybookError: One is not valid, does not lie where its id and version say, or is refused by the linter.
        """
        catalogue = cls(_read(folder))
        for playbook in catalogue.playbooks:
            report = lint(playbook.document, playbook.metadata, playbooks=catalogue.ids)
            report.require_acceptable(f"{playbook.ref.id} {playbook.ref.version}")
        return catalogue

    @property
    def playbooks(self) -> Sequence[Playbook]:
        """Every version of every playbook, by id and version."""
        return self._playbooks

    @property
    def ids(self) -> Sequence[str]:
        """The playbooks' ids, sorted."""
        return tuple(self._versions)

    @property
    def runnable(self) -> Sequence[Playbook]:
        """The newest runnable version of each playbook that has one."""
        newest = (self._newest_runnable(name) for name in self._versions)
        return tuple(playbook for playbook in newest if playbook is not None)

    def types_for(self, intent: str) -> frozenset[str]:
        """Return the resource types that runnable playbooks for an intent act on."""
        fitting = (playbook.metadata for playbook in self.runnable if intent in playbook.metadata.intents)
        return frozenset(kind for metadata in fitting for kind in metadata.resource_types)

    def value_types_for(self, intent: str) -> frozenset[str]:
        """Return the types of values that runnable playbooks for an intent take from a request."""
        fitting = (playbook.metadata for playbook in self.runnable if intent in playbook.metadata.intents)
        sources = (source for metadata in fitting for source in metadata.parameters.values())
        taken = [source.value_type or "text" for source in sources if source.source in {"prompt", "generated"}]
        return frozenset("text" if kind == "name" else kind for kind in taken)

    def get(self, playbook_id: str, version: str | None = None, *, override: bool = False) -> Playbook:
        """Return a playbook.

        Args:
            playbook_id: Its id.
            version: An exact version; the newest runnable one if not given.
            override: Return the version asked for even when its lifecycle state does not let it run.

        Raises:
            PlaybookError: There is none, with the nearest id; or it is not runnable.
        """
        if playbook_id not in self._versions:
            all_of_them = f"the playbooks are {', '.join(self._versions) or 'none'}"
            hint = did_you_mean(playbook_id, self._versions, otherwise=all_of_them)
            raise PlaybookError(f"unknown playbook {playbook_id}", hint)
        if version is None:
            newest = self._newest_runnable(playbook_id)
            if newest is None:
                raise PlaybookError(f"playbook {playbook_id} has no runnable version")
            return newest
        for playbook in self._versions[playbook_id]:
            if playbook.ref.version == version:
                return self._runnable(playbook, override=override)
        versions = ", ".join(playbook.ref.version for playbook in self._versions[playbook_id])
        raise PlaybookError(f"playbook {playbook_id} has no version {version}", f"it has {versions}")

    def by_ref(self, ref: PlaybookRef, *, override: bool = False) -> Playbook:
        """Return exactly the playbook that ``ref`` names.

        Raises:
            PlaybookError: There is none, its content is another, or it is not runnable.
        """
        playbook = self.get(ref.id, ref.version, override=override)
        if playbook.ref.sha256 != ref.sha256:
            why = f"this host has {playbook.ref.sha256[:12]}, asked for was {ref.sha256[:12]}"
            raise PlaybookError(f"playbook {ref.id} {ref.version} has another content here", why)
        return playbook

    def named(self, name: str, *, override: bool = False) -> Playbook:
        """Return the playbook that a document names in ``aws:executeAutomation``.

        Raises:
            PlaybookError: There is none, or it is not runnable.
        """
        return self.get(name, override=override)

    def _newest_runnable(self, playbook_id: str) -> Playbook | None:
        versions = reversed(self._versions[playbook_id])
        return next((playbook for playbook in versions if self._may_run(playbook)), None)

    def _may_run(self, playbook: Playbook) -> bool:
        return playbook.metadata.lifecycle.runnable and playbook.ref not in self._refused

    def _runnable(self, playbook: Playbook, *, override: bool) -> Playbook:
        what = f"playbook {playbook.ref.id} {playbook.ref.version} may not run"
        if playbook.ref in self._refused:
            raise PlaybookError(what, self._refused[playbook.ref])
        state = playbook.metadata.lifecycle
        if not (override or state.runnable):
            raise PlaybookError(what, f"it is {state}: {state.meaning}")
        return playbook


@cache
def _bundled() -> Catalogue:
    folder = resources.files("cloudops_nb") / "playbooks"
    playbooks = tuple(replace(playbook, bundled=True) for playbook in _read(folder))
    ids = {playbook.ref.id for playbook in playbooks}
    reports = {playbook.ref: lint(playbook.document, playbook.metadata, playbooks=ids) for playbook in playbooks}
    # One refused playbook must not take the others away.
    return Catalogue(playbooks, {ref: report.summary for ref, report in reports.items() if report.refused})


def _read(folder: Traversable) -> Iterator[Playbook]:
    for service, playbook_id, version in _version_folders(folder):
        place = folder / service / playbook_id / version
        source = f"{service}/{playbook_id}/{version}"
        try:
            runbook, metadata = ((place / name).read_text(encoding="utf-8") for name in (RUNBOOK_FILE, METADATA_FILE))
        except (OSError, UnicodeDecodeError) as error:
            raise PlaybookError(f"playbook {source} cannot be read", str(error)) from None
        playbook = Playbook.from_texts(runbook, metadata, source)
        if (playbook.ref.id, playbook.ref.version) != (playbook_id, version):
            why = f"its metadata say {playbook.ref.id} {playbook.ref.version}"
            raise PlaybookError(f"{source} is in the wrong folder", why)
        yield playbook


def _version_folders(folder: Traversable) -> Iterator[tuple[str, str, str]]:
    for service in _folders(folder):
        for playbook_id in _folders(service):
            for version in _folders(playbook_id):
                yield service.name, playbook_id.name, version.name


def _folders(folder: Traversable) -> list[Traversable]:
    entries = [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith((".", "_"))]
    return sorted(entries, key=lambda entry: entry.name)
