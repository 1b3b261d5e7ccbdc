"""Snapshots in a bucket of a real S3 server."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup.places import snapshot_bucket as module
from cloudops_nb.storage.backup.places.snapshot_bucket import SnapshotBucket
from cloudops_nb.storage.backup.places.snapshot_folder import SnapshotFolder
from cloudops_nb.storage.files.store_file import prepare_data_path
from tests.storage.backup.conftest import BUCKET, client_of, free_ports, seaweedfs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.backup.snapshot import Snapshot

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PART = 5 << 20


@pytest.fixture
def local(s3_settings: Settings) -> SnapshotFolder:
    prepare_data_path(s3_settings.data_path)
    return SnapshotFolder(s3_settings.data_path)


@pytest.fixture
def place(s3_settings: Settings, local: SnapshotFolder) -> Iterator[SnapshotBucket]:
    place = SnapshotBucket(s3_settings, local)
    yield place
    place.close()


def snapshot_in(local: SnapshotFolder, content: bytes = b"content" * 100) -> Snapshot:
    with local.create("journal", NOON) as draft:
        draft.stream.write(content)
    return draft.snapshot


def upload(place: SnapshotBucket, local: SnapshotFolder, content: bytes = b"content" * 100) -> Snapshot:
    snapshot = snapshot_in(local, content)
    assert place.upload(snapshot, local.path(snapshot)) == ""
    return snapshot


def test_an_uploaded_snapshot_is_listed_under_its_name_and_comes_back(
    place: SnapshotBucket, local: SnapshotFolder
) -> None:
    snapshot = upload(place, local)

    assert place.snapshots("journal") == [snapshot]
    assert place.snapshots("aws_estate") == []
    with place.opened(snapshot) as stream:
        assert stream.read() == b"content" * 100
    assert [path.name for path in local.folder.glob("*/*")] == [snapshot.name]


def test_the_server_is_asked_to_encrypt_and_to_check(
    place: SnapshotBucket, local: SnapshotFolder, bucket: Any, s3_settings: Settings
) -> None:
    snapshot = upload(place, local)
    key = f"{s3_settings.s3_prefix}/snapshots/journal/journal_2026-01-02T12-00-00.snapshot"
    found = bucket.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")

    assert place.key(snapshot) == key
    assert found["ServerSideEncryption"] == "AES256"
    assert found["ChecksumSHA256"]


def test_a_large_snapshot_is_uploaded_in_parts_and_compared(
    place: SnapshotBucket, local: SnapshotFolder, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART_BYTES", PART)
    content = bytes(range(256)) * (2 * PART // 256) + b"rest"
    snapshot = upload(place, local, content)
    found = bucket.head_object(Bucket=BUCKET, Key=place.key(snapshot), ChecksumMode="ENABLED")

    assert found["ChecksumSHA256"].endswith("-3")
    with place.opened(snapshot) as stream:
        assert stream.read() == content
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket=BUCKET, Prefix=place.key(snapshot))


@pytest.mark.parametrize("size", [700, PART + 1])
def test_what_arrives_altered_is_no_upload(
    place: SnapshotBucket, local: SnapshotFolder, bucket: Any, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(module, "PART_BYTES", PART)
    snapshot = snapshot_in(local, bytes(size))
    put = place._put_if_absent

    def put_and_alter(*arguments: Any) -> str:
        note = put(*arguments)
        local.path(snapshot).write_bytes(b"\x01" + bytes(size - 1))
        return note

    monkeypatch.setattr(place, "_put_if_absent", put_and_alter)
    with pytest.raises(BackupError, match=r"was not uploaded: the object in S3 differs from the file"):
        place.upload(snapshot, local.path(snapshot))


def test_half_an_object_is_no_upload(
    place: SnapshotBucket, local: SnapshotFolder, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = snapshot_in(local)

    def put_half(*_: Any) -> str:
        bucket.put_object(Bucket=BUCKET, Key=place.key(snapshot), Body=b"content" * 50)
        return ""

    monkeypatch.setattr(place, "_put_if_absent", put_half)
    with pytest.raises(BackupError, match="the object in S3 differs from the file"):
        place.upload(snapshot, local.path(snapshot))


def test_the_number_of_rows_is_read_from_the_object_s_end(place: SnapshotBucket, local: SnapshotFolder) -> None:
    snapshot = upload(place, local, b"ciphertext" + b"t" * 16 + (42).to_bytes(8) + b"c" * 32)

    assert place.rows(snapshot) == 42


def test_objects_of_others_are_no_snapshots(place: SnapshotBucket, local: SnapshotFolder, bucket: Any) -> None:
    snapshot = upload(place, local)
    folder = place.key(snapshot).rpartition("/")[0]
    for name in ("notes.txt", "aws_estate_2026-01-02T12-00-00.snapshot", "deeper/journal_2026-01-03T12-00-00.snapshot"):
        bucket.put_object(Bucket=BUCKET, Key=f"{folder}/{name}", Body=b"")

    assert place.snapshots("journal") == [snapshot]


def test_a_removed_snapshot_is_gone(place: SnapshotBucket, local: SnapshotFolder) -> None:
    snapshot = upload(place, local)
    place.remove(snapshot)
    place.remove(snapshot)

    assert place.snapshots("journal") == []
    with pytest.raises(BackupError, match=r"cannot be downloaded: .*(not in the bucket|does not exist)"):
        place.opened(snapshot).__enter__()


def test_an_abandoned_upload_in_parts_is_aborted(
    place: SnapshotBucket, bucket: Any, s3_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"{s3_settings.s3_prefix}/snapshots/journal/journal_2026-01-02T12-00-00.snapshot"
    bucket.create_multipart_upload(Bucket=BUCKET, Key=key)
    assert place.abort_abandoned() == 0

    monkeypatch.setattr(module, "_ABANDONED", -module._ABANDONED)
    assert place.abort_abandoned() == 1
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket=BUCKET, Prefix=key)


def test_uploads_of_others_are_left_alone(
    place: SnapshotBucket, bucket: Any, s3_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"{s3_settings.s3_prefix}/snapshots/postgres/dump.sql"
    upload = bucket.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    monkeypatch.setattr(module, "_ABANDONED", -module._ABANDONED)

    assert place.abort_abandoned() == 0
    bucket.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload)


def test_a_malformed_endpoint_is_one_line(
    s3_settings: Settings, local: SnapshotFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:1")
    with pytest.raises(BackupError, match=r"cannot use the configuration\. Correct AWS_ENDPOINT_URL"):
        SnapshotBucket(s3_settings, local).check()


def test_a_silent_server_is_reported_as_not_answering(
    s3_settings: Settings, local: SnapshotFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FAIL_FAST_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        place = SnapshotBucket(s3_settings, local, fail_fast=True)
        with pytest.raises(BackupError, match="S3 does not answer"):
            place.check()
        place.close()


def test_a_bucket_that_does_not_exist_is_said_at_once_and_not_made(
    s3_settings: Settings, local: SnapshotFolder, bucket: Any
) -> None:
    place = SnapshotBucket(s3_settings.model_copy(update={"s3_bucket": "nowhere"}), local)
    snapshot = snapshot_in(local)
    path = local.path(snapshot)
    for action in (place.check, lambda: place.snapshots("journal"), lambda: place.upload(snapshot, path)):
        with pytest.raises(BackupError, match=r"nowhere does not exist\. Create the bucket, or correct s3_bucket"):
            action()
    place.close()

    with pytest.raises(ClientError, match="404"):
        bucket.head_bucket(Bucket="nowhere")


def test_a_server_that_is_down_is_one_line(
    s3_settings: Settings, local: SnapshotFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ATTEMPTS", 2)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_ports(1)[0]}")
    place = SnapshotBucket(s3_settings, local)
    with pytest.raises(BackupError, match="S3 does not answer") as raised:
        place.check()
    place.close()

    assert "\n" not in str(raised.value)


def test_passing_failures_are_tried_again_and_refusals_are_not(
    place: SnapshotBucket, local: SnapshotFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    place._client.meta.events.register("before-send.s3", lambda request, **_: asked.append(request.method))
    with pytest.raises(BackupError):
        SnapshotBucket.snapshots(_elsewhere(place), "journal")
    refused = len(asked)
    answers = iter([503, 503])

    def busy(request: Any, **_: Any) -> Any:
        asked.append(request.method)
        code = next(answers, None)
        return None if code is None else _response(request, code)

    place._client.meta.events.register("before-send.s3", busy)
    monkeypatch.setattr("time.sleep", lambda _: None)
    place.bucket = BUCKET

    assert refused == 1
    assert place.snapshots("journal") == []
    assert next(answers, "all were given") == "all were given"
    answers = iter([503] * 10)
    with pytest.raises(BackupError, match=r"cannot be listed: S3 returned the error 503\. Try again later"):
        place.snapshots("journal")
    assert len(list(answers)) == 10 - module.ATTEMPTS


def _elsewhere(place: SnapshotBucket) -> SnapshotBucket:
    place.bucket = "nowhere"
    return place


def _response(request: Any, code: int) -> Any:
    from io import BytesIO

    from botocore.awsrequest import AWSResponse

    class Raw(BytesIO):
        def stream(self, **_: Any) -> Iterator[bytes]:
            yield self.read()

    return AWSResponse(request.url, code, {}, Raw(b""))


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"AWS_PROFILE": "unheard-of"}, "the profile does not exist"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no AWS credentials were found"),
    ],
)
def test_missing_credentials_are_one_line(
    s3_settings: Settings,
    local: SnapshotFolder,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    why: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    place = SnapshotBucket(s3_settings, local)
    with pytest.raises(BackupError, match=why):
        place.check()
    place.close()


def test_a_server_that_cannot_encrypt_at_rest_still_gets_the_snapshot_and_it_is_said(
    s3_settings: Settings, local: SnapshotFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    with seaweedfs() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        place, snapshot = SnapshotBucket(s3_settings, local), snapshot_in(local)
        note = place.upload(snapshot, local.path(snapshot))
        client = client_of(endpoint)
        found = client.head_object(Bucket=BUCKET, Key=place.key(snapshot))
        client.close()
        place.close()

    assert note == "the server does not encrypt at rest; the snapshot itself is encrypted"
    assert "ServerSideEncryption" not in found
    assert found["ContentLength"] == 700
