"""What can go wrong with a scan's calls, and how a cell ends by it."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from cloudops_nb.aws.error_states import NOT_OFFERED, Failure, classify
from cloudops_nb.errors import AwsError
from cloudops_nb.model import CellState


class ScanStoppedError(Exception):
    """Raised in a worker when nobody wants its result any more; it never leaves the scanner."""


class AnswerError(Exception):
    """AWS answered, but not with what it must have answered."""


class TruncatedError(AnswerError):
    """An answer said that there is more, but gave no way to get it."""


class BrokenAnswerError(AnswerError):
    """An answer lacks what it must have; it says nothing about the resources."""


class NotOfferedError(Exception):
    """Nothing was asked: the service has no endpoint in the region."""


#: What may be raised while something is read that can be missing; a selector on data of an odd form raises the last.
READ_FAILURES = (ClientError, BotoCoreError, AwsError, AnswerError, ValueError)


def failure_of(error: Exception, *, region: str) -> Failure:
    """Tell what an error means for a listing; an answer that is not whole is an error, never an empty one."""
    if isinstance(error, AnswerError):
        return Failure(CellState.ERROR, str(error))
    if isinstance(error, NotOfferedError):
        return Failure(CellState.SERVICE_UNAVAILABLE, NOT_OFFERED)
    return classify(error, region=region)


def failure_unless_expired(error: Exception, region: str) -> Failure:
    """Return what an error means for what it kept from being read; expired credentials are raised again."""
    failure = failure_of(error, region=region)
    if failure.state is CellState.EXPIRED:
        raise error
    return failure
