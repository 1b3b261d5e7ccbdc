"""Fifty known values through every door of the store: none of them in its folder, its snapshots or the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.storage.facade import StorageService
from tests.storage.backup.conftest import BUCKET
from tests.storage.canaries import found, readable
from tests.storage.conftest import WordEmbedder, ended_owners
from tests.storage.encryption.test_canaries import CANARIES, fill

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.settings import Settings


def test_no_value_can_be_read_in_the_data_path_the_snapshots_or_the_bucket(
    s3_settings: Settings, bucket: Any, tmp_path: Path
) -> None:
    embedder = WordEmbedder()
    with ended_owners(tmp_path), StorageService(s3_settings, lambda: embedder) as storage:
        fill(storage)
        assert storage.backup.snapshot().ok
        storage.estate.search(f"{CANARIES[0]} in {CANARIES[46]}")
        assert storage.health()["reachable"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    uploaded = {
        item["Key"]: bucket.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
        for item in bucket.list_objects_v2(Bucket=BUCKET, Prefix=s3_settings.s3_prefix)["Contents"]
    }
    assert len(CANARIES) == 50
    assert len([path for path in files if path.suffix == ".snapshot"]) == 3
    assert len([key for key in uploaded if key.endswith(".snapshot")]) == 3
    assert readable(files, CANARIES) == {}
    assert {key: found(key.encode() + content, CANARIES) for key, content in uploaded.items()} == {
        key: set() for key in uploaded
    }
