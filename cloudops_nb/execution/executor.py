"""Making one AWS call, and telling a refused call from one whose answer was lost."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from cloudops_nb.errors import CloudOpsError
from cloudops_nb.execution.no_retry import single_attempt
from cloudops_nb.execution.validation import fitted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudops_nb.execution.ports import Clients

#: AWS's words for "not done, ask later"; with these a 5xx answer is a definite refusal.
THROTTLING_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_FIRST_SERVER_STATUS = 500


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One API call with its parameters; ``changes`` says that it may change something, so it is sent once only."""

    account_id: str
    region: str
    service: str
    api: str
    parameters: Mapping[str, Any]
    changes: bool = False


@dataclass(frozen=True, slots=True)
class CallResult:
    """What became of a call.

    ``problem`` is empty when AWS answered; ``code`` is AWS's error code or the error's class. ``lost`` says that nobody
    knows whether the call took effect; ``transient`` that asking again may succeed. ``request_id`` is AWS's own id of
    the request, empty if no answer came.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    code: str = ""
    lost: bool = False
    transient: bool = False
    request_id: str = ""


class Executor(Protocol):
    """How a step's call is made."""

    def call(self, call: ApiCall) -> CallResult:
        """Make the call; a failure is a result, never an exception.

        A call that ``changes`` something is sent at most once.
        """


class InProcess:
    """Makes calls through boto3 in this process, with each parameter in the type that the API wants.

    Reads are retried as the client's own configuration says; changes are sent once. Safe from several threads.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def call(self, call: ApiCall) -> CallResult:
        """See :meth:`Executor.call`."""
        from botocore import xform_name
        from botocore.exceptions import ClientError

        try:
            client = self._clients.client(call.account_id, call.service, call.region)
            method = getattr(client, xform_name(call.api))
        except (CloudOpsError, AttributeError) as error:
            return CallResult(problem=str(error), code=type(error).__name__)
        try:
            answer = self._send(client, method, call)
            return CallResult(data=answer, request_id=_request_id(answer))
        except ClientError as error:
            return _answered(error, call)
        except Exception as error:  # noqa: BLE001 - whatever broke the call, the record must say how it ended
            return _unanswered(error, call)

    def _send(self, client: Any, method: Callable[..., Any], call: ApiCall) -> Mapping[str, Any]:
        parameters = fitted(call.api, call.parameters, client.meta.service_model)
        with single_attempt(client) if call.changes else nullcontext():
            answer: Mapping[str, Any] = method(**parameters)
        return answer


def _answered(error: Any, call: ApiCall) -> CallResult:
    """AWS said no. A server fault may have come after the work was done, a client fault cannot."""
    details = error.response.get("Error", {})
    code = str(details.get("Code", "Unknown"))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    throttled = code in THROTTLING_CODES
    server_fault = status >= _FIRST_SERVER_STATUS and not throttled
    return CallResult(
        problem=f"{code}: {details.get('Message', '')}".strip().rstrip(":"),
        code=code,
        lost=server_fault and call.changes,
        transient=server_fault or throttled,
        request_id=_request_id(error.response),
    )


def _request_id(answer: Mapping[str, Any]) -> str:
    return str(answer.get("ResponseMetadata", {}).get("RequestId", ""))


def _unanswered(error: Exception, call: ApiCall) -> CallResult:
    """No answer came; only errors from before the sending prove that nothing happened."""
    from botocore import exceptions

    never_sent = (
        exceptions.ParamValidationError,
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.TokenRetrievalError,
        exceptions.SSOError,
        exceptions.EndpointConnectionError,
        exceptions.ConnectTimeoutError,
        exceptions.ProxyConnectionError,
    )
    return CallResult(
        problem=f"{type(error).__name__}: {error}",
        code=type(error).__name__,
        lost=call.changes and not isinstance(error, never_sent),
        transient=isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError),
    )
