"""The operating system's keyring as a source of the master key.

The ``keyring`` package chooses a backend itself. Some backends drop secrets, store them in plain files, or ask for a
password on the terminal, which hangs a notebook kernel. So each backend is checked before it is used.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import keyring
import keyring.backend
import keyring.backends.chainer
import keyring.errors

from cloudops_nb.errors import EncryptionError
from cloudops_nb.storage.keys.key_sources import verify_saved
from cloudops_nb.storage.keys.master_key import MasterKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SERVICE = "cloudops"
ACCOUNT = "encryption_key"
#: The namespace of add-on backends (keyrings.alt, keyrings.cryptfile): they store secrets in files, and most of them
#: ask for a password.
_ADD_ONS = "keyrings."


class KeyringSource:
    """The keyring entry ``cloudops`` / ``encryption_key``, or a slot: an entry for one further key.

    Args:
        add_ons: If true, backends of the ``keyrings`` namespace are used, although they may prompt on the terminal.
        account: The entry's account name; a slot's account name ends with the fingerprint of the slot's key.
    """

    def __init__(self, *, add_ons: bool, account: str = ACCOUNT) -> None:
        self._add_ons = add_ons
        self._account = account
        entry = "" if account == ACCOUNT else f" (entry {account})"
        self.name = f"the keyring of the operating system{entry}"

    @property
    def writable(self) -> bool:
        """Whether a usable backend exists."""
        return bool(self._backends())

    def load(self) -> MasterKey | None:
        """Return the key from the best usable backend that has the entry; ``None`` if no usable backend has the entry.

        Raises:
            EncryptionError: A backend is locked or fails, or the entry is not a key.
        """
        for backend in self._backends():
            with _backend_errors(backend):
                text = backend.get_password(SERVICE, self._account)
            if text is not None:
                return MasterKey.from_hex(text, source=self.name)
        return None

    def save(self, key: MasterKey) -> None:
        """Save the key in the best usable backend, and read it back as a check.

        Raises:
            EncryptionError: There is no usable backend, or the backend is locked, fails or does not save the key.
        """
        backends = self._backends()
        if not backends:
            raise EncryptionError(f"{self.name} cannot save the key", "it has no usable backend")
        with _backend_errors(backends[0]):
            backends[0].set_password(SERVICE, self._account, key.hex())
        verify_saved(self, key)

    def remove(self) -> None:
        """Delete the entry from every usable backend that has it.

        Raises:
            EncryptionError: A backend is locked or fails.
        """
        for backend in self._backends():
            with _backend_errors(backend):
                if backend.get_password(SERVICE, self._account) is not None:
                    backend.delete_password(SERVICE, self._account)

    def slot(self, fingerprint: str) -> KeyringSource:
        """Return the slot for the key with this fingerprint: the entry whose account name ends with the fingerprint."""
        return KeyringSource(add_ons=self._add_ons, account=f"{self._account}.{fingerprint}")

    def kept(self) -> list[str]:
        """Return an empty list, because the ``keyring`` package cannot list entries."""
        return []

    def _backends(self) -> Sequence[keyring.backend.KeyringBackend]:
        active = keyring.get_keyring()
        chained = isinstance(active, keyring.backends.chainer.ChainerBackend)
        # A chain would also ask add-on backends, so use the chain's backends singly; it lists the best first.
        backends = list(active.backends) if chained else [active]  # type: ignore[attr-defined] # not in keyring's types
        return [backend for backend in backends if self._usable(backend)]

    def _usable(self, backend: keyring.backend.KeyringBackend) -> bool:
        if type(backend).__module__.startswith(_ADD_ONS) and not self._add_ons:
            return False
        try:
            return float(backend.priority) > 0
        except RuntimeError:  # reading the priority raises it if the backend does not work on this machine
            return False


@contextmanager
def _backend_errors(backend: keyring.backend.KeyringBackend) -> Iterator[None]:
    """Report a backend's exception by its type only, because the message might contain the secret."""
    name = type(backend).__name__
    try:
        yield
    except keyring.errors.KeyringLocked:
        fix = "Unlock it and try again, or set key_source to file."
        raise EncryptionError("the encryption key cannot be accessed", f"the keyring ({name}) is locked", fix) from None
    except Exception as error:  # noqa: BLE001 - backends raise whatever their system library does
        why = f"the keyring ({name}) failed with {type(error).__name__}"
        fix = "Repair the keyring, or set key_source to file."
        raise EncryptionError("the encryption key cannot be accessed", why, fix) from None
