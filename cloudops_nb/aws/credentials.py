"""Opens botocore sessions with an account's credentials, from botocore's standard sources or from an assumed role.

This module keeps credentials only in memory.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import NoCredentialsError
from botocore.session import Session

from cloudops_nb.aws.fast_botocore.door import (
    data_loader,
    fast_parts_in_use,
    plain_loader,
    scan_models,
    scan_session,
)
from cloudops_nb.aws.regions import home_region, partition_of_arn
from cloudops_nb.aws.user_agent import TOOL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.credentials import Credentials
    from botocore.loaders import Loader

    from cloudops_nb.model import Account

#: The client configuration of the first calls for an account: AssumeRole, GetCallerIdentity and DescribeRegions. If an
#: endpoint is down, these calls fail within seconds, instead of being retried for minutes.
IDENTITY_CALL_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
#: The name of botocore's data file of endpoints, which the first client of every session reads.
_ENDPOINT_DATA = "endpoints"


class SessionFactory:
    """Opens botocore sessions that share their loaders of service models; thread-safe.

    Credentials come from plain botocore sessions. A session for scans shares the credentials of a plain session.

    Args:
        label: Identifies the sessions in CloudTrail. It is the role session name and a part of the user agent.
        events: Maps names of botocore events to the handlers that every session registers.
    """

    def __init__(self, label: str, events: Mapping[str, Callable[..., Any]]) -> None:
        self.loader = data_loader()
        self.narrow_models = scan_models(self.loader)
        # With plain botocore, one loader holds the models for all.
        self._plain_loader = plain_loader() if fast_parts_in_use() else self.loader
        self.narrow_models.expect([("ec2", "DescribeRegions")])
        self._label = label
        self._events = events
        self._lock = threading.Lock()
        self._endpoints_lock = threading.Lock()
        self._sources: dict[str, Session] = {}

    def open(self, account: Account) -> Session:
        """Return a new session of plain botocore for an account.

        If the account has no ``role_arn``, this method makes no call. If it has one, botocore resolves the credentials
        of the source profile, and that may call a local credential service. botocore assumes the role when the
        session's credentials are first used.

        Raises:
            BotoCoreError: A profile does not exist, or there are no credentials with which to assume the role.
        """
        session = self._plain_session(account.profile)
        if account.role_arn:
            _give_credentials(session, self._role_credentials(account))
        return session

    def open_for_scans(self, account: Account, plain: Session) -> Session:
        """Return a new session for clients that only read; the caller registers its loader of models.

        Args:
            account: The account.
            plain: The account's plain session. The new session shares its credentials, which are loaded first if
                necessary, as :meth:`open` describes.

        Raises:
            BotoCoreError: The credentials cannot be loaded.
        """
        self._load_endpoints(self.loader)
        session = scan_session(account.profile)
        self._configure(session)
        _give_credentials(session, plain.get_credentials())
        return session

    def forget_sources(self) -> None:
        """Drop the sessions of source profiles, so that the next role is assumed with fresh credentials."""
        with self._lock:
            self._sources.clear()

    def _plain_session(self, profile: str) -> Session:
        self._load_endpoints(self._plain_loader)
        session = Session(profile=profile or None)
        session.register_component("data_loader", self._plain_loader)
        self._configure(session)
        profile_config = session.get_scoped_config()
        if "role_arn" in profile_config:
            # botocore's AssumeRoleProvider assumes this role, and takes the role session name only from the profile.
            profile_config.setdefault("role_session_name", self._label)
        return session

    def _load_endpoints(self, loader: Loader) -> None:
        # botocore's loader caches a file after it has read it. Without the lock, several threads would read the file.
        with self._endpoints_lock:
            loader.load_data(_ENDPOINT_DATA)

    def _configure(self, session: Session) -> None:
        session.user_agent_extra = f"{TOOL} md/{self._label}"
        for event, handler in self._events.items():
            session.register(event, handler)

    def _role_credentials(self, account: Account) -> DeferredRefreshableCredentials:
        with self._lock:
            source = self._sources.get(account.source_profile) or self._plain_session(account.source_profile)
            self._sources[account.source_profile] = source
            credentials = source.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        region = source.get_config_variable("region") or home_region(partition_of_arn(account.role_arn))

        def create_client(service: str, **keywords: Any) -> Any:
            with self._lock:
                return source.create_client(service, region_name=region, config=IDENTITY_CALL_CONFIG, **keywords)

        fetcher = AssumeRoleCredentialFetcher(
            create_client, credentials, account.role_arn, extra_args={"RoleSessionName": self._label}
        )
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")


def _give_credentials(session: Session, credentials: Credentials | None) -> None:
    session.register_component("credential_provider", CredentialResolver([_GivenCredentials(credentials)]))


class _GivenCredentials(CredentialProvider):
    """Provides a session with credentials that are loaded already; those of a role are refreshed before they expire."""

    METHOD = "given"

    def __init__(self, credentials: Credentials | None) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> Credentials | None:
        return self._credentials
