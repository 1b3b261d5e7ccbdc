"""The commands about the key and about forgetting, as a person types them."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from cloudops_nb.cli.keys import key
from cloudops_nb.cli.main import CommandGroup
from cloudops_nb.cli.store import forget_account, forget_unscanned
from cloudops_nb.model import CellResult, CellState, Resource
from cloudops_nb.settings import load_settings
from cloudops_nb.storage.facade import StorageService
from tests.storage.conftest import WordEmbedder, ended_owners

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSPHRASE = "correct horse battery"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Run a command on a store with a resource and a conversation about it."""
    monkeypatch.setenv("CLOUDOPS_KEY_FILE", str(tmp_path / "config" / "encryption.key"))
    monkeypatch.setenv("CLOUDOPS_QDRANT_IDLE_SECONDS", "2")
    monkeypatch.setattr("cloudops_nb.embedding.open_embedder", lambda _settings: WordEmbedder())
    resource = Resource("sqs_queue", "orders", "123456789012", "eu-west-1", "sqs", account_name="prod")
    forgetting = {"forget-account": forget_account, "forget-unscanned": forget_unscanned}
    commands = CommandGroup(commands={"key": key, **forgetting})

    def run_one(*words: object, path: Path = tmp_path / "store", ok: bool = True, **options: Any) -> Result:
        result = CliRunner().invoke(commands, [str(word) for word in words], obj=str(path), **options)
        assert (result.exit_code == 0) is ok, result.output
        assert "Traceback" not in result.output
        assert (tmp_path / "config" / "encryption.key").read_text().strip() not in result.output
        return result

    with ended_owners(tmp_path):
        with StorageService(load_settings(tmp_path / "store"), WordEmbedder) as storage:
            storage.estate.upsert([resource], scan_id="scan-1")
            storage.chat.append("about it", "user", "what is in account 123456789012?")
        yield run_one


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.touch(mode=0o600)
    path.write_text(PASSPHRASE + "\n")
    return path


def test_show_says_where_the_key_is_and_not_what(run: Any, tmp_path: Path) -> None:
    shown = run("key", "show").output

    assert f"the key file {tmp_path / 'config' / 'encryption.key'}" in shown
    assert "data key: generation 1, 0 days old" in shown


def test_a_key_travels_to_a_new_machine(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passphrase_file: Path
) -> None:
    exported = tmp_path / "exported"
    run("key", "export", exported, "--passphrase-file", passphrase_file)
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600
    monkeypatch.setenv("CLOUDOPS_KEY_FILE", str(tmp_path / "new" / "key"))
    elsewhere = tmp_path / "elsewhere"
    told = run("key", "import", exported, "--passphrase-file", passphrase_file, path=elsewhere).output

    assert f"The key is in the key file {tmp_path / 'new' / 'key'}." in told
    assert (tmp_path / "new" / "key").read_text() == (tmp_path / "config" / "encryption.key").read_text()


def test_a_passphrase_that_is_too_short_writes_nothing(run: Any, tmp_path: Path, passphrase_file: Path) -> None:
    passphrase_file.write_text("short\n")
    refused = run("key", "export", tmp_path / "exported", "--passphrase-file", passphrase_file, ok=False)

    assert "the passphrase is too short" in refused.output
    assert not (tmp_path / "exported").exists()


def test_without_a_terminal_a_passphrase_comes_from_a_file(run: Any, tmp_path: Path) -> None:
    refused = run("key", "export", tmp_path / "exported", input=f"{PASSPHRASE}\n{PASSPHRASE}\n", ok=False)

    assert refused.output.count("\n") == 1
    assert "Give --passphrase-file FILE" in refused.output
    assert not (tmp_path / "exported").exists()


def test_an_export_that_does_not_fit_on_the_disk_leaves_no_file(
    run: Any, tmp_path: Path, passphrase_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cloudops_nb.storage.keys.key_export.os.fsync", full)
    refused = run("key", "export", tmp_path / "exported", "--passphrase-file", passphrase_file, ok=False)
    assert "No space left on device" in refused.output
    assert not (tmp_path / "exported").exists()


def test_an_export_never_replaces_a_file(run: Any, tmp_path: Path) -> None:
    (tmp_path / "exported").write_text("an earlier one")

    assert "already exists" in run("key", "export", tmp_path / "exported", ok=False).output
    assert (tmp_path / "exported").read_text() == "an earlier one"


def test_a_wrong_passphrase_is_one_line(run: Any, tmp_path: Path, passphrase_file: Path) -> None:
    run("key", "export", tmp_path / "exported", "--passphrase-file", passphrase_file)
    passphrase_file.write_text("something else entirely\n")
    refused = run("key", "import", tmp_path / "exported", "--passphrase-file", passphrase_file, ok=False)

    assert "EncryptionError: the exported key cannot be decrypted" in refused.output


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_passphrase_file_that_others_can_read_is_refused(
    run: Any, tmp_path: Path, passphrase_file: Path, mode: int
) -> None:
    passphrase_file.chmod(mode)
    refused = run("key", "export", tmp_path / "exported", "--passphrase-file", passphrase_file, ok=False)

    assert "is not private" in refused.output
    assert not (tmp_path / "exported").exists()


def test_no_option_takes_a_passphrase_itself() -> None:
    names = {option for command in key.commands.values() for parameter in command.params for option in parameter.opts}

    assert {name for name in names if "pass" in name} == {"--passphrase-file"}


def test_rotate_and_rekey_say_what_they_did(run: Any) -> None:
    before = run("key", "show").output
    assert "data key generation 2" in run("key", "rotate").output
    assert "data key: generation 2, 0 days old" in run("key", "show").output
    asked = run("key", "rekey", input="n\n", ok=False).output
    assert "open only with the old key" in asked
    assert "The store has the new key" in run("key", "rekey", "--yes").output
    after = run("key", "show").output
    assert before.splitlines()[0] != after.splitlines()[0]
    assert "data key: generation 1" in after


def test_the_old_key_stays_until_it_is_removed(run: Any) -> None:
    old = run("key", "show").output.split()[1]
    assert f"The old key {old} is kept in" in run("key", "rekey", "--yes").output
    assert f"kept key: {old} in" in run("key", "show").output
    run("key", "remove", old, input="n\n", ok=False)
    present = run("key", "show").output.split()[1]
    assert "it is the store's current key" in run("key", "remove", present, "--yes", ok=False).output

    asked = run("key", "remove", old, input="y\n").output
    assert "Stores and backups that need this key will not open again" in asked
    assert "kept key" not in run("key", "show").output


def test_a_key_takes_the_place_in_an_empty_store_only(run: Any, tmp_path: Path, passphrase_file: Path) -> None:
    exported, accident = tmp_path / "exported", tmp_path / "accident"
    run("key", "export", exported, "--passphrase-file", passphrase_file)
    wanted = run("key", "show").output.split()[1]
    present = tmp_path / "config" / "encryption.key"
    present.rename(tmp_path / "lost")
    with StorageService(load_settings(accident), WordEmbedder) as storage:
        assert storage.vault.keys.fingerprint != wanted
    words = ("key", "import", exported, "--passphrase-file", passphrase_file)
    run(*words, path=accident)
    assert run("key", "show", path=accident).output.split()[1] == wanted

    with StorageService(load_settings(tmp_path / "other"), WordEmbedder) as storage:
        storage.journal.append("plan", "p", {})
    assert "belongs to a different store" in run(*words, path=tmp_path / "other", ok=False).output


def test_of_something_that_is_no_account_nothing_is_found(run: Any) -> None:
    refused = run("forget-account", "1234", "--yes", ok=False)

    assert "the store has no account 1234" in refused.output
    assert "account 123456789012: 1 resources" in run("forget-account", "prod", "--dry-run").output


def test_without_a_store_no_command_makes_one(run: Any, tmp_path: Path) -> None:
    for words in (("show",), ("export", tmp_path / "e"), ("rotate",), ("rekey", "--yes")):
        refused = run("key", *words, path=tmp_path / "nothing", ok=False)
        assert "there is no store" in refused.output
    assert not (tmp_path / "nothing").exists()


def test_an_account_is_shown_asked_about_and_forgotten(run: Any, tmp_path: Path) -> None:
    shown = run("forget-account", "prod", "--dry-run").output
    assert "Will be removed for account 123456789012: 1 resources, 0 scan cells." in shown
    assert "about it" in shown
    run("forget-account", "prod", input="n\n", ok=False)
    assert "1 resources" in run("forget-account", "prod", "--dry-run").output
    assert "Account 123456789012 is forgotten." in run("forget-account", "prod", "--yes").output
    assert "0 resources" in run("forget-account", "123456789012", "--dry-run").output


def test_cells_that_are_not_scanned_any_more_are_removed_after_a_question(run: Any, tmp_path: Path) -> None:
    assert "Everything that is kept is scanned" in run("forget-unscanned", "--yes").output
    with StorageService(load_settings(tmp_path / "store"), WordEmbedder) as storage:
        (hit,) = storage.estate.resources()
        why = "the account is not configured any more"
        left_out = CellResult(hit.resource.cell, CellState.NOT_CONFIGURED, datetime.now(UTC), 0.0, 1, detail=why)
        storage.scan_state.put(left_out)

    for words, answer in ((("--dry-run",), None), ((), "n\n")):
        assert why in run("forget-unscanned", *words, ok=not answer, input=answer).output
        assert "1 resources" in run("forget-account", "123456789012", "--dry-run").output
    assert "Removed." in run("forget-unscanned", "--yes").output
    assert "0 resources, 0 scan cells" in run("forget-account", "123456789012", "--dry-run").output
