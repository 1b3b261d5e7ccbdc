"""Every account of an AWS Organization, entered through a role that all of them have.

Suspended and closing accounts are left out: nothing can be read in them. See
https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cloudops_nb.aws.error_states import classify
from cloudops_nb.aws.errors import label, translated
from cloudops_nb.aws.regions import GLOBAL
from cloudops_nb.errors import CredentialsError
from cloudops_nb.model import Account

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cloudops_nb.aws.account_session import AccountSession

_ACTIVE = "ACTIVE"
#: Stands for an account's number in a role's ARN that holds for every account.
ANY_ACCOUNT = "*"


def member_accounts(session: AccountSession, taken: Collection[str] = ()) -> Sequence[Account]:
    """Return the other active accounts of the organisation that the session's account may list, by name.

    Each is entered through the ``organization_role`` of the session's account, with the credentials of that account.

    Args:
        session: The management account's, or that of a member to which its administration is delegated.
        taken: Names that are others'. A member with such a name, or with that of another member, is called by its
            number: a choice by name must not mean two accounts.

    Raises:
        CredentialsError: The caller may not list the accounts, or there is no organisation.
        CloudOpsError: As for :meth:`AccountSession.caller`.
    """
    own = session.caller().account_id
    listed = _listed(session)
    members = [each for each in listed if _status(each) == _ACTIVE and each["Id"] != own]
    names = Counter([*taken, *(each.get("Name", "") for each in members)])
    found = (_member(session, each, unique=names[each.get("Name", "")] == 1) for each in members)
    return sorted(found, key=lambda each: (each.name, each.account_id))


def with_own_role(account: Account) -> Account:
    """Return an organisation's account with the operating role that all accounts have as its own."""
    role = account.operate_role_arn.replace(f"::{ANY_ACCOUNT}:", f"::{account.account_id}:")
    return replace(account, operate_role_arn=role)


def _listed(session: AccountSession) -> Sequence[dict[str, Any]]:
    client = session.client("organizations", GLOBAL)
    try:
        pages = client.get_paginator("list_accounts").paginate()
        return [account for page in pages for account in page["Accounts"]]
    except ClientError as error:
        why = classify(error, region=GLOBAL).detail
        what = f"{label(session.account)}: the accounts of the organisation cannot be listed"
        fix = "Allow organizations:ListAccounts in the management account, or configure each account by itself."
        raise CredentialsError(what, why, fix) from error
    except BotoCoreError as error:
        raise translated(session.account, error) from error


def _status(listed: dict[str, Any]) -> str:
    # AWS has retired Status, which simulations still answer with.
    return str(listed.get("State") or listed.get("Status"))


def _member(session: AccountSession, listed: dict[str, Any], *, unique: bool) -> Account:
    entry, account_id = session.account, listed["Id"]
    return Account(
        name=(listed.get("Name") or account_id) if unique else account_id,
        account_id=account_id,
        role_arn=f"arn:{session.partition}:iam::{account_id}:role/{entry.organization_role.lstrip('/')}",
        source_profile=entry.profile,
        environment=entry.environment,
        operate_role_arn=entry.operate_role_arn,
    )
