"""What a scan will read: the choice of accounts, regions and types, cut into list calls and the cells they fill."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.regions import GLOBAL, default_regions, known_regions
from cloudops_nb.errors import ConfigurationError, did_you_mean
from cloudops_nb.model import CellKey
from cloudops_nb.scanner.planning.warm_up import prepared_meanwhile
from cloudops_nb.scanner.policies.operations import policy_operations
from cloudops_nb.scanner.reading.details import TAGGING_OPERATION, TAGGING_SERVICE
from cloudops_nb.specs.cloud_control import is_cloudformation_type, spec_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.model import Account
    from cloudops_nb.specs.model import ResourceSpec

_ACCOUNT_ID = re.compile(r"\d{12}")


@dataclass(frozen=True, slots=True)
class Task:
    """One list call with all its pages, and the cells that it fills.

    A type of scope ``account`` fills a cell a region with one call; if ``every_region`` is set, resources found in
    regions that have no cell yet get one, else they were not asked for and are left out. ``note`` goes into every
    result. ``every_detail`` asks for the expensive details too.
    """

    spec: ResourceSpec
    account: Account
    region: str
    keys: tuple[CellKey, ...]
    every_region: bool = False
    every_detail: bool = False
    note: str = ""

    @property
    def call_region(self) -> str:
        """Where the calls are made: a type of no region may be answered elsewhere than the partition's other ones."""
        return self.spec.home or self.region


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One kind of call that a scan would make, in one account and region; ``times`` says how often."""

    account: str
    region: str
    service: str
    operation: str
    times: str
    parameters: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        given = "".join(f" {name}={value}" for name, value in self.parameters.items())
        return f"{self.account} {self.region} {self.service}:{self.operation}{given} ({self.times})"


@dataclass(frozen=True, slots=True)
class Selection:
    """What a scan was asked to cover; ``None`` means everything. Checked against what exists, without a call."""

    specs: tuple[ResourceSpec, ...]
    regions: tuple[str, ...] | None
    accounts: tuple[str, ...] | None
    every_detail: bool = False


def selection(
    specs: Sequence[ResourceSpec],
    configured: Sequence[Account],
    *,
    accounts: Iterable[str] | None,
    regions: Iterable[str] | None,
    services: Iterable[str] | None,
    every_detail: bool = False,
) -> Selection:
    """Check what was asked for.

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
    places = None if regions is None else tuple(dict.fromkeys(regions))
    _refuse_unknown("region", places, known_regions())
    who = None if accounts is None else tuple(accounts)
    # An id may belong to an account whose id only AWS tells, a name to one of an organisation.
    told = any(account.organization_role for account in configured)
    named = None if who is None or told else [name for name in who if not _ACCOUNT_ID.fullmatch(name)]
    _refuse_unknown("account", named, {account.name for account in configured if account.name})
    chosen = [spec for spec in specs if wanted is None or spec.service in wanted or spec.resource_type in wanted]
    return Selection(tuple(chosen), places, who, every_detail)


def tasks(chosen: Selection, sessions: AccountSessions) -> tuple[Task, ...]:
    """Return the list calls of a scan by account and region, so that a region's clients can be forgotten early.

    Raises:
        CloudOpsError: As :meth:`AccountSessions.accounts`; or a chosen account id is none of the configured accounts.
    """
    with prepared_meanwhile(chosen, sessions) as prepared:
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
    for session, region in prepared:
        if (session.entered_account_id, region) not in needed:
            session.release(region)
    return todo


def ended_together(todo: Sequence[Task], threads: int) -> Sequence[Task]:
    """Return tasks in an order in which threads end at about the same time: the last to begin take one call."""
    last = 2 * threads
    return [*todo[:-last], *sorted(todo[-last:], key=_takes_one_call)]


def _takes_one_call(task: Task) -> bool:
    spec = task.spec
    return not (spec.parent or spec.details or spec.batches or (spec.tags and spec.tags.filter))


def planned_calls(chosen: Selection, sessions: AccountSessions) -> tuple[PlannedCall, ...]:
    """Return the calls of a scan without making one; where only AWS knows the regions, default ones stand in."""
    calls: list[PlannedCall] = []
    for account in sessions.configured:
        name = account.name or account.account_id or "ambient"
        if chosen.accounts is not None and {name, account.account_id}.isdisjoint(chosen.accounts):
            continue
        if account.role_arn:
            calls.append(PlannedCall(name, GLOBAL, "sts", "AssumeRole", "once an hour", {"RoleArn": account.role_arn}))
        calls.append(PlannedCall(name, GLOBAL, "sts", "GetCallerIdentity", "once"))
        calls += [PlannedCall(name, GLOBAL, each.service, each.operation, each.times) for each in policy_operations()]
        if chosen.regions is None:
            calls.append(PlannedCall(name, GLOBAL, "ec2", "DescribeRegions", "once"))
        regions = default_regions("aws") if chosen.regions is None else chosen.regions
        for spec in chosen.specs:
            for region in _list_regions(spec, regions):
                calls.extend(_spec_calls(spec, name, spec.home or region, every_detail=chosen.every_detail))
    return tuple(calls)


def _account_tasks(
    chosen: Selection, account: Account, sessions: AccountSessions, regions: Sequence[str]
) -> Iterator[Task]:
    assumed = sessions.regions_assumed(account.account_id) if chosen.regions is None else ""
    note = f"regions assumed ({assumed})" if assumed else ""
    real = [region for region in regions if region != GLOBAL]
    by_region: dict[str, list[Task]] = {}
    for spec in chosen.specs:
        for region in _list_regions(spec, regions):
            places = real if spec.scope == "account" else [region]
            keys = tuple(CellKey(account.account_id, place, spec.resource_type) for place in places)
            everywhere = chosen.regions is None
            task = Task(spec, account, region, keys, everywhere, chosen.every_detail, note)
            by_region.setdefault(region, []).append(task)
    for region in (GLOBAL, *real):
        yield from by_region.get(region, ())


def _list_regions(spec: ResourceSpec, regions: Sequence[str]) -> Sequence[str]:
    """Return where a type's list call is made; global types belong to every choice of regions."""
    real = [region for region in regions if region != GLOBAL]
    if spec.scope == "regional":
        return real
    return [GLOBAL] if real or spec.scope == "global" else []


def _spec_calls(spec: ResourceSpec, account: str, region: str, *, every_detail: bool) -> Iterator[PlannedCall]:
    def call(operation: str, times: str, parameters: Mapping[str, Any]) -> PlannedCall:
        return PlannedCall(account, region, spec.called, operation, times, dict(parameters))

    given = dict(spec.list.parameters)
    if spec.parent:
        yield call(spec.parent.list.operation, "once a page", spec.parent.list.parameters)
        yield call(spec.list.operation, f"once a page and {spec.parent.into}", {**given, **spec.parent.parameters})
    else:
        yield call(spec.list.operation, "once a page", given)
    if spec.tags and spec.tags.filter:
        asked = {"ResourceTypeFilters": [spec.tags.filter]}
        yield PlannedCall(account, region, TAGGING_SERVICE, TAGGING_OPERATION, "once a page", asked)
    for batch in spec.batches:
        times = f"once for {batch.size} {spec.resource_type}"
        yield call(batch.operation, times, {**batch.parameters, batch.keys: batch.key})
    for detail in spec.details:
        if every_detail or not detail.on_demand:
            times = f"once a {spec.resource_type}" + (f", when {detail.when}" if detail.when else "")
            yield call(detail.operation, times, detail.parameters)


def _refuse_unknown(kind: str, asked: Iterable[str] | None, known: Iterable[str]) -> None:
    names = sorted(known)
    for name in asked or ():
        if name not in names:
            hint = did_you_mean(name, names, otherwise=f"known are {', '.join(names) or 'none'}")
            raise ConfigurationError(f"unknown {kind} {name}", hint)
