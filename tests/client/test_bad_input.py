"""Bad input, each one clear line, through the front door; nothing is lost by it."""

from __future__ import annotations

import os
import socket

import pytest

from cloudops_nb import CloudOps
from cloudops_nb.errors import (
    AwsUnreachableError,
    CloudOpsError,
    ConfigurationError,
    CredentialsError,
    KeyMissingError,
    PlaybookError,
    PromptError,
    StorageError,
    StoreCorruptedError,
    WrongKeyError,
)
from cloudops_nb.model import PlaybookRef
from tests.canned_response import canned_response


def line(caught):
    """Return the error's text, having checked its form: one line, saying what to do or what is the case."""
    text = str(caught.value)
    assert "\n" not in text
    assert 20 < len(text) < 400
    assert caught.value._render_traceback_() == [f"{type(caught.value).__name__}: {text}"]
    return text


@pytest.fixture
def store(tmp_path, models_path):
    """Open a store without any AWS."""
    opened = []

    def open_one(**settings):
        fields = {"key_file": str(tmp_path / "key"), "embedding_path": str(models_path), "qdrant_idle_seconds": 2.0}
        ops = CloudOps(tmp_path / "store", **{**fields, **settings})
        opened.append(ops)
        return ops

    yield open_one
    for ops in opened:
        ops.close()


def test_no_credentials(store):
    with pytest.raises(CredentialsError) as caught:
        store(regions=["eu-west-1"]).scan()
    assert "credentials" in line(caught)


def test_an_unknown_profile(store):
    with pytest.raises(CloudOpsError) as caught:
        store(accounts=[{"name": "prod", "profile": "nowhere"}], regions=["eu-west-1"]).scan()
    assert "nowhere" in line(caught)


def test_an_expired_token(demo_environment, store, monkeypatch):
    from botocore.session import Session

    def expire(self, *arguments, **keywords):
        client = create(self, *arguments, **keywords)

        def answer(**_):
            body = (
                b"<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code>"
                b"<Message>The security token included in the request is expired</Message></Error></ErrorResponse>"
            )
            return canned_response("http://127.0.0.1", 403, body)

        client.meta.events.register("before-send.sts.*", answer)
        return client

    create = Session.create_client
    monkeypatch.setattr(Session, "create_client", expire)
    with pytest.raises(CredentialsError) as caught:
        store(accounts=[{"name": "staging", "profile": "staging"}], regions=["eu-west-1"]).scan()
    assert "expired" in line(caught)


def test_the_endpoint_is_down(store, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    with pytest.raises(AwsUnreachableError) as caught:
        store(regions=["eu-west-1"]).scan()
    line(caught)


def test_a_wrong_key(store, tmp_path):
    store().close()
    other = tmp_path / "other-key"
    with os.fdopen(os.open(other, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        file.write("ab" * 32)
    with pytest.raises(WrongKeyError) as caught:
        store(key_file=str(other))
    assert "abab" not in line(caught)


def test_a_missing_key_beside_data(store, tmp_path):
    store().close()
    (tmp_path / "key").unlink()
    with pytest.raises(KeyMissingError) as caught:
        store()
    line(caught)
    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize(
    ("scope", "near"),
    [
        ({"regions": ["eu-wset-1"]}, "eu-west-1"),
        ({"services": ["ec22"]}, "ec2"),
        ({"accounts": ["stagin"]}, "staging"),
        ({"mode": "quick"}, "full"),
    ],
)
def test_an_unknown_place_service_or_mode_suggests_the_right_one(store, demo_environment, scope, near):
    ops = store(accounts=[dict(account) for account in demo_environment.accounts])
    with pytest.raises(ConfigurationError) as caught:
        ops.scan(**scope)
    assert near in line(caught)


def test_an_unknown_filter(store):
    with pytest.raises(ConfigurationError) as caught:
        store().resources(regoin="eu-west-1")
    assert "regoin" in line(caught)


def test_an_unknown_playbook(store):
    ops = store()
    with pytest.raises(PlaybookError) as caught:
        ops.parts.catalogue.get("rds-stp")
    assert "rds-stop" in line(caught)
    with pytest.raises(PlaybookError) as caught:
        ops.parts.catalogue.by_ref(PlaybookRef("rds-stop", "1.0.0", "0" * 64))
    line(caught)


def test_an_empty_prompt(store):
    with pytest.raises(PromptError) as caught:
        store().ask("  \n")
    assert "empty" in line(caught)


def test_a_misspelt_setting(store):
    with pytest.raises(ConfigurationError) as caught:
        store(acounts=[])
    assert "accounts" in line(caught)


def test_an_unreadable_settings_file(store, tmp_path):
    (tmp_path / "store").mkdir(mode=0o700)
    (tmp_path / "store" / "config.toml").write_text("accounts = [")
    with pytest.raises(ConfigurationError) as caught:
        store()
    assert "config.toml" in line(caught)


def test_a_data_path_that_is_a_file(tmp_path, store):
    (tmp_path / "store").write_text("not a folder")
    with pytest.raises(StorageError) as caught:
        store()
    line(caught)


@pytest.mark.parametrize("name", ["journal.db", "store.json"])
def test_a_corrupted_file_of_the_store(store, tmp_path, name):
    ops = store()
    ops.storage.journal.append("test", "subject", {})
    ops.close()
    assert (tmp_path / "store" / name).exists()
    for extra in ("-wal", "-shm"):
        (tmp_path / "store" / f"{name}{extra}").unlink(missing_ok=True)
    (tmp_path / "store" / name).write_bytes(b"\x00garbage" * 512)
    with pytest.raises(StoreCorruptedError) as caught:
        store().storage.journal.verify()
    line(caught)


@pytest.mark.parametrize(
    ("plan", "told"), [("4f0d37b4-51a6", "not its id"), (5, "not a int"), (None, "not a NoneType")]
)
def test_what_is_no_plan_is_neither_approved_nor_run(store, plan, told):
    ops = store(regions=["eu-west-1"])
    for act in (lambda: ops.approve(plan, reason="a test"), lambda: ops.apply(plan)):
        with pytest.raises(ConfigurationError) as caught:
            act()
        assert told in line(caught)
