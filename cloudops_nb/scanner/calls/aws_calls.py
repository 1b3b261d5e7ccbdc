"""Makes the AWS calls of a scan: paces and counts them, follows each listing to its last page, and stops on request."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.paginate import Paginator

from cloudops_nb.aws.error_states import classify, truncation_field
from cloudops_nb.aws.fast_botocore.door import ParserError
from cloudops_nb.aws.read_only import require_read_only
from cloudops_nb.aws.user_agent import purpose
from cloudops_nb.declarations.selectors import select
from cloudops_nb.model import CellState
from cloudops_nb.scanner.calls.call_errors import BrokenResponseError, NotOfferedError, ScanStoppedError, TruncatedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.client import BaseClient

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.scanner.calls.rate_limiter import RateLimiter


@dataclass(slots=True)
class CallTally:
    """Counts the calls and retries of one :class:`AwsCalls`; thread-safe."""

    calls: int = 0
    retries: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, metadata: Mapping[str, Any]) -> int:
        """Count one call and the retries that the metadata of its response report; return the number of retries."""
        retries = int(metadata.get("RetryAttempts", 0))
        with self._lock:
            self.calls += 1
            self.retries += retries
        return retries


class AwsCalls:
    """Makes calls into one account. Each call waits for its rate limit. No call starts after ``stop`` is set.

    Args:
        sessions: The sessions of the configured accounts.
        account_id: The account to call.
        limits: The token buckets that pace the calls.
        stop: Set when the scan is stopped.
        user_agent_purpose: A text such as ``scan/0a1b2c`` that every call carries in its user agent, so that CloudTrail
            shows which scan made it.
    """

    def __init__(
        self,
        sessions: AccountSessions,
        account_id: str,
        limits: RateLimiter,
        stop: threading.Event,
        user_agent_purpose: str = "",
    ) -> None:
        self._user_agent_purpose = user_agent_purpose
        self._sessions = sessions
        self._account_id = account_id
        self._limits = limits
        self._stop = stop
        self.tally = CallTally()

    def call(self, service: str, region: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call and return its response.

        Raises:
            ClientError: AWS returned an error, even after botocore's retries.
            BotoCoreError: botocore could not send the call, or AWS did not respond.
            BrokenResponseError: The response cannot be parsed, or is incomplete.
            CloudOpsError: The account is not configured, or its credentials do not work or belong to another account.
            ScanStoppedError: The scan was stopped before the call.
            ConfigurationError: The operation does not only read (:mod:`cloudops_nb.aws.read_only`).
        """
        client = self._sessions.client(self._account_id, service, region, operation)
        return self._paced_method(client, service, region, operation)(**parameters)

    def check_offered(self, service: str, region: str) -> None:
        """Check that a service has an endpoint in a region, without a call to the service.

        Raises:
            NotOfferedError: The service has no endpoint in the region.
            CloudOpsError: The account is not configured, or its credentials do not work or belong to another account.
        """
        if not self._sessions.offers(self._account_id, service, region):
            raise NotOfferedError

    def parameter_types(self, service: str, region: str, operation: str) -> dict[str, str]:
        """Return the type of each parameter of an operation, in botocore's words: ``string``, ``list`` and so on.

        Raises:
            CloudOpsError: The account is not configured, or its credentials do not work or belong to another account.
        """
        client = self._sessions.client(self._account_id, service, region, operation)
        shape = client.meta.service_model.operation_model(operation).input_shape
        return {name: member.type_name for name, member in shape.members.items()} if shape else {}

    def joined_pages(self, service: str, region: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the first page, with the list items of all further pages added; raises the errors of :meth:`pages`."""
        first, *further = self.pages(service, region, operation, parameters, None)
        result_keys = (self._sessions.paginator(service, operation) or {}).get("result_key", ())
        for key in [result_keys] if isinstance(result_keys, str) else result_keys:
            joined = select(key, first)
            if isinstance(joined, list):
                joined += [item for page in further for item in select(key, page) or ()]
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
        """Yield every page of an operation; if a page cannot be read, raises the errors of :meth:`call` at that page.

        Args:
            service: botocore's name for the service.
            region: The region to call.
            operation: The operation's name.
            parameters: The operation's parameters.
            page_size: The number of items per page; if ``None``, the service chooses it.
            rules: Pagination rules in botocore's format, for an operation that botocore does not paginate.

        Raises:
            TruncatedError: The last page says that more items follow, but there is no way to request them.
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
            # Paginator needs the method itself, because it calls it; only botocore's type stubs require a name instead.
            paginator: Any = Paginator(cast("Any", method), dict(rules), model)
            for page in paginator.paginate(**parameters, PaginationConfig=config):
                yield page
        truncated_by = truncation_field(page, via_paginator=rules is not None)
        if truncated_by:
            raise TruncatedError(f"{operation} returned {truncated_by} but no next page")

    def _paced_method(
        self, client: BaseClient, service: str, region: str, operation: str
    ) -> Callable[..., dict[str, Any]]:
        # Each declaration was checked when it was loaded. Check again, because all calls of a scan pass this place.
        require_read_only(service, operation)
        bucket = self._limits.bucket(self._account_id, region, service, operation)
        method = getattr(client, xform_name(operation))

        def paced(**parameters: Any) -> dict[str, Any]:
            grant = bucket.reserve()
            # Wait until the granted token becomes valid. If the scan is stopped, the wait ends at once.
            if self._stop.wait(grant.seconds):
                raise ScanStoppedError
            try:
                with purpose(self._user_agent_purpose):
                    response: dict[str, Any] = method(**parameters)
            except ClientError as error:
                self.tally.count(error.response.get("ResponseMetadata", {}))
                if classify(error, region=region).state is CellState.THROTTLED:
                    bucket.throttled(grant)
                raise
            # botocore raises this for a response that is not valid JSON or XML, for example one that was cut off.
            except ParserError as error:
                self.tally.count({})
                raise BrokenResponseError(" ".join(str(error).split())) from error
            except Exception:
                self.tally.count({})
                raise
            # botocore does not report a throttled call whose retry succeeded. Nearly every retried call was throttled.
            if self.tally.count(response.get("ResponseMetadata", {})):
                bucket.throttled(grant)
            else:
                bucket.succeeded(grant)
            return response

        return paced
