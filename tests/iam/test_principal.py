"""The acting principal, from the ARN that GetCallerIdentity returns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.iam import PrincipalKind, acting_principal

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("caller", "kind", "arn", "session"),
    [
        (
            "arn:aws:sts::123456789012:assumed-role/Ops/alice",
            PrincipalKind.ROLE,
            "arn:aws:iam::123456789012:role/Ops",
            "alice",
        ),
        (
            "arn:aws-cn:sts::123456789012:assumed-role/Ops/alice",
            PrincipalKind.ROLE,
            "arn:aws-cn:iam::123456789012:role/Ops",
            "alice",
        ),
        (
            "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/alice@example.com",
            PrincipalKind.ROLE,
            "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef",
            "alice@example.com",
        ),
        (
            "arn:aws:iam::123456789012:user/team/bob",
            PrincipalKind.USER,
            "arn:aws:iam::123456789012:user/team/bob",
            "",
        ),
        ("arn:aws-us-gov:iam::123456789012:root", PrincipalKind.ROOT, "arn:aws-us-gov:iam::123456789012:root", ""),
        (
            "arn:aws:sts::123456789012:assumed-root/audit",
            PrincipalKind.ROOT,
            "arn:aws:iam::123456789012:root",
            "audit",
        ),
        (
            "arn:aws:sts::123456789012:federated-user/carol",
            PrincipalKind.FEDERATED_USER,
            "arn:aws:sts::123456789012:federated-user/carol",
            "carol",
        ),
    ],
)
def test_the_principal_is_the_identity_whose_policies_count(
    caller: str, kind: PrincipalKind, arn: str, session: str
) -> None:
    principal = acting_principal(caller)
    assert (principal.kind, principal.arn, principal.session) == (kind, arn, session)
    assert principal.account_id == "123456789012"
    assert principal.partition == caller.split(":")[1]


def test_a_role_says_that_its_path_is_not_known() -> None:
    assert "path" in acting_principal("arn:aws:sts::123456789012:assumed-role/Ops/alice").note
    assert acting_principal("arn:aws:iam::123456789012:user/bob").note == ""


def test_a_users_name_is_without_its_path() -> None:
    assert acting_principal("arn:aws:iam::123456789012:user/team/bob").name == "bob"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bob",
        "arn:aws:s3:::bucket",
        "arn:aws:iam::123456789012:group/ops",
        "arn:aws:iam::123456789012:user/",
        "arn:aws:sts::123456789012:assumed-role",
    ],
)
def test_a_text_that_is_not_a_caller_arn_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a caller ARN"):
        acting_principal(text)


@given(
    partition=st.sampled_from(["aws", "aws-cn", "aws-us-gov"]),
    account=st.from_regex(r"[0-9]{12}", fullmatch=True),
    role=st.from_regex(r"[A-Za-z0-9+=,.@_-]{1,64}", fullmatch=True),
    session=st.from_regex(r"[A-Za-z0-9+=,.@_-]{2,64}", fullmatch=True),
)
def test_every_assumed_role_keeps_partition_account_name_and_session(
    partition: str, account: str, role: str, session: str
) -> None:
    principal = acting_principal(f"arn:{partition}:sts::{account}:assumed-role/{role}/{session}")
    assert principal.arn.startswith(f"arn:{partition}:iam::{account}:role/")
    assert principal.arn.endswith(f"/{role}")
    assert (principal.name, principal.session) == (role, session)
