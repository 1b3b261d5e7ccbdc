"""Snapshots in a bucket, uploaded whole, compared after the upload, and encrypted before it."""

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
from cloudops_nb.storage.backup.places.s3_client import open_client, transfer_of
from cloudops_nb.storage.backup.places.snapshot_folder import FOLDER_NAME
from cloudops_nb.storage.backup.snapshot import Snapshot, parse_name
from cloudops_nb.storage.files.store_file import STORE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.backup.archive import Header
    from cloudops_nb.storage.backup.places.snapshot_folder import SnapshotFolder

#: How often a request is made before it counts as failed; botocore repeats what may pass, and waits in between.
ATTEMPTS: Final = 3
#: Files from this size on are uploaded in parts of this size.
PART_BYTES: Final = 16 << 20
#: How long one waits for an answer, in seconds; and where somebody waits for a look.
_READ_SECONDS, _LOOK_SECONDS = 20.0, 4.0
#: After this time an upload in parts that was not finished never will be.
_ABANDONED = timedelta(days=1)
#: How servers answer that cannot encrypt at rest; one without a key for it may just fail.
_CANNOT_ENCRYPT = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest", "InternalError"})

#: How they answer where an object is not to be replaced.
_THERE_IS_ONE = frozenset({"PreconditionFailed", "412"})
_LONGEST_MARKER = 4096
#: Stands for the owner of a prefix whose marker cannot be read; no store's id.
_SOMEBODY = "?"


class SnapshotBucket:
    """Snapshots below ``{s3_prefix}/snapshots/`` in ``s3_bucket``, which is never created here.

    A prefix belongs to the store that is named in ``{s3_prefix}/store.json``, which the first to upload writes. No
    object is ever replaced, whoever else writes at the same time.

    Requests that fail in passing are repeated by botocore, up to :data:`ATTEMPTS` in all; a refusal, a bucket or
    credentials that are missing fail at once. boto3's own configuration counts, ``AWS_ENDPOINT_URL`` too.

    Args:
        settings: The bucket, the prefix, the profile and the region.
        local: Where downloads are written meanwhile.
        looks_only: Whether somebody waits for the answers: a request is made once, and not for long.
    """

    def __init__(self, settings: Settings, local: SnapshotFolder, *, looks_only: bool = False) -> None:
        self.bucket = settings.s3_bucket
        self._marker = "/".join(part for part in (settings.s3_prefix, STORE_NAME) if part)
        self._looks_only = looks_only
        self._prefix = "/".join(part for part in (settings.s3_prefix, FOLDER_NAME) if part)
        self._profile, self._region = settings.s3_profile, settings.s3_region
        self._local = local
        self._rows: dict[Snapshot, int | None] = {}
        self._claimed = ""

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

    def owner(self) -> str | None:
        """Return the id of the store that the prefix belongs to; ``None`` if nobody has claimed it."""
        with self._errors("the snapshots in S3 cannot be listed") as client:
            try:
                content = client.get_object(Bucket=self.bucket, Key=self._marker)["Body"].read(_LONGEST_MARKER)
            except client.exceptions.NoSuchKey:
                return None
        try:
            return str(json.loads(content)["store_id"]) or _SOMEBODY
        except (ValueError, KeyError, TypeError):
            return _SOMEBODY

    def claim(self, store_id: str) -> None:
        """Claim the prefix for a store, if nobody has; done once.

        Raises:
            BackupError: It belongs to another store.
        """
        if self._claimed == store_id:
            return
        owner = self.owner()
        if owner is None:
            content = json.dumps({"store_id": store_id}).encode() + b"\n"
            with self._errors("the snapshots were not uploaded") as client, _taken():
                client.put_object(Bucket=self.bucket, Key=self._marker, Body=content)
            owner = self.owner()
        if owner != store_id:
            raise self.refusal("the snapshots were not uploaded")
        self._claimed = store_id

    def refusal(self, what: str) -> BackupError:
        """Return the error that the prefix is another store's."""
        why = f"s3://{self.bucket}/{self._marker} says that another store keeps its snapshots there"
        return BackupError(what, why, "Give this store an s3_prefix of its own.")

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

    def header(self, snapshot: Snapshot) -> Header | None:
        """Read the header from the object's beginning, unverified."""
        with self._errors(f"{snapshot.name} cannot be read") as client:
            wanted = f"bytes=0-{HEADER_BYTES - 1}"
            return header_in(client.get_object(Bucket=self.bucket, Key=self.key(snapshot), Range=wanted)["Body"].read())

    @contextmanager
    def opened(self, snapshot: Snapshot) -> Iterator[BinaryIO]:
        """Download the object to a hidden file."""
        what = f"{snapshot.name} cannot be downloaded"
        with self._local.scratch(snapshot.kind, what) as (stream, _):
            require_room(self._local.folder, snapshot.bytes, what)
            with disk_errors(what), self._errors(what) as client:
                client.download_fileobj(self.bucket, self.key(snapshot), stream, Config=transfer_of(PART_BYTES))
            stream.seek(0)
            yield stream

    def remove(self, snapshot: Snapshot) -> None:
        """Remove the object."""
        with self._errors(f"{snapshot.name} cannot be removed from S3") as client:
            client.delete_object(Bucket=self.bucket, Key=self.key(snapshot))

    def upload(self, snapshot: Snapshot, path: Path) -> str | None:
        """Upload a snapshot's file and compare what arrived; returns what is worth knowing about it, mostly nothing.

        ``None`` means that another snapshot has the name, which was not replaced. The server is asked to encrypt at
        rest as well; one that cannot still gets the file, which is encrypted itself.

        Raises:
            BackupError: S3 refused, failed, does not answer, or keeps something else than was sent.
        """
        what = f"{snapshot.name} was not uploaded"
        with self._errors(what) as client:
            client.head_bucket(Bucket=self.bucket)
            note = self._put(client, snapshot, path)
            found = client.head_object(Bucket=self.bucket, Key=self.key(snapshot), ChecksumMode="ENABLED")
        kept = found.get("ChecksumSHA256")
        same = found["ContentLength"] == path.stat().st_size and not _differs(kept, path)
        if note is None:  # or it was this very upload, whose answer was lost
            return "" if same and kept else None
        if not same:
            raise BackupError(what, "S3 keeps something else than was sent", "Back up again.")
        return note

    def abort_abandoned(self) -> int:
        """Abort the uploads in parts that were begun here and can no longer be finished; returns how many."""
        aborted = 0
        with self._errors("unfinished uploads cannot be removed from S3") as client:
            answer = client.list_multipart_uploads(Bucket=self.bucket, Prefix=f"{self._prefix}/")
            for upload in answer.get("Uploads", []):
                old = datetime.now(UTC) - upload["Initiated"] > _ABANDONED
                if old and self._is_ours(upload["Key"]):
                    client.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
                    aborted += 1
        return aborted

    def _is_ours(self, key: str) -> bool:
        folder, _, name = key.rpartition("/")
        parsed = parse_name(name)
        return parsed is not None and folder == f"{self._prefix}/{parsed[0]}"

    def close(self) -> None:
        """Close the connections; the next use opens others."""
        client = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()

    def _put(self, client: Any, snapshot: Snapshot, path: Path) -> str | None:
        """Put a file where there is none; ``None`` if there is one."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import ClientError

        from cloudops_nb.storage.backup.places.s3_errors import code_of

        where = (str(path), self.bucket, self.key(snapshot))
        checksum = {"ChecksumAlgorithm": "SHA256"}
        encrypted = {**checksum, "ServerSideEncryption": "AES256"}
        with _taken():
            try:
                client.upload_file(*where, ExtraArgs=encrypted, Config=transfer_of(PART_BYTES))
            except (Boto3Error, ClientError) as error:
                if code_of(error) not in _CANNOT_ENCRYPT:
                    raise
            else:
                return ""
            client.upload_file(*where, ExtraArgs=checksum, Config=transfer_of(PART_BYTES))
            return "the server does not encrypt at rest; the snapshot itself is encrypted"
        return None

    def _read_rows(self, snapshot: Snapshot) -> int | None:
        with self._errors(f"{snapshot.name} cannot be read") as client:
            answer = client.get_object(Bucket=self.bucket, Key=self.key(snapshot), Range=f"bytes=-{TRAILER_BYTES}")
            return rows_in(answer["Body"].read())

    @cached_property
    def _client(self) -> Any:
        attempts, seconds = (1, _LOOK_SECONDS) if self._looks_only else (ATTEMPTS, _READ_SECONDS)
        return open_client(self._profile, self._region, attempts=attempts, read_seconds=seconds)

    @contextmanager
    def _errors(self, what: str) -> Iterator[Any]:
        from cloudops_nb.storage.backup.places.s3_errors import s3_errors

        with s3_errors(what, self.bucket):
            yield self._client


@contextmanager
def _taken() -> Iterator[None]:
    """Pass over that there is an object already where one was to be written."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import ClientError

    from cloudops_nb.storage.backup.places.s3_errors import code_of

    try:
        yield
    except (Boto3Error, ClientError) as error:
        if code_of(error) not in _THERE_IS_ONE:
            raise


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
