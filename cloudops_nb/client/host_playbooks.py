"""The playbooks of this host: the bundled ones, one's own in the data path, and files elsewhere; needs no store."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import ConfigurationError, PlaybookError, did_you_mean
from cloudops_nb.ssm.api_names import canonical_api, canonical_service, nearest_api, nearest_service
from cloudops_nb.ssm.catalogue import METADATA_FILE, RUNBOOK_FILE, Catalogue, Playbook
from cloudops_nb.ssm.derived_metadata import document_effect, own_id, words
from cloudops_nb.ssm.host_catalogue import HostCatalogue
from cloudops_nb.ssm.linter import lint
from cloudops_nb.ssm.own_documents import (
    DOCUMENT_SUFFIXES,
    OWN_PLAYBOOKS_FOLDER,
    RUNBOOK,
    OwnFolder,
    PlaybookFile,
    document_name,
    read_file,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.specs.model import ResourceSpec

_SERVICE_NAMES = "Give a name as boto3 has it, such as rds."
_API_NAMES = "Give a name as AWS's API reference has it, such as StopDBInstance."
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
#: The columns of the DataFrame ``CloudOps.playbooks``.
PLAYBOOK_COLUMNS = (
    "id", "name", "version", "source", "effect", "level", "reviewed", "lint", "verdict", "refusal", "file",
)  # fmt: skip


class HostPlaybooks:
    """Finds playbooks by name, id or path; safe to share between threads.

    Args:
        data_path: The data path, whose folder ``playbooks`` contains documents of one's own.

    Attributes:
        bundled: The bundled playbooks alone, which the playbook server may know.
        own: The folder of one's own documents.
        catalogue: Both, for the engine.
    """

    def __init__(self, data_path: Path) -> None:
        self._data_path = data_path
        self.bundled = Catalogue.bundled()
        self.own = OwnFolder(data_path / OWN_PLAYBOOKS_FOLDER, self.bundled.ids, lambda: self.types)
        self.catalogue = HostCatalogue(self.bundled, self.own)

    @cached_property
    def types(self) -> Mapping[str, Sequence[str]]:
        """Our resource types by CloudFormation type."""
        found: dict[str, list[str]] = {}
        for spec in self.specs:
            found.setdefault(spec.cloudformation_type, []).append(spec.resource_type)
        return found

    @property
    def specs(self) -> Sequence[ResourceSpec]:
        """The declared resource types; the bundled ones alone if one's own cannot be read, which a scan reports."""
        from cloudops_nb.specs.files import bundled_specs, specs_of

        try:
            return specs_of(self._data_path)
        except ConfigurationError:
            return bundled_specs()

    @property
    def problems(self) -> Sequence[str]:
        """One line for each file of the folder that is not read."""
        return self.own.current().problems

    def all(self) -> list[PlaybookFile]:
        """Return the newest version of each bundled playbook, then one's own."""
        return [*map(self._bundled_file, self.bundled.runnable), *self.own.current().files]

    def find(self, document: str | Path) -> PlaybookFile:
        """Return a playbook by the path of its file, its name in the folder ``playbooks``, or its id.

        Raises:
            PlaybookError: There is none, or the file is not valid.
        """
        if isinstance(document, Path) or _is_path(document):
            return self._at(Path(document).expanduser())
        own = self.own.current()
        for each in own.files:
            if document in (each.name, each.playbook.ref.id):
                return each
        if document in self.bundled.ids:
            return self._bundled_file(self.bundled.get(document))
        # A file that is not read is a better hint than another name.
        problem = next((line for line in own.problems if line.startswith((f"{document}.", f"{document}/"))), "")
        names = {*self.bundled.ids, *(each.name for each in own.files)}
        hint = problem or did_you_mean(document, names, otherwise=f"the playbooks are {', '.join(sorted(names))}")
        raise PlaybookError(f"there is no playbook {document}", hint)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per playbook, with the fields :data:`PLAYBOOK_COLUMNS`."""
        return [
            {
                "id": each.playbook.ref.id,
                "name": each.name,
                "version": each.playbook.ref.version,
                "source": "own" if each.own else "bundled",
                "effect": document_effect(each.playbook.document),
                "level": each.playbook.metadata.level,
                "reviewed": each.playbook.metadata.reviewed,
                "lint": each.lint.score,
                "verdict": each.verdict,
                "refusal": each.refusal,
                "file": str(each.path or ""),
            }
            for each in self.all()
        ]

    def new(self, service: str, api: str, name: str = "") -> PlaybookFile:
        """Write a document and metadata for an API; see :meth:`cloudops_nb.client.cloudops.CloudOps.new_playbook`."""
        import botocore.session

        from cloudops_nb.specs.api_observations import observe
        from cloudops_nb.ssm.new_document import new_document

        known_service = canonical_service(service)
        if not known_service:
            near = nearest_service(service)
            raise PlaybookError(f"there is no service {service}", near, "" if near else _SERVICE_NAMES)
        known_api = canonical_api(known_service, api)
        if not known_api:
            near = nearest_api(known_service, api)
            raise PlaybookError(f"{known_service} has no API {api}", near, "" if near else _API_NAMES)
        name = name or "-".join([known_service, *words(known_api)])
        self._require_free(name)
        model = botocore.session.get_session().get_service_model(known_service)
        made = new_document(model.operation_model(known_api), own_id(name), observe(model, known_api, self.specs))
        folder = self.own.folder / name
        try:
            folder.mkdir(parents=True, mode=0o700)
            (folder / RUNBOOK_FILE).write_text(made.runbook, encoding="utf-8")
            (folder / METADATA_FILE).write_text(made.metadata, encoding="utf-8")
        except OSError as error:
            raise PlaybookError(f"{folder} cannot be written", error.strerror or type(error).__name__) from None
        return self.find(name)

    def _require_free(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise PlaybookError(f"{name} is no name of a playbook", "", "Use letters, digits, hyphens and underscores.")
        taken = {part for each in self.own.current().files for part in (each.name, each.playbook.ref.id)}
        if {name, own_id(name)} & {*taken, *self.bundled.ids} or os.path.lexists(self.own.folder / name):
            raise PlaybookError(f"there is a playbook {name} already", "", "Give another one with --name (name=).")

    def _bundled_file(self, playbook: Playbook) -> PlaybookFile:
        report = lint(playbook.document, playbook.metadata, playbooks=self.bundled.ids)
        return PlaybookFile(playbook.ref.id, playbook, report)

    def _at(self, path: Path) -> PlaybookFile:
        """Return the playbook in a file or in a folder with ``runbook.yaml``."""
        path = path.absolute()
        if path.is_dir():
            inside = [path / f"{RUNBOOK}{suffix}" for suffix in DOCUMENT_SUFFIXES]
            path = next((each for each in inside if each.is_file()), inside[0])
        known = next((each for each in self.own.current().files if each.path == path), None)
        if known:
            return known
        found = read_file(path, document_name(path), self.bundled.ids, self.types)
        if found.playbook.ref.id in self.bundled.ids:
            why = f"its id {found.playbook.ref.id} is that of a bundled playbook"
            raise PlaybookError(f"{path.name} cannot run", why, "Give it another id in its metadata.")
        return found


def _is_path(document: str) -> bool:
    return os.sep in document or document.startswith("~") or document.lower().endswith(DOCUMENT_SUFFIXES)
