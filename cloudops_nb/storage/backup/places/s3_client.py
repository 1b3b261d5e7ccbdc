"""The client of S3: patient enough for a server that is busy, never long enough to hold up a program's end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig

CONNECT_SECONDS: Final = 5.0
#: What writes an object at once, and what makes one of its parts.
_WRITES: Final = ("PutObject", "CompleteMultipartUpload")


def open_client(profile: str, region: str, *, attempts: int, read_seconds: float) -> Any:
    """Return a client that never replaces an object: to write where there is one fails with ``PreconditionFailed``.

    Args:
        profile: The profile of the credentials, empty for boto3's own choice.
        region: Likewise.
        attempts: How often a request is made before it counts as failed.
        read_seconds: How long one waits for an answer.
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
    for operation in _WRITES:  # boto3's uploads do not take the condition as an argument
        client.meta.events.register(f"provide-client-params.s3.{operation}", _only_if_there_is_none)
    return client


def transfer_of(part_bytes: int) -> TransferConfig:
    """Return how files go up and down: in parts of a size, and in this thread, since Python waits for any other."""
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(multipart_threshold=part_bytes, multipart_chunksize=part_bytes, use_threads=False)


def _only_if_there_is_none(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {**params, "IfNoneMatch": "*"}
