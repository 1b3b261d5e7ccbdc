"""Synthetic resources, the same ones in every run, and questions that people ask of such an estate."""

from __future__ import annotations

import random
from itertools import cycle, islice, product
from typing import TYPE_CHECKING

from cloudops_nb.model import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ACCOUNTS = {"123456789012": "prod", "210987654321": "staging", "111122223333": "dev"}
REGIONS = ("eu-west-1", "us-east-1", "ap-southeast-2")
#: Type, service, state, prefix of an id, metadata.
KINDS: tuple[tuple[str, str, str, str, dict[str, str]], ...] = (
    ("ec2_instance", "ec2", "running", "i", {}),
    ("rds_instance", "rds", "available", "db", {"engine": "postgres"}),
    ("rds_instance", "rds", "stopped", "db", {"engine": "mysql"}),
    ("lambda_function", "lambda", "Active", "fn", {"runtime": "python3.12"}),
    ("s3_bucket", "s3", "", "bucket", {}),
    ("sqs_queue", "sqs", "", "queue", {}),
)
APPS = ("payments", "checkout", "search", "billing", "catalogue", "login", "reports", "mail")
ROLES = ("api", "worker", "primary", "replica", "cache", "ingest", "archive")
TEAMS = ("platform", "finance", "growth", "data")


def resources(count: int) -> Iterator[Resource]:
    """Resources whose names, tags and descriptions repeat about as often as a real fleet's do."""
    generator = random.Random(count)  # noqa: S311 - the same estate in every run
    accounts = tuple(ACCOUNTS.items())
    for number in range(count):
        kind, service, state, prefix, metadata = generator.choice(KINDS)
        account_id, account = generator.choice(accounts)
        app, role, region = generator.choice(APPS), generator.choice(ROLES), generator.choice(REGIONS)
        identifier = f"{prefix}-{generator.getrandbits(68):017x}"
        yield Resource(
            resource_type=kind,
            identifier=identifier,
            account_id=account_id,
            account_name=account,
            region=region,
            service=service,
            arn=f"arn:aws:{service}:{region}:{account_id}:{kind}/{identifier}",
            name=f"{app}-{role}-{number % 40}",
            state=state,
            tags={"app": app, "role": role, "team": generator.choice(TEAMS), "env": account},
            metadata=metadata,
        )


def questions(count: int) -> Sequence[str]:
    """Distinct questions of four kinds, in turn: by concept, by name, by a misspelt name, by tag."""
    kinds = cycle(("{app} database of team {team}", "{app}-{role}-{number}", "{app}{role}{number}", "{role} for {app}"))
    filled = (
        pattern.format(app=app, role=role, team=team, number=number)
        for number, (pattern, (app, role, team)) in enumerate(zip(kinds, product(APPS, ROLES, TEAMS), strict=False))
    )
    return list(islice(dict.fromkeys(filled), count))
