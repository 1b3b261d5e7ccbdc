"""Creates KMS keys, SQS queues, SNS topics, Lambda functions with triggers and log groups, secrets and alarms."""

from __future__ import annotations

import io
import json
import secrets
import zipfile
from typing import TYPE_CHECKING

from cloudops_nb.demo.builder.workbench import Workbench, tag_list

if TYPE_CHECKING:
    from cloudops_nb.demo.company import Entry


def build_serverless(bench: Workbench) -> None:
    """Create the serverless resources of a place (an account in a region); each refers only to earlier resources."""
    for entry in bench.entries("keys"):
        kms = bench.client("kms")
        tags = [{"TagKey": key, "TagValue": value} for key, value in bench.tags(entry).items()]
        key = kms.create_key(Description=entry["description"], Tags=tags)["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=f"alias/{entry['name']}", TargetKeyId=key)
        kms.enable_key_rotation(KeyId=key)
    for entry in bench.entries("queues"):
        _build_queue(bench, entry)
    for entry in bench.entries("topics"):
        sns = bench.client("sns")
        topic = sns.create_topic(Name=entry["name"], Tags=bench.tag_list(entry))["TopicArn"]
        bench.record_id("topic", entry["name"], topic)
        for queue in entry["queues"]:
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=bench.recorded_id("queue", queue))
    for entry in bench.entries("functions"):
        _build_function(bench, entry)
    for entry in bench.entries("secrets"):
        login = json.dumps({"username": entry["app"], "password": secrets.token_hex(16)})
        bench.client("secretsmanager").create_secret(Name=entry["name"], SecretString=login, Tags=bench.tag_list(entry))
    for entry in bench.entries("alarms"):
        _build_alarm(bench, entry)


def _build_queue(bench: Workbench, entry: Entry) -> None:
    """Create a queue; if the entry declares a dead-letter queue, create the dead-letter queue first."""
    name, attributes = entry["name"], {"VisibilityTimeout": "900"}
    if entry["dead_letter"]:
        dead = _create_queue(bench, entry, f"{name}-dlq", {"MessageRetentionPeriod": "1209600"})
        attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": "5"})
    _create_queue(bench, entry, name, attributes)


def _create_queue(bench: Workbench, entry: Entry, name: str, attributes: dict[str, str]) -> str:
    bench.client("sqs").create_queue(QueueName=name, Attributes=attributes, tags=bench.tags(entry, name))
    arn = f"arn:aws:sqs:{bench.region}:{bench.account_id}:{name}"
    bench.record_id("queue", name, arn)
    return arn


def _build_function(bench: Workbench, entry: Entry) -> None:
    functions, name = bench.client("lambda"), entry["name"]
    arn = functions.create_function(
        FunctionName=name,
        Runtime=entry["runtime"],
        Role=bench.recorded_id("role", "functions"),
        Handler="handler.main",
        Code={"ZipFile": _function_package()},
        MemorySize=entry["memory"],
        Timeout=entry["timeout"],
        Environment={"Variables": {"STAGE": bench.where.account}},
        Tags=bench.tags(entry),
    )["FunctionArn"]
    logs = bench.client("logs")
    logs.create_log_group(logGroupName=f"/aws/lambda/{name}", tags=bench.tags(entry))
    if not entry.get("untagged"):
        logs.put_retention_policy(logGroupName=f"/aws/lambda/{name}", retentionInDays=30)
    if "queue" in entry:
        source = bench.recorded_id("queue", entry["queue"])
        functions.create_event_source_mapping(EventSourceArn=source, FunctionName=name, BatchSize=10)
    if "schedule" in entry:
        events = bench.client("events")
        tags = tag_list(bench.tags(entry, f"{name}-schedule"))
        events.put_rule(Name=f"{name}-schedule", ScheduleExpression=entry["schedule"], State="ENABLED", Tags=tags)
        events.put_targets(Rule=f"{name}-schedule", Targets=[{"Id": "function", "Arn": arn}])


def _function_package() -> bytes:
    """Return a Lambda function's code as a zip archive; its bytes never change, because its file has a fixed time."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr(
            zipfile.ZipInfo("handler.py", (2025, 1, 1, 0, 0, 0)), "def main(event, context): return event\n"
        )
    return archive.getvalue()


def _build_alarm(bench: Workbench, entry: Entry) -> None:
    bench.client("cloudwatch").put_metric_alarm(
        AlarmName=entry["name"],
        Namespace=entry["namespace"],
        MetricName=entry["metric"],
        Dimensions=[{"Name": name, "Value": value} for name, value in entry["dimension"].items()],
        Statistic="Average",
        Period=300,
        EvaluationPeriods=2,
        Threshold=float(entry["threshold"]),
        ComparisonOperator="LessThanThreshold" if entry.get("below") else "GreaterThanThreshold",
        AlarmActions=bench.recorded_ids("topic", "on-call"),
        Tags=bench.tag_list(entry),
    )
