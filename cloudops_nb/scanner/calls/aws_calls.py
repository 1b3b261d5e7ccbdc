"""AWS calls as a scan makes them: paced, counted, stoppable, paged to the real end."""

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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.client import BaseClient

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.scanner.calls.rate_limit import RateLimits


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

    ``word`` goes into the user agent of each, see :func:`~cloudops_nb.aws.user_agent.purpose`.
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
            BrokenAnswerError: There was one, but not a whole one.
            CloudOpsError: The account cannot be entered.
            ScanStoppedError: The scan was stopped before the call.
        """
        client = self._sessions.client(self._account_id, service, region, operation)
        return self._bound(client, service, region, operation)(**parameters)

    def check_offered(self, service: str, region: str) -> None:
        """See that there is any use in calls to a service in a region.

        Raises:
            NotOfferedError: There is none.
            CloudOpsError: The account cannot be entered.
        """
        if not self._sessions.offers(self._account_id, service, region):
            raise NotOfferedError

    def whole(self, service: str, region: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer with its pages, where it has several, joined into one; raises as :meth:`pages`."""
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
            region: Where to ask.
            operation: The operation's name.
            parameters: What it is given.
            page_size: Items a page; the service's own choice if ``None``.
            rules: How the operation is paged if botocore does not know it, in botocore's words.

        Raises:
            TruncatedError: The last page said that it was not the last.
        """
        rules = rules or self._sessions.paginator(service, operation)
        client = self._sessions.client(self._account_id, service, region, operation)
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
        flag = truncation_field(page, paged=rules is not None)
        if flag:
            raise TruncatedError(f"{operation} answered {flag} and gave no next page")

    def _bound(self, client: BaseClient, service: str, region: str, operation: str) -> Callable[..., dict[str, Any]]:
        bucket = self._limits.bucket(self._account_id, region, service, operation)
        method = getattr(client, xform_name(operation))

        def paced(**parameters: Any) -> dict[str, Any]:
            grant = bucket.reserve()
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
            except ResponseParserError as error:
                self.tally.count({})
                raise BrokenAnswerError(" ".join(str(error).split())) from error
            except Exception:
                self.tally.count({})
                raise
            # botocore hides a throttle that a retry overcame; a retried call is nearly always one.
            if self.tally.count(answer.get("ResponseMetadata", {})):
                bucket.throttled(grant)
            else:
                bucket.succeeded(grant)
            return answer

        return paced
