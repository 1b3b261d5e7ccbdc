"""Turns exceptions that botocore raises in the first calls for an account into one-line errors of this package."""

from __future__ import annotations

import json
from getpass import GetPassWarning
from typing import TYPE_CHECKING

from botocore import exceptions as aws
from botocore.session import Session

from cloudops_nb.aws.error_states import classify, error_code, shortened
from cloudops_nb.aws.regions import GLOBAL
from cloudops_nb.errors import AwsUnreachableError, CloudOpsError, ConfigurationError, CredentialsError, did_you_mean
from cloudops_nb.model import CellState

if TYPE_CHECKING:
    from cloudops_nb.model import Account

#: The exceptions that botocore raises for an account whose configuration or credentials do not work. Besides its own,
#: it passes on those of files, of malformed values, and of a prompt without a person to answer it.
ENTRY_FAILURES = (
    aws.BotoCoreError, aws.ClientError, OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError,
    EOFError, GetPassWarning,
)  # fmt: skip
_NO_PROMPT = (EOFError, GetPassWarning, NotImplementedError)
_UNREACHABLE = (aws.EndpointConnectionError, aws.ConnectionError, aws.HTTPClientError)
_MISSING_CREDENTIALS = (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError)
_SIGN_ON = (aws.SSOError, aws.UnauthorizedSSOTokenError, aws.TokenRetrievalError, aws.LoginError)
_PROCESS = "custom-process"
_INVALID_CREDENTIALS_CODES = (
    "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidAccessKeyId", "AuthFailure",
)  # fmt: skip


def account_label(account: Account) -> str:
    """Return an account's label in messages: its name, and the profile or role whose credentials are used."""
    source = f"profile {account.profile}" if account.profile else "ambient credentials"
    source = f"role {account.role_arn}" if account.role_arn else source
    return f"account {account.name} ({source})" if account.name else source


def configured_id(account: Account) -> str:
    """Return the configured account id, else the id in the ARN of the configured role, else an empty string."""
    parts = account.role_arn.split(":")
    return account.account_id or "".join(parts[4:5])


def missing_mfa_code(account: Account) -> CredentialsError:
    """Return the error for an account that needs an MFA code where no person can enter one."""
    what = f"{account_label(account)}: it needs an MFA code"
    fix = "Scan it from a terminal or a notebook, or use a profile or role that needs no code."
    return CredentialsError(what, "there is no terminal to ask for it", fix)


def entry_error(account: Account, error: Exception) -> CloudOpsError:
    """Return this package's error for an exception of botocore; its text starts with the account's label.

    The caller raises the returned error ``from`` the exception. botocore's messages contain no secrets, so the returned
    error contains none.
    """
    label = account_label(account)
    if isinstance(error, aws.ClientError):
        return _refused(label, account, error)
    if isinstance(error, _NO_PROMPT):
        return missing_mfa_code(account)
    if isinstance(error, _UNREACHABLE):
        fix = "Check the network, the proxy and AWS_ENDPOINT_URL."
        return AwsUnreachableError(f"{label}: AWS does not answer", str(error), fix)
    return _missing_credentials(label, account, error) or ConfigurationError(
        f"{label}: the AWS configuration is not usable", _one_line(error), "Correct the AWS config file."
    )


def _missing_credentials(label: str, account: Account, error: Exception) -> CredentialsError | None:
    if isinstance(error, aws.ProfileNotFound):
        what = f"{label}: there is no such AWS profile"
        return CredentialsError(what, _near_profiles(error), "Correct the account's profile.")
    if isinstance(error, aws.CredentialRetrievalError) and error.kwargs.get("provider") == _PROCESS:
        fix = "Run the profile's credential_process in a terminal, and correct it."
        return CredentialsError(f"{label}: the credential process failed", _one_line(error), fix)
    if isinstance(error, _SIGN_ON):
        return CredentialsError(f"{label}: the sign-on session is missing or expired", str(error), _login(account))
    if isinstance(error, _MISSING_CREDENTIALS):
        fix = "Run aws configure or aws sso login, or name a profile."
        return CredentialsError(f"{label}: no AWS credentials", str(error), fix)
    return None


def _one_line(error: Exception) -> str:
    # botocore, the file system and the parsers describe the place of a failure. Any other text could be a value of the
    # file, and a value may be a secret.
    if isinstance(error, json.JSONDecodeError):
        return f"a credential process or a cached token is not valid JSON ({error})"
    text = str(error) if isinstance(error, (aws.BotoCoreError, OSError, ValueError)) else ""
    return shortened(text or type(error).__name__)


def _refused(label: str, account: Account, error: aws.ClientError) -> CloudOpsError:
    code, failure = error_code(error), classify(error, region=GLOBAL)
    state, why = failure.state, failure.detail
    if code in _INVALID_CREDENTIALS_CODES:
        what = f"{label}: AWS does not accept the credentials"
        return CredentialsError(what, why, "Replace the access key, or sign on again.")
    if state is CellState.EXPIRED:
        return CredentialsError(f"{label}: the credentials have expired", why, _login(account))
    if state in (CellState.DENIED, CellState.SCP_DENIED) and error.operation_name.startswith("AssumeRole"):
        fix = "Allow your principal in the role's trust policy, and sts:AssumeRole on the role in your own policy."
        return CredentialsError(f"{label}: the role was refused", why, fix)
    if state is CellState.DENIED:
        fix = "Ask for sts:GetCallerIdentity, or use other credentials."
        return CredentialsError(f"{label}: AWS refused the caller", why, fix)
    fix = "Try again; if it fails again, check AWS_ENDPOINT_URL."
    return AwsUnreachableError(f"{label}: AWS answered with an error", why, fix)


def _login(account: Account) -> str:
    profile = account.profile or account.source_profile
    return f"Run aws sso login --profile {profile}, or renew its keys." if profile else "Sign on again, then retry."


def _near_profiles(error: aws.ProfileNotFound) -> str:
    known = Session().available_profiles
    all_profiles = f"the profiles are {', '.join(sorted(known))}" if known else "no profile is configured"
    return did_you_mean(str(error.kwargs.get("profile", "")), known, otherwise=all_profiles)
