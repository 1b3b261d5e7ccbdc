"""Snapshots in a bucket, uploaded whole, compared after the upload, and encrypted before it."""

from __future__ import annotations

import base64
import hashlib
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup.archive import TRAILER_BYTES, rows_in
from cloudops_nb.storage.backup.disk import disk_errors, require_room
from cloudops_nb.storage.backup.local import FOLDER_NAME
from cloudops_nb.storage.backup.snapshot import Snapshot, parse_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from boto3.s3.transfer import TransferConfig

    from cloudops_nb.settings import Settings
from cloudops_nb.storage.backup.local import LocalPlace

#: How often a request is made before it counts as failed; botocore repeats what may pass, and waits in between.
ATTEMPTS: Final = 4
#: Files from this size on are uploaded in parts of this size.
PART_BYTES: Final = 16 << 20
_CONNECT_SECONDS, _READ_SECONDS = 5, 60
#: After this time an upload in parts that was not finished never will be.
_ABANDONED = timedelta(days=1)
#: How servers answer that cannot encrypt at rest; one without a key for it may just fail.
_CANNOT_ENCRYPT = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest", "InternalError"})


class S3Place:
    """Snapshots below ``{s3_prefix}/snapshots/`` in ``s3_bucket``, which is never created here.

    Requests that fail in passing are repeated by botocore, up to :data:`ATTEMPTS` in all; a refusal, a bucket or
    credentials that are missing fail at once. boto3's own configuration counts, ``AWS_ENDPOINT_URL`` too.

    Args:
        settings: The bucket, the prefix, the profile and the region.
        local: Where downloads are written meanwhile.
    """

    def __init__(self, settings: Settings, local: LocalPlace) -> None:
        self.bucket = settings.s3_bucket
        self._prefix = "/".join(part for part in (settings.s3_prefix, FOLDER_NAME) if part)
        self._profile, self._region = settings.s3_profile, settings.s3_region
        self._local = local
        self._rows: dict[Snapshot, int | None] = {}

    @property
    def configured(self) -> bool:
        """Whether there is a bucket at all."""
        return bool(self.bucket)

    def key(self, snapshot: Snapshot) -> str:
        """Return a snapshot's key in the bucket."""
        return f"{self._prefix}/{snapshot.kind}/{snapshot.name}"

    def check(self) -> None:
        """Ask for the bucket.

        Raises:
            BackupError: It does not exist, is refused, or S3 does not answer.
        """
        with self._errors("the backups in S3 cannot be reached") as client:
            client.head_bucket(Bucket=self.bucket)

    def snapshots(self, kind: str) -> list[Snapshot]:
        """List the snapshots of a kind; other objects are left out."""
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
        """Read the number of rows from the object's end; asked once, because snapshots never change."""
        if snapshot not in self._rows:
            self._rows[snapshot] = self._read_rows(snapshot) if snapshot.bytes >= TRAILER_BYTES else None
        return self._rows[snapshot]

    @contextmanager
    def opened(self, snapshot: Snapshot) -> Iterator[BinaryIO]:
        """Download the object to a hidden file."""
        what = f"{snapshot.name} cannot be downloaded"
        with self._local.scratch(snapshot.kind, what) as (stream, _):
            require_room(self._local.folder, snapshot.bytes, what)
            with disk_errors(what), self._errors(what) as client:
                client.download_fileobj(self.bucket, self.key(snapshot), stream)
            stream.seek(0)
            yield stream

    def remove(self, snapshot: Snapshot) -> None:
        """Remove the object."""
        with self._errors(f"{snapshot.name} cannot be removed from S3") as client:
            client.delete_object(Bucket=self.bucket, Key=self.key(snapshot))

    def upload(self, snapshot: Snapshot, path: Path) -> str:
        """Upload a snapshot's file and compare what arrived; returns what is worth knowing about it, mostly nothing.

        The server is asked to encrypt at rest as well; one that cannot still gets the file, which is encrypted itself.

        Raises:
            BackupError: S3 refused, failed, does not answer, or keeps something else than was sent.
        """
        what = f"{snapshot.name} was not uploaded"
        with self._errors(what) as client:
            client.head_bucket(Bucket=self.bucket)
            note = self._put(client, snapshot, path)
            found = client.head_object(Bucket=self.bucket, Key=self.key(snapshot), ChecksumMode="ENABLED")
        if found["ContentLength"] != path.stat().st_size or _differs(found.get("ChecksumSHA256"), path):
            raise BackupError(what, "S3 keeps something else than was sent", "Back up again.")
        return note

    def abort_abandoned(self) -> int:
        """Abort the uploads in parts that were begun here and can no longer be finished; returns how many."""
        aborted = 0
        with self._errors("unfinished uploads cannot be removed from S3") as client:
            answer = client.list_multipart_uploads(Bucket=self.bucket, Prefix=f"{self._prefix}/")
            for upload in answer.get("Uploads", []):
                if datetime.now(UTC) - upload["Initiated"] > _ABANDONED:
                    client.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
                    aborted += 1
        return aborted

    def close(self) -> None:
        """Close the connections; the next use opens others."""
        client = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()

    def _put(self, client: Any, snapshot: Snapshot, path: Path) -> str:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import ClientError

        from cloudops_nb.storage.backup.s3_errors import code_of

        where = (str(path), self.bucket, self.key(snapshot))
        checksum = {"ChecksumAlgorithm": "SHA256"}
        encrypted = {**checksum, "ServerSideEncryption": "AES256"}
        try:
            client.upload_file(*where, ExtraArgs=encrypted, Config=_transfer())
        except (Boto3Error, ClientError) as error:
            if code_of(error) not in _CANNOT_ENCRYPT:
                raise
            client.upload_file(*where, ExtraArgs=checksum, Config=_transfer())
            return "the server does not encrypt at rest; the snapshot itself is encrypted"
        return ""

    def _read_rows(self, snapshot: Snapshot) -> int | None:
        with self._errors(f"{snapshot.name} cannot be read") as client:
            answer = client.get_object(Bucket=self.bucket, Key=self.key(snapshot), Range=f"bytes=-{TRAILER_BYTES}")
            return rows_in(answer["Body"].read())

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        session = boto3.Session(profile_name=self._profile or None, region_name=self._region or None)
        config = Config(
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
        )
        return session.client("s3", config=config)

    @contextmanager
    def _errors(self, what: str) -> Iterator[Any]:
        from cloudops_nb.storage.backup.s3_errors import s3_errors

        with s3_errors(what, self.bucket):
            yield self._client


def _transfer() -> TransferConfig:
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES)


def _differs(kept: str | None, path: Path) -> bool:
    """Whether S3's checksum is not the file's; a server that keeps none has compared it on arrival."""
    if not kept:
        return False
    digests = _part_digests(path)
    if "-" not in kept:
        return kept != base64.b64encode(digests[0]).decode()
    whole = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()
    return kept != f"{whole}-{len(digests)}"


def _part_digests(path: Path) -> list[bytes]:
    with path.open("rb") as stream:
        return [hashlib.sha256(part).digest() for part in iter(partial(stream.read, PART_BYTES), b"")]
