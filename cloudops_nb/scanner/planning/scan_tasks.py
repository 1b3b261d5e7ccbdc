"""Turns the selected accounts, regions and types into tasks.

A task is one list call with all its pages, and the cells that it fills. A cell is one resource type in one account and
region. A spec is the declaration of a resource type.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from cloudops_nb.aws.regions import GLOBAL, default_regions, known_regions
from cloudops_nb.errors import ConfigurationError, did_you_mean
from cloudops_nb.model import CellKey
from cloudops_nb.scanner.planning.warm_up import background_warm_up
from cloudops_nb.scanner.policies.policy_calls import policy_operations
from cloudops_nb.scanner.reading.tag_listing import TAGGING_OPERATION, TAGGING_SERVICE
from cloudops_nb.scanner.task import PlannedCall, ScanTask, Selection
from cloudops_nb.specs.cloud_control import is_cloudformation_type, spec_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.model import Account, RefusedAccount
    from cloudops_nb.specs.model import ResourceSpec

_ACCOUNT_ID = re.compile(r"\d{12}")


def checked_selection(
    specs: Sequence[ResourceSpec],
    configured: Sequence[Account],
    *,
    accounts: Iterable[str] | None,
    regions: Iterable[str] | None,
    services: Iterable[str] | None,
    every_detail: bool = False,
) -> Selection:
    """Check the names of a selection against specs, regions and accounts, and return the selection; makes no call.

    Account ids are not checked. If an organization is configured, account names are not checked either.

    Raises:
        ConfigurationError: A service, type, region or account is unknown; the error suggests the nearest name.
    """
    selected = None if services is None else tuple(services)
    if selected:
        by_cloudformation_type = {name: spec_for(name, specs) for name in selected if is_cloudformation_type(name)}
        selected = tuple(
            by_cloudformation_type[name].resource_type if name in by_cloudformation_type else name for name in selected
        )
        declared = {spec.resource_type for spec in specs}
        specs = [*specs, *(spec for spec in by_cloudformation_type.values() if spec.resource_type not in declared)]
    names = {spec.service for spec in specs} | {spec.resource_type for spec in specs}
    _refuse_unknown("service or resource type", selected, names)
    selected_regions = None if regions is None else tuple(dict.fromkeys(regions))
    _refuse_unknown("region", selected_regions, known_regions())
    selected_accounts = None if accounts is None else tuple(accounts)
    # An account may be configured without its id, and only AWS knows the accounts of an organization.
    if not any(account.organization_role for account in configured):
        account_names = [name for name in selected_accounts or () if not _ACCOUNT_ID.fullmatch(name)]
        _refuse_unknown("account", account_names, {account.name for account in configured if account.name})
    selected_specs = tuple(
        spec for spec in specs if selected is None or spec.service in selected or spec.resource_type in selected
    )
    return Selection(selected_specs, selected_regions, selected_accounts, every_detail)


def scan_tasks(selection: Selection, sessions: AccountSessions) -> tuple[ScanTask, ...]:
    """Return the tasks of a scan, grouped by account and region so that each region's clients can be released early.

    Raises:
        CloudOpsError: A selected account is not configured, or :meth:`AccountSessions.accounts` raised an error.
    """
    with background_warm_up(selection, sessions) as warmed_up:
        accounts = sessions.accounts(selection.accounts, with_regions=selection.regions is None)
        _refuse_unknown_accounts(selection, accounts, sessions.refused())
        if selection.regions is None:
            regions = sessions.regions_of([account.account_id for account in accounts])
        else:
            regions = {account.account_id: selection.regions for account in accounts}
    by_account = (_account_tasks(selection, account, sessions, regions[account.account_id]) for account in accounts)
    tasks = tuple(chain.from_iterable(by_account))
    needed = {(task.account.account_id, task.region) for task in tasks}
    # The warm-up had to guess the regions, so release its clients in regions that the scan does not read.
    for session, region in warmed_up:
        if (session.entered_account_id, region) not in needed:
            session.release(region)
    return tasks


def short_tasks_last(tasks: Sequence[ScanTask], threads: int) -> Sequence[ScanTask]:
    """Return the tasks with the last ones reordered: short ones at the end, so that the threads end nearly together."""
    # Only the last tasks are reordered, so that a region's tasks stay together and its clients can be released.
    last = 2 * threads
    return [*tasks[:-last], *sorted(tasks[-last:], key=_only_lists)]


def _only_lists(task: ScanTask) -> bool:
    spec = task.spec
    return not (spec.parent or spec.details or spec.batches or (spec.tags and spec.tags.filter))


def planned_calls(selection: Selection, sessions: AccountSessions) -> tuple[PlannedCall, ...]:
    """Return the kinds of call that a full scan of the configured accounts would make; makes no call.

    If no regions are selected, every account gets the regions that the partition ``aws`` enables by default, because
    only AWS knows the account's own regions.
    """
    calls: list[PlannedCall] = []
    for account in sessions.configured:
        name = account.name or account.account_id or "ambient"
        if selection.accounts is not None and {name, account.account_id}.isdisjoint(selection.accounts):
            continue
        if account.role_arn:
            calls.append(PlannedCall(name, GLOBAL, "sts", "AssumeRole", "once per hour", {"RoleArn": account.role_arn}))
        calls.append(PlannedCall(name, GLOBAL, "sts", "GetCallerIdentity", "once"))
        calls += [PlannedCall(name, GLOBAL, each.service, each.operation, each.times) for each in policy_operations()]
        if selection.regions is None:
            calls.append(PlannedCall(name, GLOBAL, "ec2", "DescribeRegions", "once"))
        regions = default_regions("aws") if selection.regions is None else selection.regions
        for spec in selection.specs:
            for region in _listing_regions(spec, regions):
                calls.extend(
                    PlannedCall(name, spec.home or region, *call)
                    for call in calls_of_type(spec, every_detail=selection.every_detail)
                )
    return tuple(calls)


class TypeCall(NamedTuple):
    """One kind of call that a scan makes to read a type; ``times`` says in words how often."""

    service: str
    operation: str
    times: str
    parameters: dict[str, Any]


def calls_of_type(spec: ResourceSpec, *, every_detail: bool = False) -> Iterator[TypeCall]:
    """Yield every kind of call that a scan makes to read a type.

    Args:
        spec: The declaration of the type.
        every_detail: Whether to include the calls for expensive details, which a scan makes only on request.
    """

    def call(operation: str, times: str, parameters: Mapping[str, Any]) -> TypeCall:
        return TypeCall(spec.called, operation, times, dict(parameters))

    given = dict(spec.list.parameters)
    if spec.parent:
        yield call(spec.parent.list.operation, "once per page", spec.parent.list.parameters)
        yield call(spec.list.operation, f"once per {spec.parent.into} and page", {**given, **spec.parent.parameters})
    else:
        yield call(spec.list.operation, "once per page", given)
    if spec.tags and spec.tags.filter:
        asked = {"ResourceTypeFilters": [spec.tags.filter]}
        yield TypeCall(TAGGING_SERVICE, TAGGING_OPERATION, "once per page", asked)
    for batch in spec.batches:
        times = f"once per {batch.size} {spec.resource_type}"
        yield call(batch.operation, times, {**batch.parameters, batch.keys: batch.key})
    for detail in spec.details:
        if every_detail or not detail.on_demand:
            times = f"once per {spec.resource_type}" + (f" if {detail.when}" if detail.when else "")
            yield call(detail.operation, times, detail.parameters)


def _account_tasks(
    selection: Selection, account: Account, sessions: AccountSessions, regions: Sequence[str]
) -> Iterator[ScanTask]:
    why_assumed = sessions.regions_assumed(account.account_id) if selection.regions is None else ""
    note = f"regions assumed ({why_assumed})" if why_assumed else ""
    real_regions = [region for region in regions if region != GLOBAL]
    by_region: dict[str, list[ScanTask]] = {}
    for spec in selection.specs:
        for region in _listing_regions(spec, regions):
            cell_regions = real_regions if spec.scope == "account" else [region]
            keys = tuple(CellKey(account.account_id, each, spec.resource_type) for each in cell_regions)
            every_region = selection.regions is None
            task = ScanTask(spec, account, region, keys, every_region, selection.every_detail, note)
            by_region.setdefault(region, []).append(task)
    for region in (GLOBAL, *real_regions):
        yield from by_region.get(region, ())


def _listing_regions(spec: ResourceSpec, regions: Sequence[str]) -> Sequence[str]:
    """Return the regions in which a type is listed.

    Global types are listed for every selection of regions. Types with one listing for all regions of an account are not
    listed if only ``global`` is selected.
    """
    real_regions = [region for region in regions if region != GLOBAL]
    if spec.scope == "regional":
        return real_regions
    return [GLOBAL] if real_regions or spec.scope == "global" else []


def _refuse_unknown_accounts(
    selection: Selection, accounts: Sequence[Account], refused: Sequence[RefusedAccount]
) -> None:
    names = {account.account_id for account in accounts} | {account.name for account in accounts}
    names |= {account.name for account in refused}
    unknown_ids = [name for name in selection.accounts or () if _ACCOUNT_ID.fullmatch(name) and name not in names]
    if unknown_ids and refused:
        # The id may be that of an account which could not be entered.
        raise ConfigurationError(f"unknown account {unknown_ids[0]}", refused[0].reason)
    _refuse_unknown("account", selection.accounts, names)


def _refuse_unknown(kind: str, selected: Iterable[str] | None, known: Iterable[str]) -> None:
    known_names = sorted(known)
    for name in selected or ():
        if name not in known_names:
            all_of_them = f"the known names are {', '.join(known_names)}" if known_names else "no name is known"
            raise ConfigurationError(f"unknown {kind} {name}", did_you_mean(name, known_names, otherwise=all_of_them))
