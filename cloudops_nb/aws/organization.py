"""Lists the accounts of an AWS organization, in which scans assume a role that has the same name in every account.

The list contains only active accounts, because resources of suspended and closing accounts cannot be read. See
https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cloudops_nb.aws.account_errors import account_label, entry_error
from cloudops_nb.aws.error_states import classify
from cloudops_nb.aws.regions import GLOBAL
from cloudops_nb.errors import CredentialsError
from cloudops_nb.model import Account

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cloudops_nb.aws.account_session import AccountSession

_ACTIVE = "ACTIVE"
#: Placeholder for the account id in the ARN of a role that exists in every account.
ANY_ACCOUNT = "*"


def member_accounts(session: AccountSession, taken: Collection[str] = ()) -> Sequence[Account]:
    """Return the active accounts of an organization other than the session's account, sorted by name.

    Each of these *members* gets the ARN of its role named ``organization_role``, which is assumed with the profile of
    the session's account, or with the ambient credentials if there is no profile.

    Args:
        session: A session of the management account, or of a delegated administrator.
        taken: The names of the configured accounts. If a member has one of these names, or the name of another member,
            its account id becomes its name, so that no name means two accounts.

    Raises:
        CredentialsError: AWS refused to list the accounts: the caller lacks the permission, or the account is not in an
            organization.
        CloudOpsError: As for :meth:`AccountSession.caller`.
    """
    own = session.caller().account_id
    listed = _listed_accounts(session)
    members = [each for each in listed if _account_state(each) == _ACTIVE and each["Id"] != own]
    names = Counter([*taken, *(each.get("Name", "") for each in members)])
    found = (_member_account(session, each, unique=names[each.get("Name", "")] == 1) for each in members)
    return sorted(found, key=lambda each: (each.name, each.account_id))


def with_own_role(account: Account) -> Account:
    """Return an account with its own id in place of ``*`` in ``operate_role_arn``."""
    role = account.operate_role_arn.replace(f"::{ANY_ACCOUNT}:", f"::{account.account_id}:")
    return replace(account, operate_role_arn=role)


def _listed_accounts(session: AccountSession) -> Sequence[dict[str, Any]]:
    client = session.client("organizations", GLOBAL)
    try:
        pages = client.get_paginator("list_accounts").paginate()
        return [account for page in pages for account in page["Accounts"]]
    except ClientError as error:
        why = classify(error, region=GLOBAL).detail
        what = f"{account_label(session.account)}: cannot list the accounts of the organization"
        fix = "Allow organizations:ListAccounts in the management account, or configure each account separately."
        raise CredentialsError(what, why, fix) from error
    except BotoCoreError as error:
        raise entry_error(session.account, error) from error


def _account_state(listed: dict[str, Any]) -> str:
    # AWS replaced Status by State (see API_Account in the reference); some simulations of AWS return only Status.
    return str(listed.get("State") or listed.get("Status"))


def _member_account(session: AccountSession, listed: dict[str, Any], *, unique: bool) -> Account:
    entry, account_id = session.account, listed["Id"]
    return Account(
        name=(listed.get("Name") or account_id) if unique else account_id,
        account_id=account_id,
        role_arn=f"arn:{session.partition}:iam::{account_id}:role/{entry.organization_role.lstrip('/')}",
        source_profile=entry.profile,
        environment=entry.environment,
        operate_role_arn=entry.operate_role_arn,
        external_id=entry.external_id,
        session_name=entry.session_name,
        duration_seconds=entry.duration_seconds,
    )
