"""Makes plans of Automation documents that a person names, instead of asking for in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from cloudops_nb.client.intact_estate import ReadFailures, require_intact
from cloudops_nb.errors import ConfigurationError, did_you_mean
from cloudops_nb.request.document_targets import Place, bind_as_a_whole, bind_to_target
from cloudops_nb.ssm.derived_metadata import document_effect
from cloudops_nb.ssm.given_values import converted, example_call, missing, require_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.client.host_playbooks import HostPlaybooks
    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.model import Account, BoundPlaybook
    from cloudops_nb.ssm.own_documents import PlaybookFile
    from cloudops_nb.storage.facade import StorageService

_SHOWN_FINDINGS = 5
_UNREADABLE = "a stored resource that a parameter may name"


class Prepare(Protocol):
    """Makes a plan from a bound playbook, as :meth:`cloudops_nb.client.wiring.Parts.prepare` does."""

    def __call__(self, bound: BoundPlaybook, *, account: Account | None, override: bool) -> Plan:
        """Return the plan; ``account`` is given for a playbook that perhaps has no target."""


class DocumentPlanner:
    """Prepares plans of documents; threads may share it.

    Args:
        storage: The store on this host.
        playbooks: The playbooks of this host.
        sessions: Returns the AWS sessions of the configured accounts.
        prepare: Makes a plan from a bound playbook.
        regions: The regions in the settings.
    """

    def __init__(
        self,
        storage: StorageService,
        playbooks: HostPlaybooks,
        *,
        sessions: Callable[[], AccountSessions],
        prepare: Prepare,
        regions: Sequence[str],
    ) -> None:
        self._storage = storage
        self._playbooks = playbooks
        self._catalogue = playbooks.catalogue
        self._sessions = sessions
        self._prepare = prepare
        self._regions = regions

    def prepare(
        self, document: str | Path, given: Mapping[str, Any], account: str, region: str, *, override: bool
    ) -> Plan:
        """Return the plan of a document; see :meth:`cloudops_nb.client.cloudops.CloudOps.prepare`."""
        file = self._playbooks.find(document)
        file.require_runnable(document)
        values = converted(file.playbook, given)
        missed = missing(file.playbook, values)
        require_all(file.name, missed, example_call(str(document), missed))
        changes = document_effect(file.playbook.document) != "read"
        if changes:
            # Before the estate is read, because the row that a parameter names may be the altered one.
            require_intact(self._storage, 0, _UNREADABLE, again=False)
        # A damaged index could hide one of two resources with the same name.
        self._storage.estate.integrity.mend_indexes()
        failures = ReadFailures(self._storage)
        bind = self._bound_to_target if file.playbook.metadata.target_parameter else self._bound_as_a_whole
        try:
            bound, where = bind(file, values, account, region)
        finally:
            # Also if the resource was not found, because its row may be the one that cannot be decrypted.
            if changes and failures.count:
                require_intact(self._storage, failures.count, _UNREADABLE, again=False)
        if file.own:
            # The plan is of the text that was read now, wherever its file is and whatever becomes of it.
            self._catalogue.add(file.playbook)
        return self._prepare(bound, account=where, override=override)

    def _bound_to_target(
        self, file: PlaybookFile, values: Mapping[str, Any], account: str, region: str
    ) -> tuple[BoundPlaybook, Account | None]:
        """Return the playbook with its targets, which decide on the account and the region."""
        where = self._account(account) if account else None
        place = Place(where.account_id if where else "", region)
        return bind_to_target(file.playbook, values, self._storage.estate, place, notes=_notes(file)), where

    def _bound_as_a_whole(
        self, file: PlaybookFile, values: Mapping[str, Any], account: str, region: str
    ) -> tuple[BoundPlaybook, Account | None]:
        """Return the playbook with its account; both the account and the region are given, or the only ones."""
        where = self._account(account)
        place = Place(where.account_id, self._region(region, where))
        types = self._playbooks.types
        bound = bind_as_a_whole(file.playbook, values, self._storage.estate, place, types, notes=_notes(file))
        return bound, where

    def _account(self, name: str) -> Account:
        sessions = self._sessions()
        if not name and (len(sessions.configured) > 1 or sessions.has_organization):
            known = ", ".join(account.name for account in sessions.configured)
            why = f"several are configured: {known}"
            raise ConfigurationError("the document needs an account", why, "Give account=, or --account.")
        accounts = sessions.accounts({name} if name else None)
        if len(accounts) == 1:
            return accounts[0]
        names = [part for each in sessions.configured for part in (each.name, each.account_id) if part]
        hint = did_you_mean(name, names, otherwise=f"the accounts are {', '.join(names)}")
        raise ConfigurationError(f"unknown account {name}", hint)

    def _region(self, name: str, account: Account) -> str:
        regions = self._regions
        if not name and len(regions) == 1:
            return regions[0]
        if not name:
            known = f"several are configured: {', '.join(regions)}" if regions else "none is configured"
            raise ConfigurationError("the document needs a region", known, "Give region=, or --region.")
        enabled = self._sessions().regions(account.account_id)
        if name not in enabled:
            hint = did_you_mean(name, enabled, otherwise=f"account {account.account_id} has not enabled it")
            raise ConfigurationError(f"unknown region {name}", hint)
        return name


def _notes(file: PlaybookFile) -> tuple[str, ...]:
    """Return what the card says of a document of one's own: that it is not reviewed, and the findings."""
    if not file.own:
        return ()
    # The engine says of every change that its document is not reviewed.
    unreviewed_read = not file.playbook.metadata.reviewed and document_effect(file.playbook.document) == "read"
    notes = ["the document is not reviewed"] if unreviewed_read else []
    findings = [f"{each.rule}: {each.message}" for each in file.lint.findings]
    if findings:
        shown = "; ".join(findings[:_SHOWN_FINDINGS])
        more = f"; and {len(findings) - _SHOWN_FINDINGS} more" if len(findings) > _SHOWN_FINDINGS else ""
        notes.append(f"Lint: {file.lint.score} of 100 ({shown}{more})")
    else:
        notes.append(f"Lint: {file.lint.score} of 100")
    return tuple(notes)
