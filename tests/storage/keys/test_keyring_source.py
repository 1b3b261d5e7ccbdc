"""The keyring source against real backends: classes of the keyring library's own interface, set as the default one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import keyring
import keyring.backends.chainer
import keyring.backends.fail
import keyring.backends.null
import pytest
from keyring.errors import KeyringLocked, PasswordSetError

from cloudops_nb.errors import EncryptionError
from cloudops_nb.storage.keys.keyring_source import KeyringSource
from cloudops_nb.storage.keys.master_key import MasterKey
from tests.storage.memory_keyring import MemoryKeyring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keyring.backend import KeyringBackend

pytestmark = pytest.mark.fast

KEY = MasterKey(bytes(range(32)))
ENTRY = ("cloudops", "encryption_key")


class BetterKeyring(MemoryKeyring):
    priority = 5


class LockedKeyring(MemoryKeyring):
    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("locked")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked("locked")


class FailingKeyring(MemoryKeyring):
    def get_password(self, service: str, username: str) -> str | None:
        raise OSError("the bus is gone")


class ReadOnlyKeyring(MemoryKeyring):
    def set_password(self, service: str, username: str, password: str) -> None:
        raise PasswordSetError(f"cannot keep {password}")


class ForgetfulKeyring(MemoryKeyring):
    def set_password(self, service: str, username: str, password: str) -> None:
        """Drop the secret silently, as some backends do."""


class PromptingKeyring(MemoryKeyring):
    """A double of the add-on packages, whose backends ask on the terminal."""

    def get_password(self, service: str, username: str) -> str | None:
        return input("password: ")


PromptingKeyring.__module__ = "keyrings.cryptfile.cryptfile"


class BrokenKeyring(MemoryKeyring):
    @property
    def priority(self) -> float:  # type: ignore[override]  # backends have it as a property that may raise
        raise RuntimeError("no D-Bus")


class Chain(keyring.backends.chainer.ChainerBackend):
    _classes: ClassVar[set[type]] = set()
    backends: ClassVar[list[KeyringBackend]] = []
    priority = 10


@pytest.fixture(autouse=True)
def _default_backend_restored() -> Iterator[None]:
    default = keyring.get_keyring()
    yield
    keyring.set_keyring(default)


def source(backend: KeyringBackend, *, add_ons: bool = False) -> KeyringSource:
    keyring.set_keyring(backend)
    return KeyringSource(add_ons=add_ons)


def test_a_key_is_kept_under_the_documented_entry() -> None:
    backend = MemoryKeyring()
    keys = source(backend)
    assert keys.writable
    assert keys.load() is None
    keys.save(KEY)

    assert keys.load() == KEY
    assert backend.entries == {ENTRY: KEY.hex()}


@pytest.mark.parametrize("backend", [keyring.backends.fail.Keyring, keyring.backends.null.Keyring, BrokenKeyring])
def test_backends_that_keep_nothing_are_not_there(backend: type[KeyringBackend]) -> None:
    keys = source(backend())

    assert not keys.writable
    assert keys.load() is None
    with pytest.raises(EncryptionError, match="no usable backend"):
        keys.save(KEY)


def test_a_locked_keyring_is_an_error_and_not_an_absence() -> None:
    with pytest.raises(EncryptionError, match=r"is locked\. Unlock it"):
        source(LockedKeyring()).load()


def test_a_failing_keyring_is_an_error_and_not_an_absence() -> None:
    with pytest.raises(EncryptionError, match=r"FailingKeyring\) failed with OSError"):
        source(FailingKeyring()).load()


def test_an_error_does_not_repeat_the_secret() -> None:
    with pytest.raises(EncryptionError, match="PasswordSetError") as caught:
        source(ReadOnlyKeyring()).save(KEY)

    assert KEY.hex() not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_dropped_secret_is_noticed() -> None:
    with pytest.raises(EncryptionError, match="did not save the new key"):
        source(ForgetfulKeyring()).save(KEY)


def test_an_entry_that_is_no_key_is_refused() -> None:
    backend = MemoryKeyring()
    backend.entries[ENTRY] = "something else"

    with pytest.raises(EncryptionError, match="64 hexadecimal digits"):
        source(backend).load()


def test_backends_that_may_prompt_are_left_alone_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda _prompt: KEY.hex())

    assert source(PromptingKeyring()).load() is None
    assert source(PromptingKeyring(), add_ons=True).load() == KEY


def test_a_chain_is_asked_backend_by_backend_without_those_that_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    better, plain = BetterKeyring(), MemoryKeyring()
    monkeypatch.setattr(Chain, "backends", [better, PromptingKeyring(), plain])
    keys = source(Chain())
    plain.entries[ENTRY] = KEY.hex()
    assert keys.load() == KEY

    plain.entries.clear()
    keys.save(KEY)
    assert better.entries == {ENTRY: KEY.hex()}
    assert plain.entries == {}


def test_a_second_key_is_in_a_slot_next_to_the_first() -> None:
    backend, other = MemoryKeyring(), MasterKey(bytes(32))
    keys = source(backend)
    keys.save(KEY)
    slot = keys.slot("f" * 32)
    slot.save(other)

    assert backend.entries == {ENTRY: KEY.hex(), ("cloudops", f"encryption_key.{'f' * 32}"): other.hex()}
    slot.remove()
    slot.remove()
    assert (keys.load(), slot.load()) == (KEY, None)


def test_a_key_is_removed_from_every_backend_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    better, plain = BetterKeyring(), MemoryKeyring()
    monkeypatch.setattr(Chain, "backends", [better, plain])
    keys = source(Chain())
    better.entries[ENTRY] = plain.entries[ENTRY] = KEY.hex()
    keys.remove()

    assert better.entries == plain.entries == {}


def test_a_locked_keyring_removes_nothing_and_says_so() -> None:
    with pytest.raises(EncryptionError, match="is locked"):
        source(LockedKeyring()).remove()
