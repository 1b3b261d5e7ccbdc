"""The S3 client for snapshots: its requests have time limits, and its uploads never replace an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig

CONNECT_SECONDS: Final = 5.0
#: The two operations that create an object: an upload in one request, and the completion of a multipart upload.
_WRITES: Final = ("PutObject", "CompleteMultipartUpload")


def open_client(profile: str, region: str, *, attempts: int, read_seconds: float) -> Any:
    """Return a client that never replaces an object: an upload fails with ``PreconditionFailed`` if the object exists.

    Args:
        profile: The AWS profile with the credentials; empty for boto3's default.
        region: The AWS region; empty for boto3's default.
        attempts: The maximum number of times that a request is sent.
        read_seconds: The longest wait for a response, in seconds.
    """
    import boto3
    from botocore.config import Config

    session = boto3.Session(profile_name=profile or None, region_name=region or None)
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=min(CONNECT_SECONDS, read_seconds),
        read_timeout=read_seconds,
    )
    client = session.client("s3", config=config)
    for operation in _WRITES:  # upload_file() has no argument for If-None-Match, so an event handler adds it
        client.meta.events.register(f"provide-client-params.s3.{operation}", _add_no_overwrite_condition)
    return client


def transfer_config(part_bytes: int) -> TransferConfig:
    """Return the configuration of uploads and downloads: parts of ``part_bytes``, transferred in the calling thread."""
    from boto3.s3.transfer import TransferConfig

    # Without threads, because Python waits for the transfer threads at exit, so a slow transfer would delay the exit.
    return TransferConfig(multipart_threshold=part_bytes, multipart_chunksize=part_bytes, use_threads=False)


def _add_no_overwrite_condition(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {**params, "IfNoneMatch": "*"}
