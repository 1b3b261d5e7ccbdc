"""One-line errors for what AWS or botocore refused while entering an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore import exceptions as aws
from botocore.session import Session

from cloudops_nb.aws.error_states import classify, error_code
from cloudops_nb.aws.regions import GLOBAL
from cloudops_nb.errors import AwsUnreachableError, CloudOpsError, ConfigurationError, CredentialsError, did_you_mean
from cloudops_nb.model import CellState

if TYPE_CHECKING:
    from cloudops_nb.model import Account

_UNREACHABLE = (aws.EndpointConnectionError, aws.ConnectionError, aws.HTTPClientError)
_MISSING = (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError)
_SIGN_ON = (aws.SSOError, aws.UnauthorizedSSOTokenError, aws.TokenRetrievalError, aws.LoginError)
_INVALID = (
    "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidAccessKeyId", "AuthFailure",
)  # fmt: skip


def account_label(account: Account) -> str:
    """Return the name of an account in messages: its own, and the profile or role that enters it."""
    way = f"profile {account.profile}" if account.profile else "ambient credentials"
    way = f"role {account.role_arn}" if account.role_arn else way
    return f"account {account.name} ({way})" if account.name else way


def entry_error(account: Account, error: Exception) -> CloudOpsError:
    """Return the package's error for one of botocore's: which account, what failed, why, and what to do.

    The caller raises it ``from error``. botocore's messages hold no secrets, and this function adds none.
    """
    named = account_label(account)
    if isinstance(error, aws.ProfileNotFound):
        what = f"{named}: there is no such AWS profile"
        return CredentialsError(what, _near_profiles(error), "Correct the account's profile.")
    if isinstance(error, aws.ClientError):
        return _refused(named, account, error)
    if isinstance(error, _SIGN_ON):
        return CredentialsError(f"{named}: the sign-on session is missing or expired", str(error), _login(account))
    if isinstance(error, _MISSING):
        fix = "Run aws configure or aws sso login, or name a profile."
        return CredentialsError(f"{named}: no AWS credentials", str(error), fix)
    if isinstance(error, _UNREACHABLE):
        fix = "Check the network, the proxy and AWS_ENDPOINT_URL."
        return AwsUnreachableError(f"{named}: AWS does not answer", str(error), fix)
    return ConfigurationError(
        f"{named}: the AWS configuration is not usable", str(error), "Correct the AWS config file."
    )


def _refused(named: str, account: Account, error: aws.ClientError) -> CloudOpsError:
    code, failure = error_code(error), classify(error, region=GLOBAL)
    state, why = failure.state, failure.detail
    if code in _INVALID:
        what = f"{named}: AWS does not accept the credentials"
        return CredentialsError(what, why, "Replace the access key, or sign on again.")
    if state is CellState.EXPIRED:
        return CredentialsError(f"{named}: the credentials have expired", why, _login(account))
    if state in (CellState.DENIED, CellState.SCP_DENIED) and error.operation_name.startswith("AssumeRole"):
        fix = "Allow your principal in the role's trust policy, and sts:AssumeRole on the role in your own policy."
        return CredentialsError(f"{named}: the role was refused", why, fix)
    if state is CellState.DENIED:
        fix = "Ask for sts:GetCallerIdentity, or use other credentials."
        return CredentialsError(f"{named}: AWS refused the caller", why, fix)
    fix = "Try again; if it fails again, check AWS_ENDPOINT_URL."
    return AwsUnreachableError(f"{named}: AWS answered with an error", why, fix)


def _login(account: Account) -> str:
    profile = account.profile or account.source_profile
    return f"Run aws sso login --profile {profile}, or renew its keys." if profile else "Sign on again, then retry."


def _near_profiles(error: aws.ProfileNotFound) -> str:
    known = Session().available_profiles
    all_of_them = f"the profiles are {', '.join(sorted(known))}" if known else "no profile is configured"
    return did_you_mean(str(error.kwargs.get("profile", "")), known, otherwise=all_of_them)
