"""The documents of a plan: the host's catalogue, and the texts that the plan's own record keeps.

A person's own document may be edited or removed after its plan was made. The record of the plan therefore holds the
texts of every document that is not bundled, and the run uses these: a person approved them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.catalogue import Playbook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.model import PlaybookRef
    from cloudops_nb.ssm.catalogue import Catalogue


class PlanDocuments:
    """Finds the documents of one plan, by reference or by the name that another document uses.

    Args:
        catalogue: The host's playbooks.
        kept: The records of :func:`kept_documents`; empty while a plan is made.
        override: Whether a playbook may run although its lifecycle forbids it.
    """

    def __init__(self, catalogue: Catalogue, kept: Sequence[Mapping[str, Any]] = (), *, override: bool = False) -> None:
        self._catalogue = catalogue
        self._override = override
        self._kept = {each["name"]: _playbook(each) for each in kept}
        self.used: dict[str, Playbook] = {}

    def playbook(self, ref: PlaybookRef) -> Playbook:
        """Return exactly the playbook of a reference.

        Raises:
            PlaybookError: There is none with that content, or it may not run.
        """
        for playbook in self._kept.values():
            if playbook.ref == ref:
                return playbook
        found = self._catalogue.by_ref(ref, override=self._override)
        self.used[ref.id] = found
        return found

    def named(self, name: str) -> Playbook:
        """Return the playbook that a document names.

        Raises:
            PlaybookError: There is none, or it may not run.
        """
        if name in self._kept:
            return self._kept[name]
        found = self._catalogue.named(name, override=self._override)
        self.used[name] = found
        return found


def kept_documents(documents: PlanDocuments) -> list[dict[str, str]]:
    """Return the texts of the documents that a plan used and that are not bundled, for the plan's record."""
    return [
        {"name": name, "runbook": playbook.runbook_text, "metadata": playbook.metadata_text, "source": playbook.source}
        for name, playbook in documents.used.items()
        if not playbook.bundled
    ]


def _playbook(record: Mapping[str, Any]) -> Playbook:
    try:
        return Playbook.from_texts(record["runbook"], record["metadata"], record["source"])
    except KeyError as error:
        raise PlaybookError("the documents of the plan are not readable", f"{error} is missing") from None
