"""Secret parameter values never reach the screen."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.execution.cli_command import cli_command
from cloudops_nb.presentation.secrecy import HIDDEN, Redactor, is_secret_name
from tests.sample_plans import stop_database

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    "name", ["MasterUserPassword", "password", "SecretString", "AuthToken", "private_key", "ApiKey", "SessionToken"]
)
def test_parameters_that_hold_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["SecretId", "SecretArn", "PasswordLength", "KmsKeyId", "Tokens", "InstanceId", "Name"]
)
def test_parameters_that_hold_none(name: str) -> None:
    assert not is_secret_name(name)


@given(st.text(st.characters(categories=["L", "N", "P"]), min_size=6, max_size=40))
def test_a_secret_is_hidden_in_text_and_in_data_however_deep(secret: str) -> None:
    plan = stop_database(parameters={"Login": {"MasterUserPassword": [secret]}})
    hide = Redactor.of(plan)
    assert secret not in hide(f"aws rds modify-db-instance --master-user-password={secret} --x")
    shown = json.dumps(hide.within({"a": [{"b": f"--p {secret}"}]}), ensure_ascii=False)
    assert json.dumps(secret, ensure_ascii=False)[1:-1] not in shown


def test_a_reference_is_no_secret() -> None:
    plan = stop_database(parameters={"Password": "{{ Generated.Password }}"})
    assert Redactor.of(plan)("--password {{ Generated.Password }}") == "--password {{ Generated.Password }}"


def test_a_number_under_a_secret_name_is_hidden_in_data() -> None:
    assert Redactor().within({"Password": 123456, "Size": 5, "SecretFlag": True}) == {
        "Password": HIDDEN,
        "Size": 5,
        "SecretFlag": True,
    }


@pytest.mark.parametrize("secret", ["it's-secret", 'a"b\\c', "pässwörd'1", "http://it's\"x"])
def test_a_secret_is_hidden_however_a_command_spells_it(secret: str) -> None:
    hide = Redactor([secret])
    for parameters in ({"MasterUserPassword": secret}, {"Login": {"Password": secret}}, {"Words": ["-a", secret]}):
        shown = hide(cli_command("rds", "ModifyDBInstance", parameters, "eu-west-1"))
        assert HIDDEN in shown
        assert not {word for word in ("secret", "b\\", "wörd", "http") if word in shown}
