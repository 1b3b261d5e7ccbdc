"""Opens botocore sessions with an account's credentials, from botocore's standard sources or from an assumed role.

This module keeps credentials only in memory.
"""

from __future__ import annotations

import getpass
import os
import sys
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
from cloudops_nb.aws.regions import first_region, partition_of_arn
from cloudops_nb.aws.user_agent import TOOL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from botocore.credentials import Credentials
    from botocore.loaders import Loader

    from cloudops_nb.model import Account

#: The client configuration of the first calls for an account: AssumeRole, GetCallerIdentity and DescribeRegions. If an
#: endpoint is down, these calls fail within seconds, instead of being retried for minutes.
IDENTITY_CALL_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
#: The name of botocore's data file of endpoints, which the first client of every session reads.
_ENDPOINT_DATA = "endpoints"
#: Variables of the environment that name credentials.
_CREDENTIAL_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")


class SessionFactory:
    """Opens botocore sessions that share their loaders of service models; thread-safe.

    Credentials come from plain botocore sessions. A session for scans shares the credentials of a plain session.

    Args:
        label: Identifies the sessions in CloudTrail. It is the role session name and a part of the user agent.
        events: Maps names of botocore events to the handlers that every session registers.
        preferred_regions: The regions to call first with a profile that names no region, as :func:`.first_region` says.
    """

    def __init__(
        self, label: str, events: Mapping[str, Callable[..., Any]], preferred_regions: Sequence[str] = ()
    ) -> None:
        self.loader = data_loader()
        self.narrow_models = scan_models(self.loader)
        # With plain botocore, one loader holds the models for all.
        self._plain_loader = plain_loader() if fast_parts_in_use() else self.loader
        self.narrow_models.expect([("ec2", "DescribeRegions")])
        self._label = label
        self._events = events
        self._preferred_regions = preferred_regions
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
        session = self._plain_session(account.profile, account.role_arn)
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

    def _plain_session(self, profile: str, role_arn: str = "") -> Session:
        """Return a session with a profile's credentials, later replaced by those of ``role_arn`` if there is one."""
        self._load_endpoints(self._plain_loader)
        session = Session(profile=profile or None)
        session.register_component("data_loader", self._plain_loader)
        self._configure(session)
        profile_config = session.get_scoped_config()
        if "role_arn" in profile_config:
            # botocore's AssumeRoleProvider assumes this role, and takes the role session name only from the profile.
            profile_config.setdefault("role_session_name", self._label)
        if session.get_config_variable("region") is None:
            # botocore assumes a role in the region of the session's first client. Credentials are loaded here before
            # any client exists, so the region must be set, or a profile without a region would be refused.
            arn = role_arn or profile_config.get("role_arn", "")
            partition = partition_of_arn(arn) if arn else ""
            session.set_config_variable("region", first_region(self._preferred_regions, partition))
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
        region = self._role_region(source, account)

        def create_client(service: str, **keywords: Any) -> Any:
            with self._lock:
                return source.create_client(service, region_name=region, config=IDENTITY_CALL_CONFIG, **keywords)

        fetcher = AssumeRoleCredentialFetcher(
            create_client,
            credentials,
            account.role_arn,
            extra_args=self._role_parameters(account),
            mfa_prompter=prompt_for_mfa_code,
        )
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")

    def _role_region(self, source: Session, account: Account) -> str:
        # _plain_session sets this variable only if the source's own configuration names no region.
        if "region" in source.instance_variables():
            return first_region(self._preferred_regions, partition_of_arn(account.role_arn))
        return str(source.get_config_variable("region"))

    def _role_parameters(self, account: Account) -> dict[str, Any]:
        parameters = {
            "RoleSessionName": account.session_name or self._label,
            "ExternalId": account.external_id,
            "SerialNumber": account.mfa_serial,
            "DurationSeconds": account.duration_seconds,
        }
        return {name: value for name, value in parameters.items() if value}


def prompt_for_mfa_code(prompt: str) -> str:
    """Ask a person for an MFA code, in the terminal or in the notebook."""
    # Looked up at each call: a notebook kernel replaces the function only while it runs a cell.
    return getpass.getpass(prompt)


def can_ask_for_mfa_code() -> bool:
    """Return whether a person could be asked: in a notebook, or in a process that has a terminal."""
    if getpass.getpass.__module__ != getpass.__name__:
        return True
    try:
        # As getpass itself does: the terminal of the process, even if its standard input is something else.
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return bool(sys.stdin and sys.stdin.isatty())
    return True


def prompts_for_mfa_code(session: Session, profile: str = "") -> bool:
    """Return whether a profile, or one from which its credentials come, assumes a role with an MFA code.

    Args:
        session: A session that has read the configuration.
        profile: The profile; the one that botocore uses by default if empty.
    """
    if not profile and os.environ.get("AWS_ACCESS_KEY_ID"):
        return False
    profiles, seen = session.full_config.get("profiles", {}), set[str]()
    profile = profile or session.profile or "default"
    while profile in profiles and profile not in seen:
        seen.add(profile)
        settings = profiles[profile]
        if "role_arn" not in settings or "web_identity_token_file" in settings:
            return False
        if "mfa_serial" in settings:
            return True
        profile = settings.get("source_profile", "")
    return False


def profile_account_id(session: Session) -> str:
    """Return the account id that a session's profile names: its role's, or that of its single sign-on; else empty.

    Variables of the environment take precedence over the default profile, so then the id is not known.
    """
    if session.instance_variables().get("profile") is None and any(map(os.environ.get, _CREDENTIAL_VARIABLES)):
        return ""
    profile = session.get_scoped_config()
    role_parts = profile.get("role_arn", "").split(":")
    return "".join(role_parts[4:5]) if "role_arn" in profile else str(profile.get("sso_account_id", ""))


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
