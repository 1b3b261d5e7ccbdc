"""One account's way to AWS: one botocore session, and the clients made from it."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cloudops_nb.aws.credentials import IMPATIENT
from cloudops_nb.aws.errors import label, translated
from cloudops_nb.aws.regions import COMMERCIAL, GLOBAL, default_regions, home_region, offered, partition_of_arn
from cloudops_nb.errors import CloudOpsError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from botocore.client import BaseClient
    from botocore.session import Session

    from cloudops_nb.aws.credentials import SessionFactory
    from cloudops_nb.model import Account

_log = logging.getLogger(__name__)
#: Seconds for which credentials that were just read are not read again.
_RENEWAL_HOLDS = 4.0
#: Seconds for which it is believed that an account may not ask for its regions.
_ASSUMPTION_HOLDS = 5.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who AWS says we are."""

    account_id: str
    arn: str


class AccountSession:
    """A botocore session for one configured account, and its cached clients.

    Thread-safe: making a client is serialised, because botocore's sessions are not safe in that; using one is not.
    Everything is made at its first use. :meth:`renew` drops it all, so that fresh credentials are read.
    """

    def __init__(self, account: Account, factory: SessionFactory, threads: int) -> None:
        self.account = account
        self.generation = 0
        self._factory = factory
        self._config = Config(
            max_pool_connections=threads,
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 5},
            tcp_keepalive=True,
        )
        self._direct = self._config.merge(Config(proxies={}))
        self._renewed = -math.inf
        self._lock = threading.RLock()
        self._session: Session | None = None
        self._own_endpoints: bool | None = None
        self._clients: dict[tuple[str, str, int], BaseClient] = {}
        self._caller: Caller | None = None
        self._first: Caller | None = None
        self._regions: tuple[str, ...] = ()
        self._regions_assumed = ""
        self._assumed = -math.inf

    @property
    def needs_person(self) -> bool:
        """Whether getting in asks somebody for a code, which must not happen in a worker thread."""
        with self._lock:
            return "mfa_serial" in self._opened().get_scoped_config()

    @property
    def entered_as(self) -> str:
        """The id of the account that AWS told first; empty before."""
        return self._first.account_id if self._first else ""

    @property
    def asks_before_use(self) -> bool:
        """Whether the next client makes a call, to learn whose the renewed credentials are."""
        return self._first is not None and self._caller is None

    @property
    def credential_method(self) -> str:
        """Botocore's word for where the credentials came from, as ``sso`` or ``env``; empty if there are none."""
        with self._lock:
            credentials = self._opened().get_credentials()
        return credentials.method if credentials else ""

    def caller(self, *, fresh: bool = False) -> Caller:
        """Return who AWS says we are; asked once, again after :meth:`renew`, and always with ``fresh``.

        Raises:
            CredentialsError: There are no usable credentials, or the role was refused.
            AwsUnreachableError: The endpoint does not answer.
            ConfigurationError: The AWS configuration is not usable, or now leads to another account than at first.
        """
        generation, caller = self.generation, self._caller
        if caller is not None and not fresh:
            return caller
        answer = self._asked("sts", "GetCallerIdentity")
        caller = Caller(answer["Account"], answer["Arn"])
        with self._lock:
            if self._first is None:
                self._first = caller
            if caller.account_id != self._first.account_id:
                self._caller = None
                what = f"{label(self.account)} now leads to account {caller.account_id}, not {self._first.account_id}"
                fix = "Restore the credentials, or open the notebook's accounts anew."
                raise ConfigurationError(what, "its credentials were replaced by another account's", fix)
            if generation == self.generation:
                self._caller = caller
        return caller

    @property
    def partition(self) -> str:
        """The partition that the account lies in, as far as is known without a call."""
        arn = self._first.arn if self._first else self.account.role_arn
        return partition_of_arn(arn) if arn else COMMERCIAL

    def client(self, service: str, region: str, operation: str = "") -> BaseClient:
        """Return the cached client; ``region`` may be ``global``.

        Args:
            service: botocore's name of the service.
            region: Where to ask.
            operation: What the client is for. It may have only the operations that are expected, and read of their
                answers what is expected; everything, if not given.

        Raises:
            CloudOpsError: As for :meth:`caller`.
        """
        if self._first is not None:
            self.caller()  # renewed credentials may be another account's: nothing is asked with those
        where = home_region(self.partition) if region == GLOBAL else region
        with self._lock:
            edition = self._factory.narrow_models.edition(service, operation)
            client = self._clients.get((service, where, edition))
            if client is None:
                client = self._created(service, where, narrow=edition > 0)
                self._clients[service, where, edition] = client
            return client

    def offers(self, service: str, region: str) -> bool:
        """Return whether there is any use in asking a service in a region, see :func:`.regions.offered`.

        Endpoints of the user's own, as of a simulation, are asked always: they may answer for every region.

        Raises:
            CloudOpsError: As for :meth:`caller`.
        """
        if self._has_own_endpoints():
            return True
        model = self._factory.narrow_models.load_service_model(service, "service-2")
        return offered(model["metadata"]["endpointPrefix"], region)

    def regions(self) -> Sequence[str]:
        """Return the regions that the account has; if it may not ask, those that every account has."""
        if not self._regions and time.monotonic() - self._assumed < _ASSUMPTION_HOLDS:
            return default_regions(self.partition)
        if not self._regions:
            try:
                answer = self._asked("ec2", "DescribeRegions")
                self._regions = tuple(sorted(region["RegionName"] for region in answer["Regions"]))
                self._regions_assumed = ""
            except CloudOpsError as error:
                _log.info("the regions of an account are assumed: ec2:DescribeRegions failed")
                self._regions_assumed = error.why or str(error)
                self._assumed = time.monotonic()
                return default_regions(self.partition)
        return self._regions

    @property
    def regions_assumed(self) -> str:
        """Why :meth:`regions` answered with the default regions; empty if AWS told."""
        return self._regions_assumed

    def renew(self, generation: int) -> bool:
        """Forget credentials and clients, unless another thread has done so since ``generation`` was read.

        Returns:
            Whether there are other credentials now than those of ``generation``. Those that expired a moment after they
            were read are not read again, or each cell of an account whose owner has to log in would do so.
        """
        with self._lock:
            if generation == self.generation:
                if time.monotonic() - self._renewed < _RENEWAL_HOLDS:
                    return False
                self._renewed = time.monotonic()
                self.generation += 1
                self._session = None
                self._own_endpoints = None
                self._caller = None
                self._assumed = -math.inf
                self._clients.clear()
                self._factory.forget_sources()
            return True

    def release(self, region: str) -> None:
        """Forget the clients of a region that is done; whoever still holds one can go on using it."""
        with self._lock:
            for key in [key for key in self._clients if key[1] == region]:
                del self._clients[key]

    def close(self) -> None:
        """Close every client's connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _has_own_endpoints(self) -> bool:
        with self._lock:
            if self._own_endpoints is None:
                configured = self._opened().get_scoped_config()
                of_configuration = {"endpoint_url", "services"} & configured.keys()
                self._own_endpoints = bool(of_configuration) or any(map(_is_endpoint, os.environ))
            return self._own_endpoints

    def _opened(self) -> Session:
        if self._session is None:
            try:
                self._session = self._factory.open(self.account)
            except BotoCoreError as error:
                raise translated(self.account, error) from error
        return self._session

    def _created(self, service: str, region: str, config: Config | None = None, *, narrow: bool = False) -> BaseClient:
        """Return a new client, configured as those of scans if not otherwise; the caller holds the lock."""
        session = self._opened()
        loader = self._factory.narrow_models if narrow else self._factory.loader
        session.register_component("data_loader", loader)
        if config is None:
            # Told that there are no proxies, botocore does not look through the whole environment again and again.
            config = self._config if getproxies() else self._direct
        try:
            client: BaseClient = session.create_client(service, region_name=region, config=config)
        except (BotoCoreError, ValueError) as error:
            raise translated(self.account, error) from error
        return client

    def _asked(self, service: str, operation: str) -> Any:
        """Make one identity call that fails within seconds."""
        with self._lock:
            session = self._opened()
        try:
            with self._lock:
                credentials = session.get_credentials()
            if credentials:
                # A role is assumed now, and not when everything else that can be done meanwhile is done.
                credentials.get_frozen_credentials()
            with self._lock:
                region = session.get_config_variable("region") or home_region(self.partition)
                client = self._created(service, region, IMPATIENT, narrow=True)
            try:
                return getattr(client, xform_name(operation))()
            finally:
                client.close()
        except (BotoCoreError, ClientError) as error:
            raise translated(self.account, error) from error


def _is_endpoint(variable: str) -> bool:
    return variable.startswith("AWS_ENDPOINT_URL")
