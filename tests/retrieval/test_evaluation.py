"""The evaluation itself: what is relevant, and how an answer is scored."""

from __future__ import annotations

from collections import Counter

import pytest

from cloudops_nb.model import Resource
from tests.retrieval.estates import excerpt
from tests.retrieval.evaluation import KINDS, Question, by_kind, evaluate, questions

pytestmark = pytest.mark.fast

ESTATE = [
    Resource("sqs_queue", f"queue-{number}", "1", "eu-west-1", "sqs", name=f"queue-{number}", account_name="staging")
    for number in range(8)
]


def score(found: list[Resource], **want: object):
    question = Question("demo", "exact", held_out=False, query="q", want=[want] if want else [])
    (scored,) = evaluate(lambda _query, limit: found[:limit], [question], ESTATE)
    return scored


def test_the_first_hit_and_the_place_of_the_first_relevant_one_count() -> None:
    scored = score([ESTATE[3], ESTATE[4]], name="queue-4")

    assert (scored.recall_1, scored.recall_5, scored.reciprocal_rank) == (0.0, 1.0, 0.5)


def test_recall_of_a_set_is_bounded_by_what_fits_into_the_depth() -> None:
    assert score(ESTATE, type="sqs_queue").recall_5 == 1.0
    assert score(ESTATE[:2], name=["queue-0", "queue-1", "queue-2", "queue-3"]).recall_5 == 0.5


def test_where_nothing_is_relevant_only_an_empty_answer_is_right() -> None:
    assert score([]).recall_5 == 1.0
    assert score(ESTATE[:1]).recall_5 == 0.0


def test_an_environment_is_its_accounts() -> None:
    assert score(ESTATE, environment="staging").recall_1 == 1.0
    assert score(ESTATE, environment="production").recall_1 == 0.0


def test_means_are_taken_by_kind() -> None:
    assert by_kind([score(ESTATE, name="queue-0"), score([], name="queue-0")])["exact"] == (0.5, 0.5, 0.5)


def test_the_set_is_large_varied_and_partly_held_out() -> None:
    asked = [*questions("demo"), *questions("generated")]
    counted = Counter((question.kind, question.held_out) for question in asked)

    assert len(asked) >= 200
    assert {kind for kind, _ in counted} == set(KINDS)
    assert min(counted.values()) >= 8
    assert len({(question.estate, question.query) for question in asked}) == len(asked)


def test_an_excerpt_has_some_of_all() -> None:
    asked = [Question("generated", "exact", held_out=False, query="q", want=[{"name": "queue-3"}])]

    assert excerpt(ESTATE, asked) == [ESTATE[0], ESTATE[3]]
