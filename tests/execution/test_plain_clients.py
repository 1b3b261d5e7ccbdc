"""Everything that a plan does is done with plain botocore, whatever parts of it scans replace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.execution.plan import PlanStatus
from tests.execution.conftest import ACCOUNT_ID, REGION, Clients
from tests.fast_parts import fast_parts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.execution.engine import ExecutionEngine


@dataclass
class NotedClients(Clients):
    """Notes the clients that an engine uses."""

    noted: list[Any] = field(default_factory=list)

    def client(self, account_id: str, service: str, region: str) -> Any:
        self.noted.append(super().client(account_id, service, region))
        return self.noted[-1]


def test_dry_runs_steps_and_rollbacks_use_plain_botocore(
    *,
    aws: Any,
    sessions: AccountSessions,
    make_engine: Callable[..., ExecutionEngine],
    bind: Any,
    approved: Any,
    run: Any,
) -> None:
    clients = NotedClients(sessions)
    engine, sent = make_engine(clients=clients), aws.watch("ec2")
    execution = engine.apply(approved(engine, bind("ec2-stop", aws.instance())))
    run(execution)
    bound, _ = engine.rollback(execution)
    undone = engine.apply(approved(engine, bound))
    run(undone)
    assert execution.status is undone.status is PlanStatus.COMPLETED
    assert {"StopInstances (dry run)", "StopInstances", "StartInstances"} <= set(sent)
    assert {client.meta.service_model.service_name for client in clients.noted} == {"ec2"}
    assert set[str]().union(*map(fast_parts_of, clients.noted)) == set()


@pytest.mark.parametrize("operation", ["", "StopInstances"])
def test_after_a_scan_a_client_for_changes_is_still_plain(aws: Any, sessions: AccountSessions, operation: str) -> None:
    sessions.expect([("ec2", "DescribeInstances"), ("ec2", "StopInstances")])
    reading = sessions.client(ACCOUNT_ID, "ec2", REGION, "DescribeInstances")
    assert {"QuickEmitter", "QuickAliaser", "QuickParserFactory", "NarrowModels"} <= fast_parts_of(reading)
    acting = sessions.operators.client(ACCOUNT_ID, "ec2", REGION, operation)
    assert fast_parts_of(acting) == set()
    assert hasattr(acting, "stop_instances")
