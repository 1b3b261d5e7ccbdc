"""Resources as DataFrames: one row each, always the same columns, of the same types."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from cloudops_nb.client.frames import hits_frame, resources_frame
from cloudops_nb.model import RESOURCE_COLUMNS, IamPermissions, Resource, SearchHit

pytestmark = pytest.mark.fast

SYNCED = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
HITS = [
    SearchHit(
        Resource(
            "sqs_queue", "orders", "1" * 12, "eu-west-1", "sqs", "arn:aws:sqs:eu-west-1:111111111111:orders", "orders",
            "", "prod", {"App": "orders"},
            IamPermissions(
                ("sqs:SendMessage",), (), ("sqs:DeleteQueue", "sqs:PurgeQueue"), allowed_by_account=("sqs:PurgeQueue",)
            ),
            last_synced=SYNCED,
        ),
        3.5, "exact name", "ok",
    ),
    SearchHit(Resource("s3_bucket", "logs", "2" * 12, "global", "s3"), 0.25, "similar meaning"),
]  # fmt: skip


def test_a_row_says_all_of_a_hit_in_the_order_of_the_columns() -> None:
    frame = hits_frame(iter(HITS), scored=True)

    assert tuple(frame.columns) == (*RESOURCE_COLUMNS, "score", "why")
    assert frame.iloc[0].tolist() == [
        "orders", "orders", "sqs_queue", "1" * 12, "prod", "eu-west-1", "sqs", "",
        "arn:aws:sqs:eu-west-1:111111111111:orders", {"App": "orders"}, ["sqs:SendMessage"], [],
        ["sqs:DeleteQueue", "sqs:PurgeQueue"], ["sqs:PurgeQueue"], SYNCED, {}, "ok", 3.5, "exact name",
    ]  # fmt: skip
    assert frame["identifier"].tolist() == ["orders", "logs"]
    assert frame["as_of"].isna().tolist() == [False, True]


def test_columns_have_the_types_that_pandas_gives_rows() -> None:
    frame = hits_frame(HITS, scored=True)

    pd.testing.assert_frame_equal(frame, pd.DataFrame(frame.to_dict("records"), columns=frame.columns))
    assert str(frame["as_of"].dtype).startswith("datetime64[")
    assert {name for name in frame if frame[name].dtype == object} >= {
        "tags",
        "allowed",
        "denied",
        "unknown",
        "allowed_by_account",
    }
    assert frame["score"].dtype == float


def test_without_hits_the_columns_are_there() -> None:
    for scored in (True, False):
        frame = hits_frame([], scored=scored)
        assert tuple(frame.columns) == (*RESOURCE_COLUMNS, *(("score", "why") if scored else ()))
        assert set(frame.dtypes) == {pd.Series([], dtype=object).dtype}
        assert len(frame) == 0


def test_a_resource_without_a_hit_has_no_state_of_its_cell() -> None:
    frame = resources_frame(hit.resource for hit in HITS)

    assert tuple(frame.columns) == RESOURCE_COLUMNS
    assert frame["cell_state"].tolist() == ["", ""]
    assert frame.drop(columns="cell_state").equals(hits_frame(HITS, scored=False).drop(columns="cell_state"))


def test_a_frame_is_altered_without_altering_a_resource() -> None:
    frame = hits_frame(HITS, scored=True)
    frame["tags"][0]["App"] = frame["allowed"][0][0] = "another"

    assert HITS[0].resource.tags == {"App": "orders"}
    assert HITS[0].resource.iam.allowed == ("sqs:SendMessage",)
