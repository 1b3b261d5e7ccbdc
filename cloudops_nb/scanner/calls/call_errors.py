"""The errors of a scan's calls, and the state in which each of them ends a cell."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from cloudops_nb.aws.error_states import NOT_OFFERED, Failure, classify
from cloudops_nb.errors import AwsError
from cloudops_nb.model import CellState


class ScanStoppedError(Exception):
    """Raised in a worker after the scan was stopped; it never leaves the scanner."""


class AnswerError(Exception):
    """AWS answered, but the answer breaks the operation's contract."""


class TruncatedError(AnswerError):
    """An answer says that more items follow, but has no token for the next page."""


class BrokenAnswerError(AnswerError):
    """An answer lacks a required part, so it says nothing about the resources."""


class NotOfferedError(Exception):
    """The service has no endpoint in the region, so no call was made."""


#: Errors that leave a part of a resource unread; a selector raises ValueError for data of an unexpected form.
READ_FAILURES = (ClientError, BotoCoreError, AwsError, AnswerError, ValueError)


def failure_of(error: Exception, *, region: str) -> Failure:
    """Return how an error ends a listing; an incomplete answer is an error, never an empty listing."""
    if isinstance(error, AnswerError):
        return Failure(CellState.ERROR, str(error))
    if isinstance(error, NotOfferedError):
        return Failure(CellState.SERVICE_UNAVAILABLE, NOT_OFFERED)
    return classify(error, region=region)


def failure_unless_expired(error: Exception, region: str) -> Failure:
    """Return how an error explains a part of a resource that could not be read.

    Raises:
        Exception: The given error, if the credentials expired: that concerns the whole task.
    """
    failure = failure_of(error, region=region)
    if failure.state is CellState.EXPIRED:
        raise error
    return failure
