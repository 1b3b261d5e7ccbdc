"""Plans as the engine makes them: hashes that fit, everything else chosen by the test."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cloudops_nb.execution.channels import PersonChannel
from cloudops_nb.execution.plan import (
    Channel,
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
from cloudops_nb.model import PlaybookRef

CARD, TERMINAL = PersonChannel(Channel.CARD), PersonChannel(Channel.TERMINAL)
NOW = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)
ACCOUNT = "123456789012"


def sealed(plan: Plan, **changes: Any) -> Plan:
    """Change a plan and give it the hashes of what it now says."""
    changed = replace(plan, **changes)
    changed = replace(changed, intent_hash=intent_hash(changed))
    return replace(changed, hash=plan_hash(changed))


def database(**changes: Any) -> Target:
    target = Target(
        identifier="pg-instance-staging1",
        name="pg-instance-staging1",
        resource_type="rds_instance",
        arn=f"arn:aws:rds:eu-west-1:{ACCOUNT}:db:pg-instance-staging1",
        state="available",
        expected_state="stopped",
        fingerprint={"state": "available", "engine": "postgres", "multi_az": False, "class": "db.t4g.medium"},
        environment="staging",
        dependents=("lambda orders-import", "ecs service billing-api"),
        managed_by=("CloudFormation stack data-staging",),
    )
    return replace(target, **changes)


def stop_database(*, created: datetime | None = None, **changes: Any) -> Plan:
    """A plan that stops a staging database: reversible, of medium risk, without a phrase."""
    created = created or NOW
    target = database()
    plan = Plan(
        id="plan-7f3a",
        hash="",
        intent_hash="",
        created=created,
        expires=created + timedelta(minutes=15),
        playbook=PlaybookRef("rds-stop", "1.0.0", "ab" * 32),
        title="Stop RDS instance",
        account_id=ACCOUNT,
        account_name="staging",
        region="eu-west-1",
        environment="staging",
        principal=f"arn:aws:sts::{ACCOUNT}:assumed-role/Operator/alice",
        target_states=(target,),
        parameters={},
        steps=_stop_steps(target),
        allowed_states=("available",),
        effect=Effect.MODIFY,
        level=Level.MEDIUM,
        reasons=("Connections drop at once.", "It starts again by itself after 7 days."),
        rollback=Rollback("rds-start", "Its zone may change when it starts."),
        checks=(
            Check("caller is the plan's account", "before", "yes"),
            Check("state is available", "before", "yes"),
            Check("state is stopped", "after"),
        ),
        explanation="Stops pg-instance-staging1 and waits until it is stopped.",
        not_checked=("clients that connect from outside the account", "organisation policies"),
    )
    return sealed(plan, **changes)


def delete_volume(*, created: datetime | None = None, **changes: Any) -> Plan:
    """A plan that destroys data in production, so that a phrase must be typed."""
    target = Target(
        identifier="vol-0a1b2c3d",
        name="ledger-data",
        resource_type="ebs_volume",
        arn=f"arn:aws:ec2:eu-central-1:{ACCOUNT}:volume/vol-0a1b2c3d",
        state="available",
        expected_state="deleted",
        fingerprint={"state": "available", "size": 500, "encrypted": True, "attachments": None},
        environment="production",
    )
    step = Step(
        name="DeleteVolume",
        action="aws:executeAwsApi",
        target=target.arn,
        service="ec2",
        api="DeleteVolume",
        parameters={"VolumeId": "vol-0a1b2c3d"},
        effect=Effect.DESTRUCTIVE,
        cli="aws ec2 delete-volume --volume-id vol-0a1b2c3d --region eu-central-1",
        iam="unknown",
        iam_reason="organisation policies are not visible to this principal",
    )
    plan = stop_database(
        created=created,
        id="plan-91cc",
        playbook=PlaybookRef("ebs-delete-volume", "1.2.0", "cd" * 32),
        title="Delete EBS volume",
        account_name="prod",
        region="eu-central-1",
        environment="production",
        target_states=(target,),
        steps=(step,),
        effect=Effect.DESTRUCTIVE,
        level=Level.CRITICAL,
        reasons=("The volume's data cannot be brought back.",),
        rollback=Rollback("", "Only a snapshot taken before could restore it."),
        explanation="Deletes ledger-data.",
        phrase="delete vol-0a1b2c3d",
    )
    return sealed(plan, **changes)


def _stop_steps(target: Target) -> tuple[Step, ...]:
    describe = Step(
        name="AssertAvailable",
        action="aws:assertAwsResourceProperty",
        target=target.arn,
        service="rds",
        api="DescribeDBInstances",
        parameters={"DBInstanceIdentifier": target.identifier},
        effect=Effect.READ,
        cli=f"aws rds describe-db-instances --db-instance-identifier {target.identifier} --region eu-west-1",
        iam="allowed",
        iam_reason="AmazonRDSReadOnlyAccess, statement 1",
        expects="available",
    )
    stop = replace(
        describe,
        name="StopDBInstance",
        action="aws:executeAwsApi",
        api="StopDBInstance",
        effect=Effect.MODIFY,
        cli=f"aws rds stop-db-instance --db-instance-identifier {target.identifier} --region eu-west-1",
        iam_reason="OperatorPolicy, statement StopStart",
        expects="",
    )
    wait = replace(describe, name="WaitUntilStopped", action="aws:waitForAwsResourceProperty", expects="stopped")
    return (describe, stop, wait)
