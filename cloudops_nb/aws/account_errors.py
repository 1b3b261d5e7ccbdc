"""Says in one line what AWS or botocore refused while getting into an account."""

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


def label(account: Account) -> str:
    """Return how messages name an account: its name, and the profile or role that leads to it."""
    way = f"profile {account.profile}" if account.profile else "ambient credentials"
    way = f"role {account.role_arn}" if account.role_arn else way
    return f"account {account.name} ({way})" if account.name else way


def translated(account: Account, error: Exception) -> CloudOpsError:
    """Return the error of ours that says what failed for which account, why, and what to do.

    The caller raises it ``from error``; secrets never stand in botocore's messages, and none are added.
    """
    who = label(account)
    if isinstance(error, aws.ProfileNotFound):
        what = f"{who}: there is no such AWS profile"
        return CredentialsError(what, _near_profiles(error), "Correct the account's profile.")
    if isinstance(error, aws.ClientError):
        return _refused(who, account, error)
    if isinstance(error, _SIGN_ON):
        return CredentialsError(f"{who}: the sign-on session is missing or expired", str(error), _login(account))
    if isinstance(error, _MISSING):
        fix = "Run aws configure or aws sso login, or name a profile."
        return CredentialsError(f"{who}: no AWS credentials", str(error), fix)
    if isinstance(error, _UNREACHABLE):
        fix = "Check the network, the proxy and AWS_ENDPOINT_URL."
        return AwsUnreachableError(f"{who}: AWS does not answer", str(error), fix)
    return ConfigurationError(f"{who}: the AWS configuration is not usable", str(error), "Correct the AWS config file.")


def _refused(who: str, account: Account, error: aws.ClientError) -> CloudOpsError:
    code, failure = error_code(error), classify(error, region=GLOBAL)
    state, why = failure.state, failure.detail
    if code in _INVALID:
        what = f"{who}: AWS does not accept the credentials"
        return CredentialsError(what, why, "Replace the access key, or sign on again.")
    if state is CellState.EXPIRED:
        return CredentialsError(f"{who}: the credentials have expired", why, _login(account))
    if state in (CellState.DENIED, CellState.SCP_DENIED) and error.operation_name.startswith("AssumeRole"):
        fix = "Let the role's trust policy name you, and your own policy allow sts:AssumeRole on it."
        return CredentialsError(f"{who}: the role was refused", why, fix)
    if state is CellState.DENIED:
        fix = "Ask for sts:GetCallerIdentity, or use other credentials."
        return CredentialsError(f"{who}: AWS refused the caller", why, fix)
    fix = "Try again; if it stays so, check AWS_ENDPOINT_URL."
    return AwsUnreachableError(f"{who}: AWS answered with an error", why, fix)


def _login(account: Account) -> str:
    profile = account.profile or account.source_profile
    return f"Run aws sso login --profile {profile}, or renew its keys." if profile else "Sign on again, then retry."


def _near_profiles(error: aws.ProfileNotFound) -> str:
    known = Session().available_profiles
    all_of_them = f"the profiles are {', '.join(sorted(known))}" if known else "no profile is configured"
    return did_you_mean(str(error.kwargs.get("profile", "")), known, otherwise=all_of_them)
