"""Snapshots in an S3 bucket. After an upload, the object's size and checksum are compared with the file's."""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup.archive import HEADER_BYTES, TRAILER_BYTES, header_in, rows_in
from cloudops_nb.storage.backup.disk import disk_errors, require_room
from cloudops_nb.storage.backup.places.s3_client import open_client, transfer_config
from cloudops_nb.storage.backup.places.snapshot_folder import FOLDER_NAME
from cloudops_nb.storage.backup.snapshot import Snapshot, parse_name
from cloudops_nb.storage.files.store_file import STORE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.backup.archive import Header
    from cloudops_nb.storage.backup.places.snapshot_folder import SnapshotFolder

#: The maximum number of times that a request is sent; botocore repeats it after transient failures, with pauses.
ATTEMPTS: Final = 3
#: Files of at least this size are uploaded in parts of this size.
PART_BYTES: Final = 16 << 20
#: The longest wait for a response, in seconds, without and with ``fail_fast``.
_READ_SECONDS, _FAIL_FAST_SECONDS = 20.0, 4.0
#: A multipart upload that is older than this counts as abandoned.
_ABANDONED = timedelta(days=1)
#: Error codes of servers that cannot encrypt at rest; a server without an encryption key may return InternalError.
_CANNOT_ENCRYPT = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest", "InternalError"})

#: Error codes of an upload whose object exists already; uploads never replace an object.
_OBJECT_EXISTS = frozenset({"PreconditionFailed", "412"})
_LONGEST_MARKER = 4096
#: The owner of a prefix whose ``store.json`` is unreadable; it is not the id of any store.
_UNKNOWN_OWNER = "?"


class SnapshotBucket:
    """Snapshots below ``{s3_prefix}/snapshots/`` in ``s3_bucket``; the bucket must exist.

    A prefix belongs to the store whose id is in ``{s3_prefix}/store.json``. The first store that uploads to the prefix
    writes this file. No object is ever replaced, even if several hosts upload at the same time.

    After a transient failure, botocore repeats the request, up to :data:`ATTEMPTS` times in total. A denial, a missing
    bucket and missing credentials fail at once. boto3's own configuration applies, including ``AWS_ENDPOINT_URL``.

    Args:
        settings: The bucket, the prefix, the profile and the region.
        local: The local snapshots; downloads are stored there temporarily.
        fail_fast: If true, send each request only once, with a short time limit, because a person waits.
    """

    def __init__(self, settings: Settings, local: SnapshotFolder, *, fail_fast: bool = False) -> None:
        self.bucket = settings.s3_bucket
        self._marker = "/".join(part for part in (settings.s3_prefix, STORE_NAME) if part)
        self._fail_fast = fail_fast
        self._prefix = "/".join(part for part in (settings.s3_prefix, FOLDER_NAME) if part)
        self._profile, self._region = settings.s3_profile, settings.s3_region
        self._local = local
        self._rows: dict[Snapshot, int | None] = {}
        self._claimed = ""

    @property
    def configured(self) -> bool:
        """True if the settings name a bucket."""
        return bool(self.bucket)

    def key(self, snapshot: Snapshot) -> str:
        """Return the key of a snapshot's object in the bucket."""
        return f"{self._prefix}/{snapshot.kind}/{snapshot.name}"

    def owner(self) -> str | None:
        """Return the id of the store that owns the prefix; ``None`` if no store owns it."""
        with self._errors("the snapshots in S3 cannot be listed") as client:
            try:
                content = client.get_object(Bucket=self.bucket, Key=self._marker)["Body"].read(_LONGEST_MARKER)
            except client.exceptions.NoSuchKey:
                return None
        try:
            return str(json.loads(content)["store_id"]) or _UNKNOWN_OWNER
        except (ValueError, KeyError, TypeError):
            return _UNKNOWN_OWNER

    def claim(self, store_id: str) -> None:
        """Claim the prefix for a store, if no store owns it; after the first success, further calls do not ask S3.

        Raises:
            BackupError: The prefix belongs to another store.
        """
        if self._claimed == store_id:
            return
        owner = self.owner()
        if owner is None:
            content = json.dumps({"store_id": store_id}).encode() + b"\n"
            with self._errors("the snapshots were not uploaded") as client, _ignore_existing_object():
                client.put_object(Bucket=self.bucket, Key=self._marker, Body=content)
            owner = self.owner()
        if owner != store_id:
            raise self.refusal("the snapshots were not uploaded")
        self._claimed = store_id

    def refusal(self, what: str) -> BackupError:
        """Return the error for a prefix that belongs to another store."""
        why = f"the prefix belongs to another store, according to s3://{self.bucket}/{self._marker}"
        return BackupError(what, why, "Set another s3_prefix for this store.")

    def snapshots(self, kind: str) -> list[Snapshot]:
        """List the snapshots of a kind in no particular order; other objects are ignored."""
        found = []
        with self._errors("the snapshots in S3 cannot be listed") as client:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{self._prefix}/{kind}/", Delimiter="/"
            )
            for entry in (entry for page in pages for entry in page.get("Contents", [])):
                name = entry["Key"].rpartition("/")[2]
                parsed = parse_name(name)
                if parsed is not None and parsed[0] == kind:
                    found.append(Snapshot(kind, name, parsed[1], entry["Size"]))
        return found

    def rows(self, snapshot: Snapshot) -> int | None:
        """Read the number of rows from the object's end, and cache the number, because snapshots never change."""
        if snapshot not in self._rows:
            self._rows[snapshot] = self._read_row_count(snapshot) if snapshot.bytes >= TRAILER_BYTES else None
        return self._rows[snapshot]

    def header(self, snapshot: Snapshot) -> Header | None:
        """Read the unverified header from the object's beginning; ``None`` if it is unreadable."""
        with self._errors(f"{snapshot.name} cannot be read") as client:
            first_bytes = f"bytes=0-{HEADER_BYTES - 1}"
            response = client.get_object(Bucket=self.bucket, Key=self.key(snapshot), Range=first_bytes)
            return header_in(response["Body"].read())

    @contextmanager
    def opened(self, snapshot: Snapshot) -> Iterator[BinaryIO]:
        """Download the object to a hidden file, which is open in the block and removed afterwards."""
        what = f"{snapshot.name} cannot be downloaded"
        with self._local.scratch(snapshot.kind, what) as (stream, _):
            require_room(self._local.folder, snapshot.bytes, what)
            with disk_errors(what), self._errors(what) as client:
                client.download_fileobj(self.bucket, self.key(snapshot), stream, Config=transfer_config(PART_BYTES))
            stream.seek(0)
            yield stream

    def remove(self, snapshot: Snapshot) -> None:
        """Remove the object."""
        with self._errors(f"{snapshot.name} cannot be removed from S3") as client:
            client.delete_object(Bucket=self.bucket, Key=self.key(snapshot))

    def upload(self, snapshot: Snapshot, path: Path) -> str | None:
        """Upload a snapshot's file, then compare the object in S3 with the file.

        The upload requests encryption at rest. If the server does not support that, the file is uploaded without it,
        because the snapshot itself is encrypted.

        Returns:
            A remark, usually empty; ``None`` if S3 has, and keeps, a different snapshot of this name.

        Raises:
            BackupError: S3 refused the request, failed or did not respond, or the object in S3 differs from the file.
        """
        what = f"{snapshot.name} was not uploaded"
        with self._errors(what) as client:
            client.head_bucket(Bucket=self.bucket)
            note = self._put_if_absent(client, snapshot, path)
            found = client.head_object(Bucket=self.bucket, Key=self.key(snapshot), ChecksumMode="ENABLED")
        checksum = found.get("ChecksumSHA256")
        matches = found["ContentLength"] == path.stat().st_size and not _differs(checksum, path)
        if note is None:  # the object existed; an earlier attempt may have made it, if its response was lost
            return "" if matches and checksum else None
        if not matches:
            raise BackupError(what, "the object in S3 differs from the file", "Back up again.")
        return note

    def abort_abandoned(self) -> int:
        """Abort the abandoned multipart uploads of snapshots below this prefix; returns the number of these uploads."""
        aborted = 0
        with self._errors("unfinished uploads cannot be removed from S3") as client:
            response = client.list_multipart_uploads(Bucket=self.bucket, Prefix=f"{self._prefix}/")
            for upload in response.get("Uploads", []):
                old = datetime.now(UTC) - upload["Initiated"] > _ABANDONED
                if old and self._is_snapshot_key(upload["Key"]):
                    client.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
                    aborted += 1
        return aborted

    def _is_snapshot_key(self, key: str) -> bool:
        folder, _, name = key.rpartition("/")
        parsed = parse_name(name)
        return parsed is not None and folder == f"{self._prefix}/{parsed[0]}"

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        client = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()

    def _put_if_absent(self, client: Any, snapshot: Snapshot, path: Path) -> str | None:
        """Upload a file unless the object exists; returns a remark, or ``None`` if the object exists."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import ClientError

        from cloudops_nb.storage.backup.places.s3_errors import code_of

        transfer = (str(path), self.bucket, self.key(snapshot))
        checksum = {"ChecksumAlgorithm": "SHA256"}
        encrypted = {**checksum, "ServerSideEncryption": "AES256"}
        with _ignore_existing_object():
            try:
                client.upload_file(*transfer, ExtraArgs=encrypted, Config=transfer_config(PART_BYTES))
            except (Boto3Error, ClientError) as error:
                if code_of(error) not in _CANNOT_ENCRYPT:
                    raise
            else:
                return ""
            client.upload_file(*transfer, ExtraArgs=checksum, Config=transfer_config(PART_BYTES))
            return "the server does not encrypt at rest; the snapshot itself is encrypted"
        return None

    def _read_row_count(self, snapshot: Snapshot) -> int | None:
        with self._errors(f"{snapshot.name} cannot be read") as client:
            response = client.get_object(Bucket=self.bucket, Key=self.key(snapshot), Range=f"bytes=-{TRAILER_BYTES}")
            return rows_in(response["Body"].read(), snapshot.bytes)

    @cached_property
    def _client(self) -> Any:
        attempts, seconds = (1, _FAIL_FAST_SECONDS) if self._fail_fast else (ATTEMPTS, _READ_SECONDS)
        return open_client(self._profile, self._region, attempts=attempts, read_seconds=seconds)

    @contextmanager
    def _errors(self, what: str) -> Iterator[Any]:
        from cloudops_nb.storage.backup.places.s3_errors import s3_errors

        with s3_errors(what, self.bucket):
            yield self._client


@contextmanager
def _ignore_existing_object() -> Iterator[None]:
    """Suppress the error that S3 returns if the object exists already."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import ClientError

    from cloudops_nb.storage.backup.places.s3_errors import code_of

    try:
        yield
    except (Boto3Error, ClientError) as error:
        if code_of(error) not in _OBJECT_EXISTS:
            raise


def _differs(checksum: str | None, path: Path) -> bool:
    """Return whether the object's checksum in S3 differs from the file's; a missing checksum counts as equal.

    A server that does not store checksums still compares the checksum during the upload. The checksum of an object that
    was uploaded in parts is the hash of its parts' concatenated digests, followed by ``-<number of parts>``
    (docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html).
    """
    if not checksum:
        return False
    digests = _part_digests(path)
    if "-" not in checksum:
        return checksum != base64.b64encode(digests[0]).decode()
    whole = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()
    return checksum != f"{whole}-{len(digests)}"


def _part_digests(path: Path) -> list[bytes]:
    with path.open("rb") as stream:
        return [hashlib.sha256(part).digest() for part in iter(partial(stream.read, PART_BYTES), b"")]
