"""The AWS calls of a scan: paced, counted, stoppable, and followed to the last page."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.paginate import Paginator
from botocore.parsers import ResponseParserError

from cloudops_nb.aws.error_states import classify, truncation_field
from cloudops_nb.aws.user_agent import purpose
from cloudops_nb.declarations.selectors import select
from cloudops_nb.model import CellState
from cloudops_nb.scanner.calls.call_errors import BrokenAnswerError, NotOfferedError, ScanStoppedError, TruncatedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.client import BaseClient

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.scanner.calls.rate_limiter import RateLimiter


@dataclass(slots=True)
class CallTally:
    """The calls and retries of one cell; thread-safe."""

    calls: int = 0
    retries: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, metadata: Mapping[str, Any]) -> int:
        """Count one call by the metadata of its answer, and return its retries."""
        retries = int(metadata.get("RetryAttempts", 0))
        with self._lock:
            self.calls += 1
            self.retries += retries
        return retries


class AwsCalls:
    """Calls into one account: each waits for its rate limit, and no call starts after ``stop`` is set.

    Args:
        sessions: The sessions of the configured accounts.
        account_id: The account to call.
        limits: The token buckets that pace the calls.
        stop: Set when the scan is stopped.
        word: The purpose in the user agent of each call, see :func:`~cloudops_nb.aws.user_agent.purpose`.
    """

    def __init__(
        self, sessions: AccountSessions, account_id: str, limits: RateLimiter, stop: threading.Event, word: str = ""
    ) -> None:
        self._word = word
        self._sessions = sessions
        self._account_id = account_id
        self._limits = limits
        self._stop = stop
        self.tally = CallTally()

    def call(self, service: str, region: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call and return its answer.

        Raises:
            ClientError: AWS refused the call, even after botocore's retries.
            BotoCoreError: AWS gave no answer.
            BrokenAnswerError: AWS gave an incomplete answer.
            CloudOpsError: The account cannot be entered.
            ScanStoppedError: The scan was stopped before the call.
        """
        client = self._sessions.client(self._account_id, service, region, operation)
        return self._paced_method(client, service, region, operation)(**parameters)

    def check_offered(self, service: str, region: str) -> None:
        """Check that a service has an endpoint in a region; makes no call to the service.

        Raises:
            NotOfferedError: The service has no endpoint there.
            CloudOpsError: The account cannot be entered.
        """
        if not self._sessions.offers(self._account_id, service, region):
            raise NotOfferedError

    def joined_pages(self, service: str, region: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return one answer with the lists of all its pages joined; raises as :meth:`pages`."""
        first, *others = self.pages(service, region, operation, parameters, None)
        keys = (self._sessions.paginator(service, operation) or {}).get("result_key", ())
        for key in [keys] if isinstance(keys, str) else keys:
            joined = select(key, first)
            if isinstance(joined, list):
                joined += [item for page in others for item in select(key, page) or ()]
        return first

    def pages(
        self,
        service: str,
        region: str,
        operation: str,
        parameters: Mapping[str, Any],
        page_size: int | None,
        *,
        rules: Mapping[str, Any] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield every page of an operation; raises as :meth:`call`, at the page that failed.

        Args:
            service: botocore's name of the service.
            region: The region to call.
            operation: The operation's name.
            parameters: The operation's parameters.
            page_size: Items per page; ``None`` leaves the size to the service.
            rules: Paging rules in botocore's format, for an operation that botocore cannot page.

        Raises:
            TruncatedError: The last page says that more pages follow.
        """
        rules = rules or self._sessions.paginator(service, operation)
        client = self._sessions.client(self._account_id, service, region, operation)
        method = self._paced_method(client, service, region, operation)
        page: dict[str, Any] = {}
        if rules is None:
            page = method(**parameters)
            yield page
        else:
            model = client.meta.service_model.operation_model(operation)
            config = {} if page_size is None else {"PageSize": page_size}
            # botocore's type stubs ask for the method's name and a plain dict; Paginator calls the method itself.
            paginator: Any = Paginator(cast("Any", method), dict(rules), model)
            for page in paginator.paginate(**parameters, PaginationConfig=config):
                yield page
        flag = truncation_field(page, via_paginator=rules is not None)
        if flag:
            raise TruncatedError(f"{operation} returned {flag} but no next page")

    def _paced_method(
        self, client: BaseClient, service: str, region: str, operation: str
    ) -> Callable[..., dict[str, Any]]:
        bucket = self._limits.bucket(self._account_id, region, service, operation)
        method = getattr(client, xform_name(operation))

        def paced(**parameters: Any) -> dict[str, Any]:
            grant = bucket.reserve()
            # Waits for the token, but ends at once if the scan is stopped.
            if self._stop.wait(grant.seconds):
                raise ScanStoppedError
            try:
                with purpose(self._word):
                    answer: dict[str, Any] = method(**parameters)
            except ClientError as error:
                self.tally.count(error.response.get("ResponseMetadata", {}))
                if classify(error, region=region).state is CellState.THROTTLED:
                    bucket.throttled(grant)
                raise
            # botocore raises this for an answer that is not valid JSON or XML, for example one that was cut off.
            except ResponseParserError as error:
                self.tally.count({})
                raise BrokenAnswerError(" ".join(str(error).split())) from error
            except Exception:
                self.tally.count({})
                raise
            # botocore hides a throttle that a retry overcame; nearly every retried call was throttled.
            if self.tally.count(answer.get("ResponseMetadata", {})):
                bucket.throttled(grant)
            else:
                bucket.succeeded(grant)
            return answer

        return paced
