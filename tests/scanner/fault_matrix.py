"""An estate of every type that has a spec, a real store, and every fault in each of a type's calls, scan by scan.

Types that share no call meet different faults in one scan, and each is left in peace in one, so that a fault is seen to
do nothing to other cells of the same account, region and clients.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.client.scanning import ScanRunner
from cloudops_nb.scanner.calls.rate_limiter import RateLimit
from cloudops_nb.scanner.reading.tag_listing import TAGGING_OPERATION, TAGGING_SERVICE
from cloudops_nb.settings import Settings
from cloudops_nb.specs.files import bundled_specs
from cloudops_nb.storage.facade import StorageService
from tests.embedders import EvenEmbedder
from tests.scanner.bundled import bundled_spec
from tests.storage.conftest import ended_owners, quick_folder
from tests.synthetic_aws import EstateOfSpecs, Fault, SyntheticAws
from tests.synthetic_aws.errors import usual
from tests.synthetic_aws.estate import is_single
from tests.synthetic_aws.faults import is_text
from tests.synthetic_aws.models import loader, paging

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cloudops_nb.model import CellKey, CellResult, Resource
    from cloudops_nb.specs.model import ResourceSpec
    from tests.synthetic_aws import Answer, Call
    from tests.synthetic_aws.faults import Served

BOTH = FAULTY, HEALTHY = "123456789012", "111122223333"
#: A region that has to be opted in to, so that the codes of one that was not mean just that.
REGION = "af-south-1"
#: Enough for a cell that suddenly lists none to be suspicious, and for a second page.
ITEMS, PAGE = 3, 2
THREADS = 4

TROUBLES = (
    "denied", "scp_denied", "throttled", "timeout", "reset", "half", "malformed", "expired", "not_opted_in",
    "no_endpoint", "empty",
)  # fmt: skip

Operation = tuple[str, str]


@cache
def many() -> Sequence[ResourceSpec]:
    """Return the types whose resources are listed; of the others an account has one or none in a region."""
    return [spec for spec in bundled_specs() if not is_single(spec)]


@dataclass(frozen=True)
class Case:
    """What goes wrong, and where: in the ``list`` call or ``later`` pages of it, the ``parent`` listing, ``one parent``
    of several, the ``tags``, a ``batch`` or a ``detail`` call; nothing and nowhere, if it is empty.
    """

    site: str = ""
    trouble: str = ""


PEACE = Case()


@dataclass(frozen=True)
class Seen:
    """What a scan left of a type: how its cell ended, its rows, and whether they are those of before."""

    result: CellResult
    rows: Sequence[Resource]
    kept: bool
    #: The answers that calls with faults in them would have given.
    unread: frozenset[str] = frozenset()


class Matrix:
    """The store, and the AWS that is scanned into it; all scans are made once, when a test first asks."""

    def __init__(self, aws: SyntheticAws, inventory: ScanRunner, storage: StorageService) -> None:
        self.aws = aws
        #: What the first scan called.
        self.asked: frozenset[Operation] = frozenset()
        self._inventory = inventory
        self._storage = storage

    @cached_property
    def before(self) -> Mapping[str, Seen]:
        """What is left by the first scan, by type; every case finds this in the store."""
        seen = self.scan(bundled_specs())
        self.asked = frozenset((service, operation) for _, _, service, operation in self.aws.calls)
        return seen

    @cached_property
    def after(self) -> Mapping[Case, Mapping[str, Seen]]:
        """What every case left of the types that can have it."""
        known = {name: identities(seen.rows) for name, seen in self.before.items()}
        found: dict[Case, dict[str, Seen]] = defaultdict(dict)
        for plan in schedule():
            faults = [fault for name, case in plan.items() for fault in faults_of(bundled_spec(name), case)]
            for name, seen in self.scan([bundled_spec(name) for name in plan], faults).items():
                kept = identities(seen.rows) == known[name]
                unread = self._unread(bundled_spec(name), plan[name])
                found[plan[name]][name] = Seen(seen.result, seen.rows, kept, unread)
        return found

    def scan(self, specs: Sequence[ResourceSpec], faults: Sequence[Fault] = ()) -> dict[str, Seen]:
        """Scan some types of the account that has faults."""
        self.aws.faults[:] = faults
        self.aws.forget_calls()
        types = [spec.resource_type for spec in specs]
        report = self._inventory.scan(regions=[REGION], accounts=[FAULTY], services=types)
        rows: dict[CellKey, list[Resource]] = defaultdict(list)
        for hit in self._storage.estate.resources():
            rows[hit.resource.cell].append(hit.resource)
        return {each.key.resource_type: Seen(each, rows[each.key], kept=True) for each in report.results}

    def scan_both(self, specs: Sequence[ResourceSpec], faults: Sequence[Fault]) -> Mapping[CellKey, CellResult]:
        """Scan some types of both accounts."""
        self.aws.faults[:] = faults
        types = [spec.resource_type for spec in specs]
        report = self._inventory.scan(regions=[REGION], accounts=BOTH, services=types)
        return {result.key: result for result in report.results}

    def after_loss(self) -> Mapping[str, Seen]:
        """Return what is left when every listing has one item fewer; nothing may be asked of the matrix after that."""
        self.aws.otherwise = _estate(ITEMS - 1)
        return self.scan(bundled_specs())

    def _unread(self, spec: ResourceSpec, case: Case) -> frozenset[str]:
        if case.site not in ("batch", "detail"):
            return frozenset()
        met = {operation for operation in _further(spec, case) if self.aws.count(operation[1], service=operation[0])}
        calls = spec.batches if case.site == "batch" else spec.details
        on_demand = {each.into for each in spec.details if each.on_demand}
        return frozenset(each.into for each in calls if (spec.called, each.operation) in met) - on_demand


@contextmanager
def opened() -> Iterator[Matrix]:
    """Open a matrix in a folder of its own; nothing waits in it, and what is tried again is tried twice."""
    aws = SyntheticAws(otherwise=_estate(ITEMS), accounts=BOTH, regions=[REGION], largest_page=PAGE)
    embedder = EvenEmbedder()
    with quick_folder() as folder, pytest.MonkeyPatch.context() as patch, ended_owners(folder):
        for name, value in aws.environment.items():
            patch.setenv(name, value)
        patch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0)
        patch.setattr(
            "botocore.retries.standard.MaxAttemptsChecker.is_retryable",
            lambda self, context: context.attempt_number < 2,
        )
        patch.setattr(
            "cloudops_nb.scanner.calls.rate_limiter.rate_limit", lambda service, operation: RateLimit("", 1e9, 1e9)
        )
        # Clients made anew for every scan would take longer than all the rest, and models are read once for both sides.
        patch.setattr(AccountSessions, "release", lambda self, account_id, region: None)
        patch.setattr("cloudops_nb.aws.credentials.data_loader", loader)
        # Some services are not offered here, and would not be asked.
        patch.setattr("cloudops_nb.aws.account_session.offered", lambda prefix, region: True)
        settings = Settings(
            data_path=folder / "store", key_file=folder / "key" / "encryption.key", scan_threads=THREADS
        )
        sessions = AccountSessions(aws.accounts, threads=THREADS, events=aws.events())
        with StorageService(settings, lambda: embedder) as storage:
            yield Matrix(aws, ScanRunner(storage, lambda: sessions, settings), storage)
        sessions.close()


def _estate(items: int) -> EstateOfSpecs:
    return EstateOfSpecs(bundled_specs(), regions=[REGION], count=items)


def identities(rows: Iterable[Resource]) -> set[str]:
    """Return what rows are known by."""
    return {row.canonical_key for row in rows}


# --- which types meet which case in which scan ---------------------------------------------------------------------


def cases(spec: ResourceSpec) -> Sequence[Case]:
    """Return everything that can go wrong with a type, and nothing."""
    sites = {
        # Where there is one or none, there is no list that could come without its items.
        "list": [*(TROUBLES if spec in many() else TROUBLES[:-1]), *(["cut"] if says_there_is_more(spec) else [])],
        # A later page that is empty ends a listing as it should.
        "later": _some(TROUBLES[:-1], spec) if any(paging(*call) for call in listing_calls(spec)) else (),
        "parent": TROUBLES if spec.parent else (),
        "one parent": ["denied"] if spec.parent else (),
        "tags": _some(TROUBLES, spec) if spec.tags and spec.tags.filter else (),
        "batch": TROUBLES if spec.batches else (),
        "detail": TROUBLES[:-1] if _further(spec, Case("detail")) else (),
    }
    return [PEACE, *(Case(site, trouble) for site, troubles in sites.items() for trouble in troubles)]


def _some(troubles: Sequence[str], spec: ResourceSpec) -> Sequence[str]:
    """Return every third trouble, others for the next type: these calls fail alike for all types of one protocol."""
    return troubles[bundled_specs().index(spec) % 3 :: 3]


def schedule() -> Sequence[Mapping[str, Case]]:
    """Return what goes wrong in each scan by type: those that share a call meet the same, others something else."""
    plans: list[dict[str, Case]] = []
    for number, group in enumerate(_groups()):
        turns = list(dict.fromkeys(case for spec in group for case in cases(spec)))
        for turn in range(len(turns)):
            if turn == len(plans):
                plans.append({})
            case = turns[(turn + number) % len(turns)]
            plans[turn].update({spec.resource_type: case for spec in group if case in cases(spec)})
    return plans


def _groups() -> Iterable[Sequence[ResourceSpec]]:
    """Yield types that share calls together."""
    groups: list[tuple[set[object], list[ResourceSpec]]] = []
    for spec in bundled_specs():
        calls: set[object] = {*listing_calls(spec), *((spec.called, each.operation) for each in spec.batches)}
        calls |= {(spec.called, each.operation) for each in spec.details}
        calls |= {spec.tags.filter} if spec.tags and spec.tags.filter else set()
        joined = [group for group in groups if group[0] & calls]
        groups = [group for group in groups if group not in joined]
        members = [each for group in joined for each in group[1]]
        groups.append((calls.union(*(group[0] for group in joined)), [*members, spec]))
    return [group[1] for group in groups]


# --- the faults of a case -------------------------------------------------------------------------------------------


def faults_of(spec: ResourceSpec, case: Case) -> Sequence[Fault]:
    """Return the faults of a case in a type's calls."""
    trouble: Any = _below_first if case.site == "one parent" else case.trouble
    when: Mapping[str, Any] = {}
    match case.site:
        case "":
            calls: Sequence[Operation] = []
        case "list":
            calls, when = listing_calls(spec)[:1], spec.list.parameters
        case "one parent":
            calls = listing_calls(spec)[:1]
        case "later":
            calls = listing_calls(spec)
        case "parent":
            calls = listing_calls(spec)[1:]
        case "tags":
            assert spec.tags
            calls, when = [(TAGGING_SERVICE, TAGGING_OPERATION)], {"ResourceTypeFilters": [spec.tags.filter]}
        case _:
            calls = _further(spec, case)
    later = case.site == "later"
    return [Fault(trouble, FAULTY, service=each[0], operation=each[1], when=when, later_pages=later) for each in calls]


def listing_calls(spec: ResourceSpec) -> Sequence[Operation]:
    """Return service and operation of a type's list calls, its parent's last."""
    calls = [spec.list, *([spec.parent.list] if spec.parent else [])]
    return [(spec.called, call.operation) for call in calls]


@cache
def listed() -> frozenset[Operation]:
    """Return every list call of the bundled types."""
    return frozenset(call for spec in bundled_specs() for call in listing_calls(spec))


def says_there_is_more(spec: ResourceSpec) -> bool:
    """Return whether a type's list call has a flag for that, beside the token."""
    rules = paging(spec.called, spec.list.operation)
    return rules is not None and bool(rules.more)


def _further(spec: ResourceSpec, case: Case) -> Sequence[Operation]:
    """Return the calls of a type for batches or details that can have the case's trouble."""
    if case.site == "batch":
        return [(spec.called, each.operation) for each in spec.batches]
    calls = {(spec.called, each.operation) for each in spec.details if not each.on_demand} - listed()
    # Nothing tells half a text from a whole one, or a text of another kind.
    return sorted(call for call in calls if case.trouble not in ("half", "malformed") or not is_text(*call))


def _below_first(call: Call, served: Served) -> Answer:
    below_first = any("0000000" in str(value) for value in call.parameters.values())
    return usual("denied", call) if below_first else served.real()
