"""AWS calls as a scan makes them: paced, counted, stoppable, paged to the real end."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.paginate import Paginator

from cloudops_nb.model import CellState
from cloudops_nb.scanner.cells import classify, truncated
from cloudops_nb.scanner.user_agent import purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.client import BaseClient

    from cloudops_nb.scanner.rate_limit import RateLimits
    from cloudops_nb.scanner.sessions import AccountSessions


class ScanStoppedError(Exception):
    """Raised in a worker when nobody wants its result any more; it never leaves the scanner."""


class TruncatedError(Exception):
    """An answer said that there is more, but gave no way to get it."""


class BrokenAnswerError(Exception):
    """An answer lacks what it must have; it says nothing about the resources."""


@dataclass(slots=True)
class Tally:
    """Calls and retries of one cell, counted from several threads."""

    calls: int = 0
    retries: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, metadata: Mapping[str, Any]) -> int:
        """Count one call by its answer's metadata; return its retries."""
        retries = int(metadata.get("RetryAttempts", 0))
        with self._lock:
            self.calls += 1
            self.retries += retries
        return retries


class AwsCalls:
    """The calls into one account: each waits for its token first, and none starts once ``stop`` is set.

    ``word`` goes into the user agent of each, see :func:`~cloudops_nb.scanner.user_agent.purpose`.
    """

    def __init__(
        self, sessions: AccountSessions, account_id: str, limits: RateLimits, stop: threading.Event, word: str = ""
    ) -> None:
        self._word = word
        self._sessions = sessions
        self._account_id = account_id
        self._limits = limits
        self._stop = stop
        self.tally = Tally()

    def call(self, service: str, region: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call.

        Raises:
            ClientError: AWS refused it, after botocore's retries.
            BotoCoreError: There was no answer.
            CloudOpsError: The account cannot be entered.
            ScanStoppedError: The scan was stopped before the call.
        """
        client = self._sessions.client(self._account_id, service, region)
        return self._bound(client, service, region, operation)(**parameters)

    def pages(
        self, service: str, region: str, operation: str, parameters: Mapping[str, Any], page_size: int | None
    ) -> Iterator[dict[str, Any]]:
        """Yield every page of an operation; raises as :meth:`call`, at the page that failed.

        Raises:
            TruncatedError: The last page said that it was not the last.
        """
        rules = self._sessions.paginator(service, operation)
        client = self._sessions.client(self._account_id, service, region)
        method = self._bound(client, service, region, operation)
        page: dict[str, Any] = {}
        if rules is None:
            page = method(**parameters)
            yield page
        else:
            model = client.meta.service_model.operation_model(operation)
            config = {} if page_size is None else {"PageSize": page_size}
            # The stubs of botocore take the method for its name, and the rules for a plain dict.
            paginator: Any = Paginator(cast("Any", method), dict(rules), model)
            for page in paginator.paginate(**parameters, PaginationConfig=config):
                yield page
        flag = truncated(page)
        if flag:
            raise TruncatedError(f"{operation} answered {flag} and gave no next page")

    def _bound(self, client: BaseClient, service: str, region: str, operation: str) -> Callable[..., dict[str, Any]]:
        bucket = self._limits.bucket(self._account_id, region, service, operation)
        method = getattr(client, xform_name(operation))

        def paced(**parameters: Any) -> dict[str, Any]:
            if self._stop.wait(bucket.reserve()):
                raise ScanStoppedError
            try:
                with purpose(self._word):
                    answer: dict[str, Any] = method(**parameters)
            except ClientError as error:
                self.tally.count(error.response.get("ResponseMetadata", {}))
                if classify(error, region=region).state is CellState.THROTTLED:
                    bucket.throttled()
                raise
            except Exception:
                self.tally.count({})
                raise
            # botocore hides a throttle that a retry overcame; a retried call is nearly always one.
            if self.tally.count(answer.get("ResponseMetadata", {})):
                bucket.throttled()
            else:
                bucket.succeeded()
            return answer

        return paced
