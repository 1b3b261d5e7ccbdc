"""What S3's errors mean to a person, in one line."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound, ReadTimeoutError
from botocore.exceptions import ConnectionError as S3ConnectionError

from cloudops_nb.errors import BackupError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PERMISSIONS: Final = (
    "Allow s3:ListBucket, GetObject, PutObject, DeleteObject, AbortMultipartUpload and ListBucketMultipartUploads."
)
#: Why and fix, by error code; ``{bucket}`` is the bucket's name.
_MEANINGS: Final = {
    "NoSuchBucket": ("the bucket {bucket} does not exist", "Make it, or correct s3_bucket."),
    "404": ("the bucket {bucket} does not exist", "Make it, or correct s3_bucket."),
    "NoSuchKey": ("it is not in the bucket {bucket}", "List the backups."),
    "AccessDenied": ("S3 refuses the access", _PERMISSIONS),
    "403": ("S3 refuses the access", _PERMISSIONS),
    "ExpiredToken": ("the credentials have expired", "Renew them."),
    "InvalidAccessKeyId": ("S3 does not know the credentials", "Correct s3_profile."),
    "SignatureDoesNotMatch": ("S3 does not know the credentials", "Correct s3_profile."),
    "PermanentRedirect": ("the bucket {bucket} lies in another region", "Correct s3_region."),
    "AuthorizationHeaderMalformed": ("the bucket {bucket} lies in another region", "Correct s3_region."),
    "301": ("the bucket {bucket} lies in another region", "Correct s3_region."),
}


@contextmanager
def s3_errors(what: str, bucket: str) -> Iterator[None]:
    """Give boto3's errors one line.

    Raises:
        BackupError: S3 refused, failed, or does not answer.
    """
    try:
        yield
    except (BotoCoreError, Boto3Error, ClientError) as error:
        why, fix = _meaning(error, bucket)
        raise BackupError(what, why, fix) from error
    except ValueError as error:  # so botocore says that an endpoint is no address, or a bucket's name is none
        why = "boto3 cannot use its configuration"
        raise BackupError(what, why, "Correct AWS_ENDPOINT_URL, s3_region and s3_bucket.") from error


def code_of(error: BaseException | None) -> str:
    """Return S3's code for an error, which boto3 may have wrapped; empty for an error of another source."""
    while error is not None:
        if isinstance(error, ClientError):
            return str(error.response.get("Error", {}).get("Code", ""))
        error = error.__cause__ or error.__context__
    return ""


def _meaning(error: Exception, bucket: str) -> tuple[str, str]:
    code = code_of(error)
    if code in _MEANINGS:
        why, fix = _MEANINGS[code]
        return why.format(bucket=bucket), fix
    if code:
        return f"S3 answered with {code}", "Try again later."
    if isinstance(error, NoCredentialsError):
        return "there are no AWS credentials for it", "Set s3_profile, or log in."
    if isinstance(error, ProfileNotFound):
        return "there is no such profile", "Correct s3_profile."
    if isinstance(error, S3ConnectionError | ReadTimeoutError):
        return "S3 does not answer", "The local snapshots are not touched; try again later."
    return f"boto3 reports {type(error).__name__}", ""
