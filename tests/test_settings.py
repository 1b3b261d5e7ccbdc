"""Settings: where they come from, which wins, and what is refused."""

from __future__ import annotations

import pytest

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.settings import load_settings

pytestmark = pytest.mark.fast

ROLE = "arn:aws:iam::123456789012:role/audit/Scan"


def write(tmp_path, text):
    (tmp_path / "config.toml").write_text(text)


def test_the_later_source_wins(tmp_path):
    write(tmp_path, "scan_threads = 3\napproval_minutes = 4\n[qdrant]\nidle_seconds = 9\n")
    settings = load_settings(tmp_path, environment={"CLOUDOPS_SCAN_THREADS": "5"}, approval_minutes=6)
    assert (settings.qdrant_idle_seconds, settings.scan_threads, settings.approval_minutes) == (9, 5, 6)
    assert load_settings(tmp_path, environment={}, scan_threads=None).scan_threads == 3


def test_the_environment_names_the_data_path_and_regions(tmp_path):
    settings = load_settings(
        environment={"CLOUDOPS_DATA_PATH": str(tmp_path), "CLOUDOPS_REGIONS": "eu-west-1, us-east-1"}
    )
    assert settings.data_path == tmp_path
    assert settings.regions == ("eu-west-1", "us-east-1")


@pytest.mark.parametrize("name", ["regions", "services"])
@pytest.mark.parametrize(
    ("text", "items"), [("a,b", ("a", "b")), (" a , b,", ("a", "b")), ("a", ("a",)), (",", ()), (" ", ())]
)
def test_a_list_in_the_environment_has_commas_and_no_empty_items(tmp_path, name, text, items):
    settings = load_settings(tmp_path, environment={f"CLOUDOPS_{name.upper()}": text})
    assert getattr(settings, name) == items


def test_a_key_in_the_environment_is_no_setting_and_never_kept(tmp_path):
    settings = load_settings(tmp_path, environment={"CLOUDOPS_ENCRYPTION_KEY": "ab" * 32})
    assert "abab" not in repr(settings)


@pytest.mark.parametrize(
    ("settings", "environment", "said"),
    [
        ({"regoins": ["x"]}, {}, "regions"),
        ({}, {"CLOUDOPS_REGOINS": "x"}, "regions"),
        ({"accounts": [{"name": "a", "profle": "b"}]}, {}, "profile"),
        ({"accounts": [{"name": "a", "profile": "b", "role_arn": ROLE}]}, {}, "not both"),
        ({"accounts": [{"name": "a", "operate_profile": "b", "operate_role_arn": ROLE}]}, {}, "not both"),
        ({"accounts": [{"name": "a", "account_id": "12"}]}, {}, "account_id"),
        ({"scan_threads": 0}, {}, "scan_threads"),
        ({"scan_threads": "many"}, {}, "scan_threads: must be a valid integer"),
        ({"services": "rds"}, {}, 'invalid value for services: expected a list, for example ["rds", "ec2"]'),
        ({"qdrant_mode": "remote"}, {}, "qdrant_url is not set"),
        ({"qdrant_url": "localhost:6333"}, {}, "https://"),
        ({"qdrant_mode": "embedded", "qdrant_url": "http://localhost:6333"}, {}, "remove one of them"),
        ({"qdrant_prefix": "two words"}, {}, "qdrant_prefix"),
        ({"s3_retention_days": -1}, {}, "s3_retention_days"),
        ({}, {"CLOUDOPS_ACCOUNTS": "prod"}, "[[accounts]]"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, settings, environment, said):
    with pytest.raises(ConfigurationError) as caught:
        load_settings(tmp_path, environment=environment, **settings)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["regions = [", "regoins = []", "[qdrant]\nidel_seconds = 1", "data_path = 'x'", "\xff"]
)
def test_a_settings_file_that_does_not_fit_is_named(tmp_path, text):
    (tmp_path / "config.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"config\.toml"):
        load_settings(tmp_path, environment={})


def test_accounts_come_from_the_file(tmp_path):
    write(tmp_path, '[[accounts]]\nname = "a"\nprofile = "b"\nenvironment = "staging"\n')
    (account,) = load_settings(tmp_path, environment={}).accounts
    assert (account.name, account.profile, account.environment) == ("a", "b", "staging")


@pytest.mark.parametrize(
    "name",
    [
        "s3_retention_days",
        "backup_retention_days",
        "chat_retention_days",
        "backup_estate_hours",
        "backup_chat_hours",
        "full_scan_hours",
        "incremental_scan_minutes",
    ],
)
@pytest.mark.parametrize("value", ["inf", "nan", "1e9", "-1"])
def test_a_time_has_bounds(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"invalid value for {name}"):
        load_settings(environment={f"CLOUDOPS_{name.upper()}": value})


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::12345678901:role/Scan",
        "arn:aws:iam::123456789012:user/scan",
        "arn:aws:sts::123456789012:assumed-role/Scan/me",
        "arn:aws:iam::123456789012:role/Scan role",
        "arn:aws:iam::123456789012:role/",
        "123456789012",
    ],
)
@pytest.mark.parametrize("key", ["role_arn", "operate_role_arn"])
def test_a_malformed_role_arn_is_refused_by_its_key(key: str, arn: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"accounts\.0\.{key}: must be the ARN of a role"):
        load_settings(environment={}, accounts=[{"name": "a", key: arn}])


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-iso-b", "aws-eusc"])
def test_a_role_may_be_in_any_partition(partition: str) -> None:
    arn = f"arn:{partition}:iam::123456789012:role/path/Scan"
    (account,) = load_settings(environment={}, accounts=[{"name": "a", "role_arn": arn}]).accounts
    assert account.role_arn == arn


def test_a_wrong_key_of_an_account_lists_the_keys_of_accounts_only() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environment={}, accounts=[{"name": "a", "zzzz": "b"}])
    assert "the keys of an account are account_id, duration_seconds, environment, external_id" in caught.value.why
    assert "qdrant_url" not in caught.value.why


def test_a_role_takes_the_parameters_of_its_session() -> None:
    keys = {
        "external_id": "partner:42",
        "mfa_serial": "arn:aws:iam::123456789012:mfa/person",
        "session_name": "nightly-scan",
        "duration_seconds": 900,
    }
    (account,) = load_settings(environment={}, accounts=[{"name": "a", "role_arn": ROLE, **keys}]).accounts
    assert {key: getattr(account, key) for key in keys} == keys


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ({"profile": "b", "external_id": "partner"}, "external_id needs role_arn"),
        ({"mfa_serial": "GAHT12345678"}, "mfa_serial needs role_arn"),
        ({"role_arn": ROLE, "external_id": "x"}, "accounts.0.external_id"),
        ({"role_arn": ROLE, "session_name": "two words"}, "accounts.0.session_name"),
        ({"role_arn": ROLE, "duration_seconds": 899}, "accounts.0.duration_seconds: must be at least 900"),
        ({"role_arn": ROLE, "duration_seconds": 43_201}, "accounts.0.duration_seconds"),
        ({"role_arn": ROLE, "account_id": "111122223333"}, "a role of account 123456789012"),
        ({"role_arn": ROLE.replace("123456789012", "*")}, "role_arn has * as its account"),
        ({"organization_role": "Scan", "mfa_serial": "GAHT12345678"}, "cannot be combined with mfa_serial"),
    ],
)
def test_keys_that_do_not_fit_the_account_are_named(account: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environment={}, accounts=[{"name": "a", **account}])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
