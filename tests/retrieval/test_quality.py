"""Search finds what people want, with the real model, on the demo's estate and on a generated one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudops_nb.embedding import open_embedder
from cloudops_nb.settings import Settings
from cloudops_nb.storage.facade import StorageService
from tests.retrieval.estates import LARGE, excerpt, generated, scanned
from tests.retrieval.evaluation import Score, by_kind, evaluate, questions
from tests.storage.conftest import ended_owners

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cloudops_nb.demo import Demo
    from cloudops_nb.embedding import Embedder
    from cloudops_nb.model import Resource

#: The lowest recall at 5 of each kind.
FLOORS = {"exact": 0.98, "fragment": 0.98, "typo": 0.95, "concept": 0.9, "tag": 0.9, "place": 0.9}


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory, demo: Demo, models_path: Path) -> list[Score]:
    """Every query asked once."""
    embedder = open_embedder(Settings(embedding_path=models_path))
    estates = {"demo": scanned(demo), "generated": excerpt(generated(LARGE), questions("generated"))}
    return [
        score
        for name, estate in estates.items()
        for score in asked_of(name, estate, tmp_path_factory.mktemp(name), embedder)
    ]


def asked_of(name: str, estate: Sequence[Resource], folder: Path, embedder: Embedder) -> list[Score]:
    settings = Settings(data_path=folder / "store", key_file=folder / "encryption.key")
    asked = questions(name)
    with ended_owners(folder), StorageService(settings, lambda: embedder) as service:
        service.estate.upsert(estate, scan_id="scan-1")

        def search(query: str, limit: int) -> list[Resource]:
            return [hit.resource for hit in service.estate.search(query, limit=limit)]

        return list(evaluate(search, asked, estate))


@pytest.mark.parametrize("kind", FLOORS)
def test_what_people_want_is_among_the_first_five(scores: list[Score], kind: str) -> None:
    held_out = [score for score in scores if score.question.held_out]

    assert by_kind(scores)[kind][1] >= FLOORS[kind]
    assert by_kind(held_out)[kind][1] >= FLOORS[kind]


def test_nearly_every_first_hit_is_wanted(scores: list[Score]) -> None:
    assert sum(score.recall_1 for score in scores) / len(scores) >= 0.95


def test_what_people_want_is_there(scores: list[Score]) -> None:
    assert [score.question.query for score in scores if score.lacking] == []
