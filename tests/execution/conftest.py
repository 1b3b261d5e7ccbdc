"""Fixtures of the execution tests: a simulated AWS, a journal in memory, a clock, and an engine over them."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
import yaml
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.errors import AlreadyRecordedError, JournalError
from cloudops_nb.execution.engine import ExecutionEngine
from cloudops_nb.execution.plan import (
    Check,
    Effect,
    Level,
    Plan,
    Rollback,
    Step,
    Target,
    intent_hash,
    plan_hash,
)
from cloudops_nb.model import (
    Account,
    BoundPlaybook,
    Constraint,
    Constraints,
    IamPermissions,
    JournalRecord,
    PlaybookRef,
    Resource,
    Ternary,
)
from cloudops_nb.ssm.catalogue import Catalogue, Playbook
from cloudops_nb.storage.journal.journal import CLOCK_ACCEPTED
from tests.execution.sample_documents import Scripted, bound, own_document
from tests.sample_plans import CARD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cloudops_nb.execution import ports
    from cloudops_nb.execution.execution import Execution

ACCOUNT_ID = "123456789012"
REGION = "eu-central-1"


class FakeJournal:
    """A journal in memory that keeps the port's promises: JSON data only, order, and ``once`` across threads."""

    def __init__(self, clock: ports.Clock = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self.lines: list[JournalRecord] = []
        self.power_safe: list[str] = []
        self.altered = False
        self._once: set[str] = set()
        self._lock = threading.Lock()

    def append(
        self, kind: str, subject: str, body: Mapping[str, Any], *, once: str = "", power_safe: bool = False
    ) -> JournalRecord:
        try:
            body = json.loads(json.dumps(body, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise JournalError("the record was not written", "its body is not plain JSON data") from error
        with self._lock:
            if once and once in self._once:
                raise AlreadyRecordedError(f"a {kind} record exists already")
            self._once.add(once)
            record = JournalRecord(len(self.lines) + 1, self._clock(), kind, subject, body)
            self.lines.append(record)
            if power_safe:
                self.power_safe.append(kind)
            return record

    def records(
        self,
        *,
        kind: str | Sequence[str] = (),
        subject: str = "",
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[JournalRecord]:
        kinds = [name for name in ([kind] if isinstance(kind, str) else kind) if name]
        with self._lock:
            found = [
                record
                for record in self.lines
                if (not kinds or record.kind in kinds)
                and (not subject or record.subject == subject)
                and (since is None or record.at >= since)
            ]
        return found if limit is None else found[max(len(found) - limit, 0) :]

    def latest_time(self) -> datetime | None:
        accepted = max((line.sequence for line in self.lines if line.kind == CLOCK_ACCEPTED), default=1)
        return max((line.at for line in self.lines[accepted - 1 :]), default=None)

    def accept_clock(self, body: Mapping[str, Any]) -> JournalRecord:
        return self.append(CLOCK_ACCEPTED, "", body)

    def verify(self) -> None:
        if self.altered:
            raise JournalError("the journal was altered", "record 1 does not fit the chain")

    def kinds(self, subject: str = "") -> list[str]:
        return [record.kind for record in self.records(subject=subject)]


class Clock:
    """Real time, moved by what a test adds."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Caller:
    account_id: str
    arn: str


@dataclass
class Clients:
    """The real sessions, whose caller a test may replace."""

    sessions: AccountSessions
    as_caller: Caller | None = None
    asked_afresh: int = 0

    def client(self, account_id: str, service: str, region: str) -> Any:
        return self.sessions.client(account_id, service, region)

    def caller(self, account_id: str, *, fresh: bool = False) -> ports.Caller:
        self.asked_afresh += fresh
        return self.as_caller or self.sessions.caller(account_id, fresh=fresh)


@dataclass
class Aws:
    """The simulated AWS as a test sees it: clients of its own, and what the engine's client sent."""

    clients: Clients
    sent: Counter[str] = field(default_factory=Counter)
    hooks: list[tuple[Any, str, Any]] = field(default_factory=list)

    def client(self, service: str) -> Any:
        return self.clients.client(ACCOUNT_ID, service, REGION)

    def hook(self, service: str, event: str, handler: Callable[..., Any]) -> None:
        """Register a botocore event handler for this test."""
        events = self.client(service).meta.events
        events.register_first(event, handler)
        self.hooks.append((events, event, handler))

    def watch(self, service: str) -> Counter[str]:
        """Count every attempt to send a request to a service, by API; dry runs apart."""

        def count(event_name: str, request: Any, **_: Any) -> None:
            dry = "DryRun" in str(request.data)
            self.sent[event_name.rsplit(".", 1)[-1] + (" (dry run)" if dry else "")] += 1

        self.hook(service, "request-created", count)
        return self.sent

    def lose_answers(self, service: str, api: str) -> None:
        """Let the request through and break the connection before the answer comes."""

        def carry_out_and_break(request: Any, **_: Any) -> None:
            if "DryRun=true" not in str(request.body):
                URLLib3Session().send(request)
                raise ConnectionClosedError(endpoint_url=request.url)

        self.hook(service, f"before-send.{service}.{api}", carry_out_and_break)

    def instance(self, name: str = "web-1", *, state: str = "running", **facts: Any) -> Resource:
        """Make a real EC2 instance and return it as a scan would."""
        ec2 = self.client("ec2")
        identifier = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
        if state == "stopped":
            ec2.stop_instances(InstanceIds=[identifier])
        arn = f"arn:aws:ec2:{REGION}:{ACCOUNT_ID}:instance/{identifier}"
        return replace(
            Resource("ec2_instance", identifier, ACCOUNT_ID, REGION, "ec2", arn, name, state, "dev", **facts),
            constraints=facts.get("constraints", _possible()),
        )

    def database(self, name: str = "pg-main1", *, state: str = "available") -> Resource:
        """Make a real RDS instance and return it as a scan would."""
        rds = self.client("rds")
        rds.create_db_instance(
            DBInstanceIdentifier=name,
            DBInstanceClass="db.t3.micro",
            Engine="postgres",
            AllocatedStorage=20,
            MasterUsername="operator",
            ManageMasterUserPassword=True,
        )
        if state == "stopped":
            rds.stop_db_instance(DBInstanceIdentifier=name)
        arn = f"arn:aws:rds:{REGION}:{ACCOUNT_ID}:db:{name}"
        allowed = IamPermissions(allowed=("rds:StopDBInstance", "rds:StartDBInstance"))
        return Resource(
            "rds_instance",
            name,
            ACCOUNT_ID,
            REGION,
            "rds",
            arn,
            name,
            state,
            "dev",
            iam=allowed,
            constraints=_possible(),
        )

    def instance_state(self, resource: Resource) -> str:
        found = self.client("ec2").describe_instances(InstanceIds=[resource.identifier])
        state: str = found["Reservations"][0]["Instances"][0]["State"]["Name"]
        return state

    def database_state(self, resource: Resource) -> str:
        found = self.client("rds").describe_db_instances(DBInstanceIdentifier=resource.identifier)
        state: str = found["DBInstances"][0]["DBInstanceStatus"]
        return state


def _possible() -> Constraints:
    yes = Constraint(Ternary.TRUE)
    return Constraints(can_start=yes, can_stop=yes, can_delete=yes)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws_environment(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A simulated AWS without resources, to which this process's environment points."""
    with urlopen(Request(f"{endpoint}/moto-api/reset", method="POST")) as answer:  # noqa: S310 - our own server
        assert answer.status == 200
    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture(scope="session")
def sessions() -> Iterator[AccountSessions]:
    """One set of clients for all tests, for they are slow to make; made on use, inside a test's environment."""
    sessions = AccountSessions(())
    yield sessions
    sessions.close()


@pytest.fixture
def aws(aws_environment: dict[str, str], sessions: AccountSessions) -> Iterator[Aws]:
    aws = Aws(Clients(sessions))
    yield aws
    for events, event, handler in aws.hooks:
        events.unregister(event, handler)


@pytest.fixture
def journal(clock: Clock) -> FakeJournal:
    return FakeJournal(clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def locks_path(tmp_path: Path) -> Path:
    return tmp_path / "locks"


@pytest.fixture
def make_engine(aws: Aws, journal: FakeJournal, clock: Clock, locks_path: Path) -> Callable[..., ExecutionEngine]:
    """Make an engine over the bundled playbooks and those a test adds."""

    def make(*playbooks: Playbook, **settings: Any) -> ExecutionEngine:
        # Annotated before a test's own come in, so that the doubles are held to what the engine asks for.
        clients: ports.Clients = aws.clients
        records: ports.JournalPort = journal
        catalogue = Catalogue([*Catalogue.bundled().playbooks, *playbooks])
        return ExecutionEngine(
            settings.pop("clients", clients),
            settings.pop("journal", records),
            catalogue,
            locks_path=locks_path,
            clock=clock,
            poll_seconds=settings.pop("poll_seconds", 0.01),
            **settings,
        )

    return make


@pytest.fixture
def engine(make_engine: Callable[..., ExecutionEngine]) -> ExecutionEngine:
    return make_engine()


@pytest.fixture
def make_playbook() -> Callable[..., Playbook]:
    """Make a playbook on EC2 instances from its steps; the metadata are those of ec2-stop, changed by keywords."""

    def make(
        steps: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any] | None = None, **changes: Any
    ) -> Playbook:
        folder = resources.files("cloudops_nb") / "playbooks" / "ec2" / "ec2-stop" / "1.0.0"
        metadata = yaml.safe_load((folder / "metadata.yaml").read_text(encoding="utf-8"))
        document = yaml.safe_load((folder / "runbook.yaml").read_text(encoding="utf-8"))
        metadata |= {"id": "ec2-test", "name": "Test an instance", "constraints": [], **changes}
        document |= {"mainSteps": json.loads(json.dumps(list(steps))), "outputs": []}  # no YAML aliases
        document["parameters"] |= parameters or {}
        return Playbook.from_texts(yaml.safe_dump(document), yaml.safe_dump(metadata), "ec2-test")

    return make


@pytest.fixture
def make_document() -> Callable[..., Playbook]:
    """Make a playbook without a target from a document's name, steps and other fields."""
    return own_document


@pytest.fixture
def start(make_engine: Callable[..., ExecutionEngine], approved: Callable[..., Plan]) -> Callable[..., Execution]:
    """Prepare, approve and apply a document over an executor; further documents may be run by it."""

    def make(
        executor: Scripted,
        playbook: Playbook,
        *others: Playbook,
        dry_run: bool = False,
        override: bool = False,
        **parameters: Any,
    ) -> Execution:
        engine = make_engine(playbook, *others, executor=executor)
        plan = approved(engine, bound(playbook, **parameters), override=override)
        executor.calls.clear()
        executor.execution = engine.apply(plan, dry_run=dry_run)
        executor.begun.set()
        executor.execution.wait(60)
        return executor.execution

    return make


@pytest.fixture
def bind() -> Callable[..., BoundPlaybook]:
    """Bind a playbook, given by id or itself, to resources."""

    def make(playbook: str | Playbook, *targets: Resource, **parameters: Any) -> BoundPlaybook:
        found = Catalogue.bundled().get(playbook) if isinstance(playbook, str) else playbook
        return BoundPlaybook(found.ref, targets, found.metadata.target_parameter, parameters, found.metadata.level)

    return make


@pytest.fixture
def account() -> Account:
    return Account("dev", ACCOUNT_ID, environment="development")


@pytest.fixture
def production() -> Account:
    return Account("shop", ACCOUNT_ID, environment="production")


@pytest.fixture
def approved(account: Account) -> Callable[..., Plan]:
    """Prepare and approve a plan."""

    def make(engine: ExecutionEngine, bound: BoundPlaybook, **options: Any) -> Plan:
        plan = engine.prepare(bound, **{"account": account, **options})
        engine.approve(plan, channel=CARD, by="ada", reason="maintenance", phrase=plan.phrase)
        return plan

    return make


@pytest.fixture
def run() -> Callable[[Execution], list[str]]:
    """Follow an execution to its end and return the kinds of its events."""

    def follow(execution: Execution) -> list[str]:
        return [event.kind for event in execution]

    return follow


@pytest.fixture(scope="session")
def a_plan() -> Plan:
    """A plan in full, made by hand, that stops two instances."""
    names = ("i-1", "i-2")
    arns = [f"arn:aws:ec2:{REGION}:{ACCOUNT_ID}:instance/{name}" for name in names]
    created = datetime(2026, 1, 1, tzinfo=UTC)
    draft = Plan(
        id="11111111-1111-4111-8111-111111111111",
        hash="",
        intent_hash="",
        created=created,
        expires=created + timedelta(minutes=15),
        automation_id="33333333-3333-4333-8333-333333333333",
        playbook=PlaybookRef("ec2-stop", "1.0.0", "ab" * 32),
        title="Stop an EC2 instance: web-1, web-2",
        account_id=ACCOUNT_ID,
        account_name="dev",
        region=REGION,
        environment="development",
        principal=f"arn:aws:iam::{ACCOUNT_ID}:role/Operator",
        target_states=tuple(
            Target(name, f"web-{name[2:]}", "ec2_instance", arn, "running", "stopped", {"state": "running"})
            for name, arn in zip(names, arns, strict=True)
        ),
        parameters={"Force": False},
        steps=tuple(
            Step("stop", "aws:executeAwsApi", arn, "ec2", "StopInstances", {"InstanceIds": [name]}, Effect.MODIFY)
            for name, arn in zip(names, arns, strict=True)
        ),
        allowed_states=("running",),
        effect=Effect.MODIFY,
        level=Level.MEDIUM,
        reasons=("it stops",),
        rollback=Rollback("ec2-start", "Start it again."),
        checks=(Check("state", "before", "passed"),),
        explanation="You asked for it.",
    )
    return replace(draft, hash=plan_hash(draft), intent_hash=intent_hash(draft))
