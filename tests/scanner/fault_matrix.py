"""An estate of every type that has a spec, a real store, and faults in every list call of one of two accounts."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.inventory import Inventory
from cloudops_nb.model import CellKey
from cloudops_nb.scanner import AccountSessions, bundled_specs
from cloudops_nb.scanner.rate_limit import RateLimit
from cloudops_nb.settings import Settings
from cloudops_nb.storage.service import StorageService
from tests.even_embedder import EvenEmbedder
from tests.storage.conftest import ended_owners, quick_folder
from tests.synthetic_aws import EstateOfSpecs, Fault, SyntheticAws
from tests.synthetic_aws.errors import usual
from tests.synthetic_aws.estate import is_single
from tests.synthetic_aws.models import operation_model, paging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cloudops_nb.model import CellResult, Resource
    from cloudops_nb.scanner import ResourceSpec
    from tests.synthetic_aws import Answer, Call
    from tests.synthetic_aws.faults import Served

BOTH = FAULTY, HEALTHY = "123456789012", "111122223333"
#: A region that has to be opted in to, so that the codes of one that was not mean just that.
REGION = "af-south-1"
#: Enough for a cell that suddenly lists none to be suspicious, and for a second page; one is enough where all is well.
ITEMS, PAGE = 3, 2
THREADS = 16

SPECS = bundled_specs()
#: Those whose resources are listed; of the others an account has one or none in a region.
MANY = [spec for spec in SPECS if not is_single(spec)]
PARENTED = [spec for spec in SPECS if spec.parent]
TAGGED = [spec for spec in SPECS if spec.tags and spec.tags.filter]
DETAILED = [spec for spec in SPECS if spec.batches or any(not each.on_demand for each in spec.details)]


@dataclass
class Seen:
    """What a scan left: the end of every cell, and the rows of every cell by identity."""

    results: dict[CellKey, CellResult]
    rows: dict[CellKey, dict[str, Resource]]

    def kept(self, before: Seen, cell: CellKey) -> bool:
        """Return whether a cell has the rows that it had before, no fewer and no others."""
        return self.rows[cell].keys() == before.rows[cell].keys()


@dataclass
class Matrix:
    """The store, and the AWS that is scanned into it; each scan is made once, when a test first asks for it."""

    aws: SyntheticAws
    inventory: Inventory
    storage: StorageService
    #: By the name of a scan, how often each operation was called in the faulty account.
    called: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    _after: dict[str, Seen] = field(default_factory=dict)

    def before(self) -> Seen:
        """Return what was there before any fault."""
        return self.after("nothing", list, accounts=BOTH)

    def after(
        self,
        name: str,
        faults: Callable[[], Sequence[Fault]],
        specs: Sequence[ResourceSpec] = SPECS,
        *,
        accounts: Sequence[str] = (FAULTY,),
    ) -> Seen:
        """Return what the scan of this name left, with its faults, of these types and accounts."""
        if name not in self._after:
            if name != "nothing":
                self.before()
            self._after[name] = self._scan(faults(), specs, accounts)
            self.called[name] = Counter()
            for (account, _, *call), times in self.aws.calls.items():
                self.called[name][tuple(call)] += times if account == FAULTY else 0
        return self._after[name]

    def after_loss(self) -> Seen:
        """Return what is left when every listing has one item fewer; nothing may be asked of the matrix after that."""
        self.aws.otherwise = _estate(ITEMS - 1)
        return self.after("loss", list)

    def unread(self, spec: ResourceSpec, trouble: str) -> set[str]:
        """Return the answers that a type's resources lack because of :func:`in_details`."""
        calls = {each.into: (spec.service, each.operation) for each in (*spec.batches, *spec.details)}
        on_demand = {each.into for each in spec.details if each.on_demand}
        met = {(fault.service, fault.operation) for fault in in_details(trouble)()}
        called = self.called[f"detail {trouble}"]
        return {into for into, call in calls.items() if into not in on_demand and call in met and called[call]}

    def _scan(self, faults: Sequence[Fault], specs: Sequence[ResourceSpec], accounts: Sequence[str]) -> Seen:
        self.aws.faults[:] = faults
        self.aws.forget_calls()
        types = [spec.resource_type for spec in specs]
        report = self.inventory.scan(regions=[REGION], accounts=accounts, services=types)
        rows: dict[CellKey, dict[str, Resource]] = defaultdict(dict)
        for hit in self.storage.estate.resources():
            rows[hit.resource.cell][hit.resource.canonical_key] = hit.resource
        return Seen({result.key: result for result in report.results}, rows)


@contextmanager
def opened() -> Iterator[Matrix]:
    """Open a matrix in a folder of its own; nothing waits in it, and clients live as long as it does."""
    aws = SyntheticAws(otherwise=_estate(ITEMS), accounts=BOTH, regions=[REGION], largest_page=PAGE)
    embedder = EvenEmbedder()
    with quick_folder() as folder, pytest.MonkeyPatch.context() as patch, ended_owners(folder):
        for name, value in aws.environment.items():
            patch.setenv(name, value)
        patch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0)
        patch.setattr("cloudops_nb.scanner.rate_limit.rate_limit", lambda service, operation: RateLimit("", 1e9, 1e9))
        # Clients made anew for every scan would take longer than all the rest.
        patch.setattr(AccountSessions, "release", lambda self, account_id, region: None)
        settings = Settings(
            data_path=folder / "store", key_file=folder / "key" / "encryption.key", scan_threads=THREADS
        )
        sessions = AccountSessions(aws.accounts, threads=THREADS, events=aws.events())
        with StorageService(settings, lambda: embedder) as storage:
            yield Matrix(aws, Inventory(storage, lambda: sessions, settings), storage)
        sessions.close()


def _estate(items: int) -> EstateOfSpecs:
    return EstateOfSpecs(SPECS, regions=[REGION], count=lambda spec, account, region: items if account == FAULTY else 1)


def cell(spec: ResourceSpec, account: str) -> CellKey:
    """Return where a type's resources are."""
    return CellKey(account, "global" if spec.scope == "global" else REGION, spec.resource_type)


def listing_calls(spec: ResourceSpec) -> Sequence[tuple[str, str]]:
    """Return service and operation of a type's list calls, its parent's last."""
    calls = [spec.list, *([spec.parent.list] if spec.parent else [])]
    return [(spec.service, call.operation) for call in calls]


def says_there_is_more(spec: ResourceSpec) -> bool:
    """Return whether a type's list call has a flag for that, beside the token."""
    rules = paging(spec.service, spec.list.operation)
    return rules is not None and bool(rules.more)


def in_listings(trouble: str, *, later_pages: bool = False) -> Callable[[], Sequence[Fault]]:
    """Return faults in the list call of every type that can have them."""
    able = {"cut": says_there_is_more, "empty": MANY.__contains__}.get(trouble, SPECS.__contains__)
    return lambda: [
        Fault(trouble, FAULTY, service=spec.service, operation=spec.list.operation, when=spec.list.parameters,
              later_pages=later_pages)
        for spec in filter(able, SPECS)
    ]  # fmt: skip


def in_parents(trouble: str) -> Callable[[], Sequence[Fault]]:
    """Return faults in the listing of every parent."""
    calls = {listing_calls(spec)[-1] for spec in PARENTED}
    return lambda: [Fault(trouble, FAULTY, service=service, operation=operation) for service, operation in calls]


def in_first_parent() -> Sequence[Fault]:
    """Return refusals of every list call below the first parent, and below no other."""

    def refused(call: Call, served: Served) -> Answer:
        below_first = any("0000000" in str(value) for value in call.parameters.values())
        return usual("denied", call) if below_first else served.real()

    calls = {listing_calls(spec)[0] for spec in PARENTED}
    return [Fault(refused, FAULTY, service=service, operation=operation) for service, operation in calls]


def in_details(trouble: str) -> Callable[[], Sequence[Fault]]:
    """Return faults in every call for details or batches that is no list call too."""
    calls = {(spec.service, each.operation) for spec in SPECS for each in (*spec.details, *spec.batches)}
    calls -= {call for spec in SPECS for call in listing_calls(spec)}
    # Nothing tells half a text from a whole one.
    calls = {call for call in calls if trouble != "half" or not _is_text(*call)}
    return lambda: [Fault(trouble, FAULTY, service=service, operation=operation) for service, operation in calls]


def _is_text(service: str, operation: str) -> bool:
    """Return whether an answer is one text in a form of its own, as a policy of S3."""
    shape = operation_model(service, operation).output_shape
    payload = shape.serialization.get("payload") if shape else None
    return payload is not None and shape.members[payload].type_name == "string"
