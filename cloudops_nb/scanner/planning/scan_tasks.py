"""Turns a choice of accounts, regions and types into list calls and the cells that they fill."""

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
    from cloudops_nb.model import Account
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
    """Return the selection of a scan, checked without a call against specs, regions and configured accounts.

    Raises:
        ConfigurationError: A service, type, region or account is unknown; the nearest name is suggested.
    """
    wanted = None if services is None else tuple(services)
    if wanted:
        beyond = {name: spec_for(name, specs) for name in wanted if is_cloudformation_type(name)}
        wanted = tuple(beyond[name].resource_type if name in beyond else name for name in wanted)
        known = {spec.resource_type for spec in specs}
        specs = [*specs, *(spec for spec in beyond.values() if spec.resource_type not in known)]
    names = {spec.service for spec in specs} | {spec.resource_type for spec in specs}
    _refuse_unknown("service or resource type", wanted, names)
    wanted_regions = None if regions is None else tuple(dict.fromkeys(regions))
    _refuse_unknown("region", wanted_regions, known_regions())
    wanted_accounts = None if accounts is None else tuple(accounts)
    # An id may belong to an account whose id only AWS knows, and a name to an account of an organisation.
    if not any(account.organization_role for account in configured):
        named = [name for name in wanted_accounts or () if not _ACCOUNT_ID.fullmatch(name)]
        _refuse_unknown("account", named, {account.name for account in configured if account.name})
    chosen = [spec for spec in specs if wanted is None or spec.service in wanted or spec.resource_type in wanted]
    return Selection(tuple(chosen), wanted_regions, wanted_accounts, every_detail)


def scan_tasks(chosen: Selection, sessions: AccountSessions) -> tuple[ScanTask, ...]:
    """Return the list calls of a scan, grouped by account and region so that clients can be released early.

    Raises:
        CloudOpsError: As :meth:`AccountSessions.accounts`; or a chosen account is not configured.
    """
    with background_warm_up(chosen, sessions) as prepared:
        found = sessions.accounts(chosen.accounts, with_regions=chosen.regions is None)
        ids = {account.account_id for account in found} | {account.name for account in found}
        _refuse_unknown("account", chosen.accounts, ids)
        if chosen.regions is None:
            regions = sessions.regions_of([account.account_id for account in found])
        else:
            regions = {account.account_id: chosen.regions for account in found}
    each = (_account_tasks(chosen, account, sessions, regions[account.account_id]) for account in found)
    todo = tuple(chain.from_iterable(each))
    needed = {(task.account.account_id, task.region) for task in todo}
    # The warm-up prepared likely regions; release the clients of those that the account does not have.
    for session, region in prepared:
        if (session.entered_account_id, region) not in needed:
            session.release(region)
    return todo


def short_tasks_last(todo: Sequence[ScanTask], threads: int) -> Sequence[ScanTask]:
    """Return the tasks with short ones at the end, so that all threads end at about the same time."""
    # Only the last tasks are reordered, so that a region's tasks stay together and its clients can be released.
    last = 2 * threads
    return [*todo[:-last], *sorted(todo[-last:], key=_takes_one_call)]


def _takes_one_call(task: ScanTask) -> bool:
    spec = task.spec
    return not (spec.parent or spec.details or spec.batches or (spec.tags and spec.tags.filter))


def planned_calls(chosen: Selection, sessions: AccountSessions) -> tuple[PlannedCall, ...]:
    """Return the calls of a scan without making one; default regions replace those that only AWS knows."""
    calls: list[PlannedCall] = []
    for account in sessions.configured:
        name = account.name or account.account_id or "ambient"
        if chosen.accounts is not None and {name, account.account_id}.isdisjoint(chosen.accounts):
            continue
        if account.role_arn:
            calls.append(PlannedCall(name, GLOBAL, "sts", "AssumeRole", "once per hour", {"RoleArn": account.role_arn}))
        calls.append(PlannedCall(name, GLOBAL, "sts", "GetCallerIdentity", "once"))
        calls += [PlannedCall(name, GLOBAL, each.service, each.operation, each.times) for each in policy_operations()]
        if chosen.regions is None:
            calls.append(PlannedCall(name, GLOBAL, "ec2", "DescribeRegions", "once"))
        regions = default_regions("aws") if chosen.regions is None else chosen.regions
        for spec in chosen.specs:
            for region in _listing_regions(spec, regions):
                calls.extend(
                    PlannedCall(name, spec.home or region, *call)
                    for call in calls_of_type(spec, every_detail=chosen.every_detail)
                )
    return tuple(calls)


class TypeCall(NamedTuple):
    """One kind of call that scanning a type makes; ``times`` says in words how often."""

    service: str
    operation: str
    times: str
    parameters: dict[str, Any]


def calls_of_type(spec: ResourceSpec, *, every_detail: bool = False) -> Iterator[TypeCall]:
    """Yield every kind of call that scanning a type makes.

    Args:
        spec: The type.
        every_detail: Whether to include the expensive details, which a scan reads only on request.
    """

    def call(operation: str, times: str, parameters: Mapping[str, Any]) -> TypeCall:
        return TypeCall(spec.called, operation, times, dict(parameters))

    given = dict(spec.list.parameters)
    if spec.parent:
        yield call(spec.parent.list.operation, "once per page", spec.parent.list.parameters)
        yield call(spec.list.operation, f"once per page and {spec.parent.into}", {**given, **spec.parent.parameters})
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
            times = f"once per {spec.resource_type}" + (f", when {detail.when}" if detail.when else "")
            yield call(detail.operation, times, detail.parameters)


def _account_tasks(
    chosen: Selection, account: Account, sessions: AccountSessions, regions: Sequence[str]
) -> Iterator[ScanTask]:
    assumed = sessions.regions_assumed(account.account_id) if chosen.regions is None else ""
    note = f"regions assumed ({assumed})" if assumed else ""
    real = [region for region in regions if region != GLOBAL]
    by_region: dict[str, list[ScanTask]] = {}
    for spec in chosen.specs:
        for region in _listing_regions(spec, regions):
            places = real if spec.scope == "account" else [region]
            keys = tuple(CellKey(account.account_id, place, spec.resource_type) for place in places)
            everywhere = chosen.regions is None
            task = ScanTask(spec, account, region, keys, everywhere, chosen.every_detail, note)
            by_region.setdefault(region, []).append(task)
    for region in (GLOBAL, *real):
        yield from by_region.get(region, ())


def _listing_regions(spec: ResourceSpec, regions: Sequence[str]) -> Sequence[str]:
    """Return the regions of a type's list calls; every selection of regions includes global types."""
    real = [region for region in regions if region != GLOBAL]
    if spec.scope == "regional":
        return real
    return [GLOBAL] if real or spec.scope == "global" else []


def _refuse_unknown(kind: str, asked: Iterable[str] | None, known: Iterable[str]) -> None:
    names = sorted(known)
    for name in asked or ():
        if name not in names:
            hint = did_you_mean(name, names, otherwise=f"known are {', '.join(names) or 'none'}")
            raise ConfigurationError(f"unknown {kind} {name}", hint)
