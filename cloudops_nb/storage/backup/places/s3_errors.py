"""One-line explanations of S3's errors."""

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
#: The cause and the remedy for each error code of S3; ``{bucket}`` is the bucket's name.
_MEANINGS: Final = {
    "NoSuchBucket": ("the bucket {bucket} does not exist", "Create the bucket, or correct s3_bucket."),
    "404": ("the bucket {bucket} does not exist", "Create the bucket, or correct s3_bucket."),
    "NoSuchKey": ("the object is not in the bucket {bucket}", "List the backups."),
    "AccessDenied": ("S3 denies access", _PERMISSIONS),
    "403": ("S3 denies access", _PERMISSIONS),
    "ExpiredToken": ("the credentials have expired", "Renew the credentials."),
    "InvalidAccessKeyId": ("S3 rejects the credentials", "Correct s3_profile."),
    "SignatureDoesNotMatch": ("S3 rejects the credentials", "Correct s3_profile."),
    "PermanentRedirect": ("the bucket {bucket} is in another region", "Correct s3_region."),
    "AuthorizationHeaderMalformed": ("the bucket {bucket} is in another region", "Correct s3_region."),
    "301": ("the bucket {bucket} is in another region", "Correct s3_region."),
}


@contextmanager
def s3_errors(what: str, bucket: str) -> Iterator[None]:
    """Turn boto3's errors into one-line errors that begin with ``what``.

    Raises:
        BackupError: S3 refused the request, failed or did not respond, or boto3 could not send the request.
    """
    try:
        yield
    except (BotoCoreError, Boto3Error, ClientError) as error:
        why, fix = _meaning(error, bucket)
        raise BackupError(what, why, fix) from error
    except ValueError as error:  # botocore raises ValueError for an invalid endpoint URL or bucket name
        why = "boto3 cannot use the configuration"
        raise BackupError(what, why, "Correct AWS_ENDPOINT_URL, s3_region and s3_bucket.") from error


def code_of(error: BaseException | None) -> str:
    """Return S3's error code, even if boto3 wrapped S3's error in an error of its own; empty for other errors."""
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
        return f"S3 returned the error {code}", "Try again later."
    if isinstance(error, NoCredentialsError):
        return "no AWS credentials were found", "Set s3_profile, or log in."
    if isinstance(error, ProfileNotFound):
        return "the profile does not exist", "Correct s3_profile."
    if isinstance(error, S3ConnectionError | ReadTimeoutError):
        return "S3 does not answer", "The local snapshots are unchanged; try again later."
    return f"boto3 reports {type(error).__name__}", ""
