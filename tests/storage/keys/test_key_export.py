"""The master key under a passphrase: out of one store, and into the key source of another."""

from __future__ import annotations

import hashlib
import json
import stat
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudops_nb.errors import ConfigurationError, EncryptionError, KeyMissingError, WrongKeyError
from cloudops_nb.settings import Settings
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.keys import key_export
from cloudops_nb.storage.keys.key_export import export_key, export_store_key, unwrap_key
from cloudops_nb.storage.keys.master_key import MasterKey, StoreKeys
from cloudops_nb.storage.maintenance.key_import import import_store_key
from cloudops_nb.storage.opening.vault_opening import open_vault
from tests.storage.conftest import WordEmbedder, key_file_of

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.storage.keys.key_sources import KeySource


MASTER = MasterKey(bytes(range(32)))
PASSPHRASE = "correct horse battery"


def export_as_the_format_says(cost: int) -> str:
    """Return an export that other code than the product's wrote."""
    fingerprint, salt, nonce = StoreKeys(MASTER).fingerprint, bytes(range(32)), bytes(range(12))
    fields = {"cloudops": "encryption key", "version": 1, "fingerprint": fingerprint, "kdf": "scrypt"}
    fields |= {"cost": cost, "block": 8, "parallel": 1, "salt": salt.hex(), "nonce": nonce.hex()}
    wrapping_key = hashlib.scrypt(PASSPHRASE.encode(), salt=salt, n=cost, r=8, p=1, dklen=32, maxmem=256 * cost * 8)
    vouched_for = json.dumps(fields, separators=(",", ":")).encode()
    wrapped = AESGCM(wrapping_key).encrypt(nonce, bytes.fromhex(MASTER.hex()), vouched_for)
    return json.dumps({**fields, "wrapped": wrapped.hex()})


#: At the lowest cost that an import accepts.
EXPORT = export_as_the_format_says(2**14)


def import_key(settings: Settings, text: str, passphrase: str) -> KeySource:
    with StorageService(settings, WordEmbedder) as storage:
        return import_store_key(storage, settings, text, passphrase)


@pytest.fixture
def new_machine(tmp_path: Path) -> Settings:
    return Settings(data_path=tmp_path / "elsewhere", key_file=tmp_path / "other" / "encryption.key")


def test_an_export_opens_with_its_passphrase_and_shows_no_key() -> None:
    export = export_key(MASTER, PASSPHRASE)
    fields = json.loads(export)

    assert unwrap_key(export, PASSPHRASE) == MASTER
    assert MASTER.hex() not in export
    assert fields["fingerprint"] == StoreKeys(MASTER).fingerprint
    assert (fields["cost"], fields["block"], fields["parallel"]) == (2**17, 8, 1)


@pytest.mark.parametrize("cost", [2**14, 2**15])
def test_an_export_opens_at_the_cost_that_it_names(cost: int) -> None:
    assert unwrap_key(export_as_the_format_says(cost), PASSPHRASE) == MASTER


def test_two_exports_of_one_key_have_nothing_secret_in_common() -> None:
    one, two = (json.loads(export_key(MASTER, PASSPHRASE)) for _ in range(2))

    assert all(one[name] != two[name] for name in ("salt", "nonce", "wrapped"))


def test_the_same_letters_typed_on_another_system_open_it() -> None:
    composed, decomposed = "pässword für später", "pa\u0308ssword fu\u0308r spa\u0308ter"

    assert unwrap_key(export_key(MASTER, composed), decomposed) == MASTER


@pytest.mark.parametrize("passphrase", ["", "hunter2", "elevenchars"])
def test_a_short_passphrase_is_refused(passphrase: str) -> None:
    with pytest.raises(ConfigurationError, match="fewer than 12 characters"):
        export_key(MASTER, passphrase)


def test_another_passphrase_is_one_clear_line() -> None:
    with pytest.raises(EncryptionError, match="wrong passphrase, or the file was modified") as caught:
        unwrap_key(EXPORT, PASSPHRASE + "!")
    assert "\n" not in str(caught.value)
    assert PASSPHRASE not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fingerprint", "0" * 32),
        ("cost", 2**15),
        ("parallel", 2),
        ("salt", "0" * 64),
        ("nonce", "0" * 24),
        ("wrapped", ""),
        ("wrapped", "00"),
        ("wrapped", "00" * 48),
    ],
)
def test_any_altered_field_is_refused(field: str, value: object) -> None:
    with pytest.raises(EncryptionError, match="wrong passphrase, or the file was modified"):
        unwrap_key(json.dumps({**json.loads(EXPORT), field: value}), PASSPHRASE)


@pytest.mark.parametrize(
    "altered",
    [
        {"cost": 2**22, "block": 32},
        {"cost": 2**30},
        {"block": 10**9},
        {"parallel": 1000},
        {"cost": 100_000},
        {"cost": 1},
    ],
)
def test_a_hostile_file_cannot_take_all_memory(altered: dict[str, int]) -> None:
    with pytest.raises(EncryptionError, match="the file is not an exported key"):
        unwrap_key(json.dumps({**json.loads(EXPORT), **altered}), PASSPHRASE)


@given(text=st.text(max_size=300) | st.dictionaries(st.text(max_size=10), st.integers()).map(json.dumps))
@settings(deadline=None)
def test_anything_else_is_no_export(text: str) -> None:
    with pytest.raises(EncryptionError, match="the file is not an exported key"):
        unwrap_key(text, PASSPHRASE)


def test_an_export_that_names_another_key_than_it_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(key_export, "StoreKeys", lambda _master: SimpleNamespace(fingerprint="0" * 32))
        misleading = export_key(MASTER, PASSPHRASE)

    with pytest.raises(EncryptionError, match="its fingerprint is not the one that the file names"):
        unwrap_key(misleading, PASSPHRASE)


def test_a_huge_file_is_no_export() -> None:
    with pytest.raises(EncryptionError, match="the file is not an exported key"):
        unwrap_key(EXPORT + " " * 20_000, PASSPHRASE)


def test_a_store_made_after_the_import_has_the_same_key(key_settings: Settings, new_machine: Settings) -> None:
    fingerprint = open_vault(key_settings).keys.fingerprint
    place = import_key(new_machine, export_store_key(key_settings, PASSPHRASE), PASSPHRASE)

    assert str(new_machine.key_file) in place.name
    assert stat.S_IMODE(key_file_of(new_machine).stat().st_mode) == 0o600
    assert open_vault(new_machine).keys.fingerprint == fingerprint


def test_a_lost_key_comes_back(key_settings: Settings) -> None:
    fingerprint = open_vault(key_settings).keys.fingerprint
    export = export_store_key(key_settings, PASSPHRASE)
    key_file_of(key_settings).unlink()
    import_key(key_settings, export, PASSPHRASE)

    assert open_vault(key_settings).keys.fingerprint == fingerprint


def test_importing_twice_changes_nothing(new_machine: Settings) -> None:
    import_key(new_machine, EXPORT, PASSPHRASE)
    import_key(new_machine, EXPORT, PASSPHRASE)

    assert key_file_of(new_machine).read_text().strip() == MASTER.hex()


def test_a_wrong_passphrase_changes_nothing(new_machine: Settings) -> None:
    with pytest.raises(EncryptionError):
        import_key(new_machine, EXPORT, "something else entirely")

    assert not key_file_of(new_machine).exists()


def test_another_key_is_never_overwritten(key_settings: Settings) -> None:
    open_vault(key_settings)
    kept = key_file_of(key_settings).read_bytes()
    beside = key_settings.model_copy(update={"data_path": key_settings.data_path.with_name("beside")})

    with pytest.raises(WrongKeyError, match="holds a different key, which is not replaced"):
        import_key(beside, EXPORT, PASSPHRASE)
    assert key_file_of(key_settings).read_bytes() == kept


def test_a_store_with_another_key_is_left_alone(key_settings: Settings) -> None:
    open_vault(key_settings)
    kept = key_file_of(key_settings).read_bytes()
    key_file_of(key_settings).unlink()

    with pytest.raises(WrongKeyError, match="belongs to a different store"):
        import_key(key_settings, EXPORT, PASSPHRASE)
    assert not key_file_of(key_settings).exists()
    assert len(kept) == 65


def test_a_store_whose_source_has_another_key_finds_its_own_in_a_slot(key_settings: Settings) -> None:
    fingerprint = open_vault(key_settings).keys.fingerprint
    export = export_store_key(key_settings, PASSPHRASE)
    key_file_of(key_settings).write_text(MASTER.hex())
    place = import_key(key_settings, export, PASSPHRASE)

    assert place.name.endswith(fingerprint)
    assert key_file_of(key_settings).read_text() == MASTER.hex()
    assert open_vault(key_settings).keys.fingerprint == fingerprint


def test_an_environment_cannot_take_a_key(tmp_path: Path) -> None:
    with pytest.raises(KeyMissingError, match="no key source is writable"):
        import_key(Settings(data_path=tmp_path / "store", key_source="environment"), EXPORT, PASSPHRASE)


def test_without_a_store_there_is_nothing_to_export(key_settings: Settings) -> None:
    with pytest.raises(KeyMissingError, match="there is no store"):
        export_store_key(key_settings, PASSPHRASE)
