from __future__ import annotations

import os
import pickle
import stat
from typing import TYPE_CHECKING, ClassVar

import keyring
import keyring.backends.fail
import keyring.errors
import pytest
from keyring.backend import KeyringBackend

from cloudops_nb.errors import (
    CloudOpsWarning,
    ConfigurationError,
    EncryptionError,
    KeyMissingError,
    StoreCorruptedError,
    WrongKeyError,
)
from cloudops_nb.settings import Settings
from cloudops_nb.storage.files.store_file import StoreFile
from cloudops_nb.storage.keys.master_key import MasterKey
from cloudops_nb.storage.opening.vault_opening import open_vault
from tests.storage.conftest import header_of, key_file_of

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = MasterKey(bytes(range(32)))
OPEN = """
import sys
from cloudops_nb.settings import Settings
from cloudops_nb.storage.files.store_file import StoreFile
from cloudops_nb.storage.opening.vault_opening import open_vault
sys.stdin.readline()
print(open_vault(Settings(data_path=sys.argv[1], key_file=sys.argv[2])).keys.fingerprint)
"""


class Keyring(KeyringBackend):
    """A working keyring that can be locked."""

    # A list of its own keeps this class out of the ones that the library picks by itself.
    _classes: ClassVar[set[type]] = set()
    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.secret: str | None = None
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise keyring.errors.KeyringLocked
        return self.secret

    def set_password(self, service: str, username: str, password: str) -> None:
        self.secret = password


@pytest.fixture(autouse=True)
def backend() -> Iterator[Keyring]:
    """The keyring of this test's operating system."""
    default, backend = keyring.get_keyring(), Keyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(default)


@pytest.fixture
def default_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "cloudops" / "encryption.key"


@pytest.fixture
def settings(tmp_path: Path, default_key_file: Path) -> Settings:
    return Settings(data_path=tmp_path / "store")


@pytest.mark.fast
def test_the_first_run_makes_a_store_and_the_second_opens_it(key_settings: Settings) -> None:
    first = open_vault(key_settings)
    sealed = first.envelope.seal(b"content", collection="chat", point_id="one")
    second = open_vault(key_settings)

    assert second.envelope.open(sealed, collection="chat", point_id="one") == b"content"
    assert second.store_file.read() == first.store_file.read()
    assert second.keys.fingerprint == first.keys.fingerprint
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in first.data_path.iterdir()}
    assert files == {"store.json": 0o600, "store.lock": 0o600, "journal.head": 0o600}


@pytest.mark.fast
def test_nothing_of_the_key_shows_or_travels(key_settings: Settings) -> None:
    vault = open_vault(key_settings)
    key = key_file_of(key_settings).read_text().strip()

    assert key not in repr(vault)
    assert bytes.fromhex(key) not in b"".join(path.read_bytes() for path in vault.data_path.iterdir())
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(vault)


@pytest.mark.fast
def test_the_current_generation_comes_from_the_store(key_settings: Settings) -> None:
    store_file = open_vault(key_settings).store_file
    store_file.write(header_of(store_file).model_copy(update={"data_key_generation": 4}))

    assert open_vault(key_settings).keys.generation == 4


@pytest.mark.fast
def test_the_keyring_comes_first(settings: Settings, backend: Keyring, default_key_file: Path) -> None:
    fingerprint = open_vault(settings).keys.fingerprint

    assert backend.secret is not None
    assert not default_key_file.exists()
    assert open_vault(settings).keys.fingerprint == fingerprint


@pytest.mark.fast
def test_without_a_keyring_the_key_file_is_next(settings: Settings, default_key_file: Path) -> None:
    keyring.set_keyring(keyring.backends.fail.Keyring())
    fingerprint = open_vault(settings).keys.fingerprint

    assert len(default_key_file.read_text().strip()) == 64
    assert open_vault(settings).keys.fingerprint == fingerprint


@pytest.mark.fast
def test_a_key_in_the_environment_is_used_before_a_new_one_is_made(
    settings: Settings, backend: Keyring, default_key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDOPS_ENCRYPTION_KEY", KEY.hex())
    with pytest.warns(CloudOpsWarning):
        open_vault(settings)

    assert backend.secret is None
    assert not default_key_file.exists()
    with pytest.warns(CloudOpsWarning):
        open_vault(settings)


@pytest.mark.fast
def test_a_locked_keyring_never_leads_to_a_new_key(
    settings: Settings, backend: Keyring, default_key_file: Path
) -> None:
    backend.locked = True

    with pytest.raises(EncryptionError, match="is locked"):
        open_vault(settings)
    assert backend.secret is None
    assert not default_key_file.exists()
    assert not (settings.data_path / "store.json").exists()


@pytest.mark.fast
def test_a_missing_key_of_an_existing_store_is_an_error_and_never_a_new_key(
    settings: Settings, backend: Keyring
) -> None:
    open_vault(settings)
    backend.secret = None

    with pytest.raises(KeyMissingError, match=r"looked in the keyring.*, the key file .*, the environment variable"):
        open_vault(settings)
    assert backend.secret is None


@pytest.mark.fast
def test_another_stores_key_is_named_as_such(settings: Settings, backend: Keyring) -> None:
    open_vault(settings)
    backend.secret = KEY.hex()

    with pytest.raises(WrongKeyError, match=r"only keys of other stores were found in the keyring"):
        open_vault(settings)


@pytest.mark.fast
def test_the_source_with_the_stores_own_key_is_used_whatever_the_order(
    settings: Settings, backend: Keyring, default_key_file: Path
) -> None:
    fingerprint = open_vault(settings).keys.fingerprint
    default_key_file.touch(mode=0o600)
    default_key_file.write_text(str(backend.secret))
    backend.secret = KEY.hex()

    assert open_vault(settings).keys.fingerprint == fingerprint


@pytest.mark.fast
def test_two_stores_of_one_user_share_the_key(settings: Settings, tmp_path: Path) -> None:
    other = Settings(data_path=tmp_path / "other")

    assert open_vault(settings).keys.fingerprint == open_vault(other).keys.fingerprint


@pytest.mark.fast
def test_an_explicit_source_is_the_only_one(
    tmp_path: Path, backend: Keyring, default_key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_vault(Settings(data_path=tmp_path / "one", key_source="file"))
    assert default_key_file.exists()
    assert backend.secret is None

    open_vault(Settings(data_path=tmp_path / "two", key_source="keyring"))
    assert backend.secret not in (None, default_key_file.read_text().strip())

    with pytest.raises(KeyMissingError, match="CLOUDOPS_ENCRYPTION_KEY"):
        open_vault(Settings(data_path=tmp_path / "three", key_source="environment"))
    monkeypatch.setenv("CLOUDOPS_ENCRYPTION_KEY", KEY.hex())
    with pytest.warns(CloudOpsWarning):
        open_vault(Settings(data_path=tmp_path / "three", key_source="environment"))


@pytest.mark.fast
def test_an_explicit_keyring_that_is_not_there_is_an_error(tmp_path: Path, default_key_file: Path) -> None:
    keyring.set_keyring(keyring.backends.fail.Keyring())

    with pytest.raises(KeyMissingError):
        open_vault(Settings(data_path=tmp_path / "store", key_source="keyring"))
    assert not default_key_file.exists()


@pytest.mark.fast
@pytest.mark.parametrize("source", ["keyring", "environment"])
def test_a_key_file_with_another_source_is_a_contradiction(tmp_path: Path, source: str) -> None:
    with pytest.raises(ConfigurationError, match=f"key_source is {source}"):
        open_vault(Settings(data_path=tmp_path, key_file=tmp_path / "key", key_source=source))


@pytest.mark.fast
@pytest.mark.parametrize("data", ["journal.db", "qdrant/chat_history"])
def test_data_without_its_store_file_is_damage_and_never_a_new_store(key_settings: Settings, data: str) -> None:
    (key_settings.data_path / data).mkdir(parents=True)

    with pytest.raises(StoreCorruptedError, match="missing next to the store's data"):
        open_vault(key_settings)
    assert not key_file_of(key_settings).exists()


@pytest.mark.fast
def test_a_store_that_another_process_created_during_the_wait_is_opened(
    key_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = open_vault(key_settings)
    answers = iter([None, made.store_file.read()])
    monkeypatch.setattr(StoreFile, "read", lambda _self: next(answers))

    assert open_vault(key_settings).keys.fingerprint == made.keys.fingerprint


def test_processes_that_start_at_once_agree_on_one_key(
    tmp_path: Path, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    # Two share a store, the third has its own; the key file is the same.
    stores = [tmp_path / "one", tmp_path / "one", tmp_path / "two"]
    processes = [start_python(OPEN, store, tmp_path / "config" / "key") for store in stores]
    answers = [process.communicate(os.linesep, timeout=60)[0].strip() for process in processes]

    assert len(answers[0]) == 32
    assert len(set(answers)) == 1
