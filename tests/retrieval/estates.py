"""The estates that the labelled queries are asked of."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from benchmarks.estate import resources
from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.model import Account
from cloudops_nb.scanner.reading.task_reader import PageRead
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.storage.estate.search.estate_words import WordsAtGeneration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloudops_nb.demo import Demo
    from cloudops_nb.model import Resource
    from tests.retrieval.evaluation import Question

#: The services that the demo has something of; all others answer with nothing, which takes them longer.
SERVICES = (
    "athena", "autoscaling", "cloudwatch", "dynamodb", "ec2", "ecr", "ecs", "elasticache", "elbv2", "events", "iam",
    "kms", "lambda", "logs", "rds", "route53", "s3", "secretsmanager", "sns", "sqs",
)  # fmt: skip
#: How many resources of the generated estate the large one has.
LARGE = 10_000
#: Of an excerpt: how many of what a question wants it keeps, and one in how many of all others.
WANTED, ONE_IN = 6, 25


class EmptyEstate(WordsAtGeneration):
    """An estate that says nothing about the words of a query."""

    def __init__(self) -> None:
        """Ask no store."""

    def accounts(self) -> tuple[str, ...]:
        return ()

    def types(self) -> tuple[str, ...]:
        return ()

    def tag_keys(self) -> dict[str, list[str]]:
        return {}

    def tagged(self, _pair: str) -> bool:
        return False

    def has_word(self, _word: str) -> bool:
        return False


def generated(count: int) -> list[Resource]:
    """The first resources of the made-up company of the benchmarks."""
    return list(resources(count))


def excerpt(estate: Sequence[Resource], asked: Iterable[Question]) -> list[Resource]:
    """A small estate for many questions: a few of the resources that each one wants, and some of all the others."""
    wanted = {key for question in asked for key in sorted(question.relevant(estate))[:WANTED]}
    return [
        resource for place, resource in enumerate(estate) if resource.canonical_key in wanted or place % ONE_IN == 0
    ]


def scanned(demo: Demo) -> list[Resource]:
    """Every resource of the demo, as a scan of all its accounts finds it."""
    with _inside(demo):
        scanner = Scanner(AccountSessions([Account(one["name"], profile=one["profile"]) for one in demo.accounts]))
        found = scanner.scan(services=SERVICES)
        return [resource for item in found if isinstance(item, PageRead) for resource in item.resources]


@contextmanager
def _inside(demo: Demo) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in demo.environment.items():
            patch.setenv(name, value)
        yield
