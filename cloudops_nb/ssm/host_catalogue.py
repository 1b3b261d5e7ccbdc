"""The playbooks that this host can run: the bundled ones and documents of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.ssm.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.model import PlaybookRef
    from cloudops_nb.ssm.catalogue import Playbook
    from cloudops_nb.ssm.own_documents import OwnFolder


class HostCatalogue(Catalogue):
    """The bundled playbooks and one's own, as the files are at each call; safe to share between threads.

    The playbook server gets the bundled catalogue alone, so that no document of one's own leaves the host.

    Args:
        bundled: The bundled playbooks.
        own: The folder of one's own documents.
    """

    def __init__(self, bundled: Catalogue, own: OwnFolder) -> None:
        super().__init__(bundled.playbooks)
        self._own = own
        self._bundled = bundled
        self._added: dict[PlaybookRef, Playbook] = {}

    def add(self, playbook: Playbook) -> None:
        """Let a plan be made of a document outside of the folder; the plan's record keeps its texts."""
        self._added[playbook.ref] = playbook

    @property
    def playbooks(self) -> Sequence[Playbook]:
        """Every version of every playbook: the bundled ones, then one's own."""
        return (*self._bundled.playbooks, *self._own_playbooks().playbooks)

    @property
    def ids(self) -> Sequence[str]:
        """The playbooks' ids, sorted."""
        return tuple(sorted({*self._bundled.ids, *self._own_playbooks().ids}))

    @property
    def runnable(self) -> Sequence[Playbook]:
        """The newest runnable version of each playbook that has one."""
        return (*self._bundled.runnable, *self._own_playbooks().runnable)

    def get(self, playbook_id: str, version: str | None = None, *, override: bool = False) -> Playbook:
        """Return a playbook; see :meth:`Catalogue.get`."""
        own = self._own_playbooks()
        return (own if playbook_id in own.ids else self._bundled).get(playbook_id, version, override=override)

    def by_ref(self, ref: PlaybookRef, *, override: bool = False) -> Playbook:
        """Return exactly the playbook that ``ref`` names; see :meth:`Catalogue.by_ref`."""
        return self._added[ref] if ref in self._added else super().by_ref(ref, override=override)

    def named(self, name: str, *, override: bool = False) -> Playbook:
        """Return the playbook that a document names in ``aws:executeAutomation``: by its file name or its id.

        Raises:
            PlaybookError: This host has none, or it cannot run.
        """
        for each in self._own.current().files:
            if name in (each.name, each.playbook.ref.id):
                each.require_runnable()
                return each.playbook
        return self.get(name, override=override)

    def _own_playbooks(self) -> Catalogue:
        files = self._own.current().files
        refused = {each.playbook.ref: each.refusal for each in files if each.refusal}
        return Catalogue((each.playbook for each in files), refused)
