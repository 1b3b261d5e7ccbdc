"""The errors of a scan's calls, and the state that each error gives to a cell.

A cell is one resource type in one account and region.
"""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from cloudops_nb.aws.error_states import NOT_OFFERED, Failure, classify
from cloudops_nb.errors import AwsError
from cloudops_nb.model import CellState


class ScanStoppedError(Exception):
    """Raised in a worker after the scan was stopped; it never reaches the caller of a scan."""


class ResponseError(Exception):
    """AWS responded, but the response breaks the operation's contract."""


class TruncatedError(ResponseError):
    """A response says that more items follow, but the next page cannot be requested."""


class BrokenResponseError(ResponseError):
    """A response cannot be parsed or lacks a required part, so it must not count as an empty response."""


class NotOfferedError(Exception):
    """The service has no endpoint in the region, so no call was made."""


#: Errors after which a part of a resource is missing. A selector (a JMESPath expression that picks a value from a
#: response) raises ValueError for data of an unexpected form.
READ_FAILURES = (ClientError, BotoCoreError, AwsError, ResponseError, ValueError)


def failure_of(error: Exception, *, region: str) -> Failure:
    """Return the state and detail for a cell whose listing failed with this error.

    A broken response leads to the state ``error``, never to that of an empty cell.
    """
    if isinstance(error, ResponseError):
        return Failure(CellState.ERROR, str(error))
    if isinstance(error, NotOfferedError):
        return Failure(CellState.SERVICE_UNAVAILABLE, NOT_OFFERED)
    return classify(error, region=region)


def failure_unless_expired(error: Exception, region: str) -> Failure:
    """Return the failure that explains why a part of a resource could not be read.

    Raises:
        Exception: The given error, if it means that the credentials expired. The whole task must then be repeated.
    """
    failure = failure_of(error, region=region)
    if failure.state is CellState.EXPIRED:
        raise error
    return failure
