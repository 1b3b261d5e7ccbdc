"""The botocore session of one account, and the clients made from it."""

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
from botocore.exceptions import BotoCoreError

from cloudops_nb.aws.account_errors import ENTRY_FAILURES, account_label, configured_id, entry_error, missing_mfa_code
from cloudops_nb.aws.credentials import (
    IDENTITY_CALL_CONFIG,
    can_ask_for_mfa_code,
    profile_account_id,
    prompts_for_mfa_code,
)
from cloudops_nb.aws.endpoints import configured_endpoints, is_aws_endpoint
from cloudops_nb.aws.read_only import scan_refusal
from cloudops_nb.aws.regions import COMMERCIAL, GLOBAL, default_regions, home_region, offered, partition_of_arn
from cloudops_nb.errors import CloudOpsError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from botocore.client import BaseClient
    from botocore.session import Session

    from cloudops_nb.aws.credentials import SessionFactory
    from cloudops_nb.model import Account

_log = logging.getLogger(__name__)
#: Seconds after a renewal of the credentials during which they are not renewed again, even if they expire.
_RENEWAL_SECONDS = 4.0
#: Seconds for which :meth:`AccountSession.regions` returns default regions after ``ec2:DescribeRegions`` has failed.
_ASSUMED_REGIONS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller identity that ``sts:GetCallerIdentity`` returned."""

    account_id: str
    arn: str


class AccountSession:
    """The botocore sessions of one configured account, and their cached clients.

    There are two sessions with the same credentials. Clients for operations that only read are made by a session that
    may have the fast parts of :mod:`cloudops_nb.aws.fast_botocore`. Every other client, and so each that makes a
    changing call, is made by a session of plain botocore, which also loads the credentials.

    Thread-safe: several threads may use a client of botocore, but they may not create clients from one session at the
    same time. So clients are created under a lock. Sessions, credentials and clients are created when first used.
    :meth:`renew` drops them, so that the next use reads the credentials again.

    Args:
        account: The account as configured.
        factory: Opens the botocore session.
        threads: The largest number of threads that use one client at the same time.
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
        self._config_without_proxies = self._config.merge(Config(proxies={}))
        self._renewed_at = -math.inf
        self._lock = threading.RLock()
        self._session: Session | None = None
        self._scan_session: Session | None = None
        self._custom_endpoints: bool | None = None
        self._clients: dict[tuple[str, str, int | None], BaseClient] = {}
        self._caller: Caller | None = None
        self._first_caller: Caller | None = None
        self._regions: tuple[str, ...] = ()
        self._regions_assumed = ""
        self._regions_assumed_at = -math.inf

    @property
    def needs_mfa_code(self) -> bool:
        """Whether botocore prompts for an MFA code to get credentials. A worker thread must not cause such a prompt."""
        if self.account.role_arn and self.account.mfa_serial:
            return True
        with self._lock:
            profile = self.account.source_profile if self.account.role_arn else self.account.profile
            return prompts_for_mfa_code(self._botocore_session(), profile)

    @property
    def known_account_id(self) -> str:
        """The configured account id, else the one that AWS reported, else that of the profile; empty if unknown."""
        known = configured_id(self.account) or self.entered_account_id
        if known or self.account.role_arn:
            return known
        try:
            with self._lock:
                return profile_account_id(self._botocore_session())
        except CloudOpsError:
            return ""

    @property
    def entered_account_id(self) -> str:
        """The account id in the first response of ``sts:GetCallerIdentity``; empty before that response."""
        return self._first_caller.account_id if self._first_caller else ""

    @property
    def caller_is_unchecked(self) -> bool:
        """Whether the identity of renewed credentials is unknown, so that the next :meth:`client` first calls AWS."""
        return self._first_caller is not None and self._caller is None

    @property
    def credential_method(self) -> str:
        """Botocore's name for the source of the credentials, such as ``sso``; empty if there are no credentials."""
        with self._lock:
            credentials = self._botocore_session().get_credentials()
        return credentials.method if credentials else ""

    def caller(self, *, fresh: bool = False) -> Caller:
        """Return the caller identity, cached until :meth:`renew`; with ``fresh``, always call AWS.

        Raises:
            CredentialsError: There are no usable credentials, or AWS refused the role.
            AwsUnreachableError: The endpoint does not answer, or answers with an unexpected error.
            ConfigurationError: The AWS configuration is not usable, or the credentials now belong to a different
                account than in the first response.
        """
        generation, caller = self.generation, self._caller
        if caller is not None and not fresh:
            return caller
        response = self._identity_call("sts", "GetCallerIdentity")
        caller = Caller(response["Account"], response["Arn"])
        with self._lock:
            if self._first_caller is None:
                self._first_caller = caller
            if caller.account_id != self._first_caller.account_id:
                self._caller = None
                first = self._first_caller.account_id
                what = f"{account_label(self.account)} now leads to account {caller.account_id}, not {first}"
                fix = "Restore the credentials, or restart the notebook kernel."
                raise ConfigurationError(what, "its credentials were replaced by another account's", fix)
            # If another thread renewed the credentials during the call, the response is about the old credentials.
            if generation == self.generation:
                self._caller = caller
        return caller

    @property
    def partition(self) -> str:
        """The account's partition, from its caller identity, else from the configured role, else ``aws``."""
        arn = self._first_caller.arn if self._first_caller else self.account.role_arn
        return partition_of_arn(arn) if arn else COMMERCIAL

    def client(self, service: str, region: str, operation: str = "") -> BaseClient:
        """Return the cached client of a service in a region.

        Args:
            service: botocore's name of the service.
            region: The region to call; ``global`` means the region that serves the partition's global services.
            operation: The operation to be called. If it was declared to :meth:`.NarrowModels.expect`, the client may
                lack undeclared operations, and its responses may lack undeclared fields; otherwise the client is
                complete. Without an operation, or with one that scans refuse, the client is of plain botocore.

        Raises:
            CloudOpsError: As for :meth:`caller`.
        """
        if self._first_caller is not None:
            self.caller()  # raises if renewed credentials belong to a different account
        called_region = home_region(self.partition) if region == GLOBAL else region
        with self._lock:
            edition = self._edition(service, operation)
            client = self._clients.get((service, called_region, edition))
            if client is None:
                client = self._new_client(service, called_region, edition=edition)
                self._clients[service, called_region, edition] = client
            return client

    def offers(self, service: str, region: str) -> bool:
        """Return whether a service may be available in a region; see :func:`.regions.offered`.

        If an endpoint URL is configured, for example of a simulation of AWS, the result is always ``True``.

        Raises:
            CloudOpsError: As for :meth:`caller`.
        """
        if self._has_custom_endpoints():
            return True
        model = self._factory.narrow_models.load_service_model(service, "service-2")
        return offered(model["metadata"]["endpointPrefix"], region)

    def regions(self) -> Sequence[str]:
        """Return the regions enabled for the account, sorted; if they cannot be listed, the default regions.

        The default regions are those of the partition that need no opt-in. If they are returned,
        :attr:`regions_assumed` says why the listing failed.
        """
        if not self._regions and time.monotonic() - self._regions_assumed_at < _ASSUMED_REGIONS_SECONDS:
            return default_regions(self.partition)
        if not self._regions:
            try:
                response = self._identity_call("ec2", "DescribeRegions")
                self._regions = tuple(sorted(region["RegionName"] for region in response["Regions"]))
                self._regions_assumed = ""
            except CloudOpsError as error:
                _log.info("assuming default regions for an account: ec2:DescribeRegions failed")
                self._regions_assumed = error.why or str(error)
                self._regions_assumed_at = time.monotonic()
                return default_regions(self.partition)
        return self._regions

    @property
    def regions_assumed(self) -> str:
        """Why :meth:`regions` returned default regions; empty if AWS listed the enabled regions."""
        return self._regions_assumed

    def renew(self, generation: int) -> bool:
        """Drop expired credentials and their clients, unless another thread has done so since ``generation`` was read.

        Returns:
            Whether the credentials of ``generation`` were dropped, by this call or by an earlier one. If the last
            renewal was only seconds ago, they are kept, because a renewal does not help an account that needs a new
            login. Otherwise every failing call in such an account would renew the credentials again.
        """
        with self._lock:
            if generation == self.generation:
                if time.monotonic() - self._renewed_at < _RENEWAL_SECONDS:
                    return False
                self._renewed_at = time.monotonic()
                self.generation += 1
                self._session = None
                self._scan_session = None
                self._custom_endpoints = None
                self._caller = None
                self._regions_assumed_at = -math.inf
                self._clients.clear()
                self._factory.forget_sources()
            return True

    def release(self, region: str) -> None:
        """Drop the cached clients of a region that has been scanned; a client still in use keeps working."""
        with self._lock:
            for key in [key for key in self._clients if key[1] == region]:
                del self._clients[key]

    def close(self) -> None:
        """Close the connections of the cached clients, and drop these clients."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def foreign_endpoints(self) -> set[str]:
        """Return the configured endpoints that are not AWS's own; makes no call.

        Raises:
            AwsError: The account's configuration cannot be used.
        """
        with self._lock:
            return {url for url in configured_endpoints(self._botocore_session()) if not is_aws_endpoint(url)}

    def _has_custom_endpoints(self) -> bool:
        with self._lock:
            if self._custom_endpoints is None:
                profile_keys = self._botocore_session().get_scoped_config().keys()
                in_profile = not profile_keys.isdisjoint({"endpoint_url", "services"})
                self._custom_endpoints = in_profile or any(map(_is_endpoint_variable, os.environ))
            return self._custom_endpoints

    def _botocore_session(self) -> Session:
        if self._session is None:
            try:
                self._session = self._factory.open(self.account)
            except ENTRY_FAILURES as error:
                raise entry_error(self.account, error) from error
        return self._session

    def _session_for_scans(self) -> Session:
        plain = self._botocore_session()
        if self._scan_session is None:
            try:
                self._scan_session = self._factory.open_for_scans(self.account, plain)
            except ENTRY_FAILURES as error:
                raise entry_error(self.account, error) from error
        return self._scan_session

    def _edition(self, service: str, operation: str) -> int | None:
        """Return the edition of the model of an operation's client, as :class:`.NarrowModels` numbers them.

        The edition of a complete model is 0. ``None`` stands for a client of plain botocore.
        """
        only_reads = operation and not scan_refusal(service, operation)
        return self._factory.narrow_models.edition(service, operation) if only_reads else None

    def _new_client(
        self, service: str, region: str, config: Config | None = None, *, edition: int | None = None
    ) -> BaseClient:
        """Return a new client; it has the usual configuration if none is given. The caller must hold the lock."""
        session = self._botocore_session()
        if edition is not None:
            session = self._session_for_scans()
            session.register_component("data_loader", self._factory.narrow_models if edition else self._factory.loader)
        if config is None:
            # Without a configured mapping of proxies, botocore searches the whole environment for each client. If there
            # are no proxies, an empty mapping prevents this search.
            config = self._config if getproxies() else self._config_without_proxies
        try:
            client: BaseClient = session.create_client(service, region_name=region, config=config)
        except (BotoCoreError, ValueError) as error:
            raise entry_error(self.account, error) from error
        return client

    def _identity_call(self, service: str, operation: str) -> Any:
        """Make one of the first calls for an account, with timeouts of seconds, and return the response.

        ``sts:GetCallerIdentity`` also decides whether a plan may run, so its client is of plain botocore.
        """
        with self._lock:
            session = self._botocore_session()
        if self._caller is None and self.needs_mfa_code and not can_ask_for_mfa_code():
            raise missing_mfa_code(self.account)
        try:
            with self._lock:
                credentials = session.get_credentials()
            if credentials:
                # If a role must be assumed, call STS now, without the lock. Creating the client below needs the lock,
                # which other threads may hold for a while to create clients.
                credentials.get_frozen_credentials()
            with self._lock:
                region = session.get_config_variable("region") or home_region(self.partition)
                edition = None if service == "sts" else self._edition(service, operation)
                client = self._new_client(service, region, IDENTITY_CALL_CONFIG, edition=edition)
            try:
                return getattr(client, xform_name(operation))()
            finally:
                client.close()
        except ENTRY_FAILURES as error:
            raise entry_error(self.account, error) from error


def _is_endpoint_variable(variable: str) -> bool:
    return variable.startswith("AWS_ENDPOINT_URL")
