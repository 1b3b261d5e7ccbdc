"""The condition keys that have the same state in every request of a principal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.iam.context import ABSENT, NOT_KNOWN, OTHER_PRINCIPAL_TAGS, PRESENT, KeyState, known_values
from cloudops_nb.iam.principal import Principal, PrincipalKind
from cloudops_nb.iam.principals.principal_policies import Unreadable
from cloudops_nb.iam.rules import evaluation_rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudops_nb.iam.principals.principal_policies import PrincipalPolicies

#: A part of the ARN of each IAM Identity Center role. Sessions of these roles may have tags that the role lacks.
_SSO_PATH = ":role/aws-reserved/sso.amazonaws.com/"


def principal_key_states(policies: PrincipalPolicies) -> dict[str, KeyState]:
    """Return the states of these keys, by key in lower case; ``policies.known_context`` overrides derived states."""
    rules = evaluation_rules()
    known: dict[str, KeyState] = {key: known_values((value,)) for key, value in rules.constant.items()}
    known |= dict.fromkeys(rules.absent, ABSENT) | dict.fromkeys(rules.present, PRESENT)
    known |= _identity_key_states(policies.principal)
    known |= dict(_tag_key_states(policies))
    known |= {key.lower(): known_values(values) for key, values in policies.known_context.items()}
    if known.get("aws:principalorgid") == ABSENT:
        known.setdefault("aws:principalorgpaths", ABSENT)
    return known


def _identity_key_states(principal: Principal) -> dict[str, KeyState]:
    account = {"aws:principalaccount": known_values((principal.account_id,))} if principal.account_id else {}
    if not principal.arn:
        return account
    kind = evaluation_rules().principals[principal.kind]
    known = account | {"aws:principaltype": known_values((kind.type,))}
    known |= dict.fromkeys(kind.absent, ABSENT) | dict.fromkeys(kind.present, PRESENT)
    if principal.kind is PrincipalKind.USER:
        known["aws:username"] = known_values((principal.name,))
    if not principal.note or principal.kind is not PrincipalKind.ROLE:
        known["aws:principalarn"] = known_values((principal.arn,))
    return known


def _tag_key_states(policies: PrincipalPolicies) -> Iterator[tuple[str, KeyState]]:
    """Yield the states of the ``aws:PrincipalTag`` keys.

    A role's tags determine these keys only if the role's session cannot have tags of its own.
    """
    principal = policies.principal
    has_session_tags = principal.kind is PrincipalKind.FEDERATED_USER or _SSO_PATH in principal.arn
    if principal.kind is PrincipalKind.ROOT:
        yield OTHER_PRINCIPAL_TAGS, ABSENT
    elif policies.tags is None or has_session_tags or isinstance(policies.session, Unreadable):
        yield OTHER_PRINCIPAL_TAGS, NOT_KNOWN
    else:
        yield OTHER_PRINCIPAL_TAGS, ABSENT
        yield from _tag_states(policies.tags)


def _tag_states(tags: Mapping[str, str]) -> Iterator[tuple[str, KeyState]]:
    # IAM does not allow two tags whose keys differ only in case.
    return ((f"{OTHER_PRINCIPAL_TAGS}{key.lower()}", known_values((value,))) for key, value in tags.items())
