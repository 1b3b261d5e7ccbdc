"""Key sources, the places that can hold a master key: their protocol, a private file, and an environment variable."""

from __future__ import annotations

import os
import re
import warnings
from typing import TYPE_CHECKING, Protocol

from cloudops_nb.errors import CloudOpsWarning, EncryptionError
from cloudops_nb.settings import KEY_VARIABLE
from cloudops_nb.storage.files.private_files import POSIX, open_to_others, replace_private, sync_folder
from cloudops_nb.storage.keys.master_key import MasterKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_FINGERPRINT = re.compile("[0-9a-f]{32}")


class KeySource(Protocol):
    """A place that holds one master key; most sources also have slots, each for one further key."""

    @property
    def name(self) -> str:
        """The name of the source in messages."""

    @property
    def writable(self) -> bool:
        """Whether a key can be saved in the source."""

    def load(self) -> MasterKey | None:
        """Return the key, or ``None`` if the source could be read and holds no key.

        Raises:
            EncryptionError: The source cannot be read at the moment, or its content is not a key.
        """

    def save(self, key: MasterKey) -> None:
        """Save a key, and read it back as a check.

        Raises:
            EncryptionError: The key was not saved.
        """

    def remove(self) -> None:
        """Remove the key, if there is one.

        Raises:
            EncryptionError: The key could not be removed.
        """

    def slot(self, fingerprint: str) -> KeySource | None:
        """Return the slot for the key with this fingerprint; ``None`` if the source has no slots.

        A key that a store no longer uses stays in its slot, because other stores and backups may need it.
        """

    def kept(self) -> Sequence[str]:
        """Return the fingerprints of the keys in slots; empty if the source cannot list its slots."""


class FileSource:
    """A file that only its owner can read, and that holds the key as 64 hexadecimal digits."""

    writable = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = f"the key file {path}"

    def load(self) -> MasterKey | None:
        """Read the file; ``None`` if it does not exist.

        Raises:
            EncryptionError: The file cannot be read, its mode gives others access, it belongs neither to this process's
                user nor to root, or its content is not a key.
        """
        try:
            with self.path.open("rb") as stream:
                why, fix = _privacy_problem(self.path, os.fstat(stream.fileno()))
                text = stream.read(1024).decode("ascii", "replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EncryptionError(f"cannot read {self.name}", error.strerror or "") from error
        if why:
            raise EncryptionError(f"{self.name} is not private", why, fix)
        return MasterKey.from_hex(text, source=self.name)

    def save(self, key: MasterKey) -> None:
        """Write the file with mode 0600; if its folder is missing, create the folder with mode 0700.

        Raises:
            EncryptionError: The file cannot be written, or does not hold the key when read back.
        """
        try:
            file = self._resolved_path()
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_private(file, key.hex().encode() + b"\n")
        except OSError as error:
            raise EncryptionError(f"cannot write {self.name}", error.strerror or "") from error
        verify_saved(self, key)

    def remove(self) -> None:
        """Remove the file; the removal survives a power cut.

        Raises:
            EncryptionError: The file cannot be removed.
        """
        try:
            file = self._resolved_path()
            file.unlink(missing_ok=True)
            if file.parent.exists():
                sync_folder(file.parent)
        except OSError as error:
            raise EncryptionError(f"cannot remove {self.name}", error.strerror or "") from error

    def slot(self, fingerprint: str) -> FileSource:
        """Return the slot: a file next to this one (after resolving links), whose name ends with the fingerprint."""
        file = self._resolved_path()
        return FileSource(file.with_name(f"{file.name}.{fingerprint}"))

    def kept(self) -> list[str]:
        """Return the fingerprints in the names of the slot files.

        Raises:
            EncryptionError: The folder cannot be listed.
        """
        file = self._resolved_path()
        try:
            names = [path.name for path in file.parent.iterdir()] if file.parent.is_dir() else []
        except OSError as error:
            raise EncryptionError(f"cannot look for keys next to {self.name}", error.strerror or "") from error
        suffixes = (name.removeprefix(f"{file.name}.") for name in names if name.startswith(f"{file.name}."))
        return sorted(suffix for suffix in suffixes if _FINGERPRINT.fullmatch(suffix))

    def _resolved_path(self) -> Path:
        # Different stores may reach one key file through different links, and must still find the same slots.
        try:
            return self.path.resolve()
        except (OSError, RuntimeError) as error:
            raise EncryptionError(f"cannot read {self.name}", "its links form a loop") from error


class EnvironmentSource:
    """The environment variable ``CLOUDOPS_ENCRYPTION_KEY``, which every child process can read; :meth:`load` warns."""

    writable = False
    name = f"the environment variable {KEY_VARIABLE}"

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment

    def load(self) -> MasterKey | None:
        """Read the variable, and give a :class:`CloudOpsWarning` if it is set; ``None`` if it is unset or empty.

        Raises:
            EncryptionError: The variable's value is not a key.
        """
        text = self._environment.get(KEY_VARIABLE, "")
        if not text:
            return None
        advice = "every program started from this process can read it; use a keyring or a key file instead"
        warnings.warn(f"the encryption key is in {self.name}: {advice}", CloudOpsWarning, stacklevel=2)
        return MasterKey.from_hex(text, source=self.name)

    def save(self, key: MasterKey) -> None:  # noqa: ARG002 - the signature of KeySource
        """Refuse, because a variable that this process sets is lost when the process ends.

        Raises:
            EncryptionError: Always.
        """
        why = "a variable set by this process is lost when the process ends"
        raise EncryptionError(f"the key cannot be saved in {self.name}", why, "Set key_source to keyring or file.")

    def remove(self) -> None:
        """Refuse, because this process cannot change the environment of later processes.

        Raises:
            EncryptionError: Always.
        """
        fix = "Remove the variable where it is defined, for example in the shell's profile."
        raise EncryptionError(f"the key cannot be removed from {self.name}", "", fix)

    def slot(self, fingerprint: str) -> None:
        """Return ``None``, because there is only one variable."""

    def kept(self) -> list[str]:
        """Return an empty list, because there are no slots."""
        return []


def verify_saved(source: KeySource, key: MasterKey) -> None:
    """Check that a source returns the key that was just saved in it.

    Raises:
        EncryptionError: The source returns no key, or a different one.
    """
    if source.load() != key:
        why = "reading it back returned no key or a different one"
        raise EncryptionError(f"{source.name} did not save the new key", why)


def _privacy_problem(path: Path, status: os.stat_result) -> tuple[str, str]:
    """Return the reason why a key file is not private, and the remedy; two empty texts if the file is private."""
    if open_to_others(status):
        return "its mode lets others read it", f"Run: chmod 600 {path}"
    # Root's files are accepted, because secrets mounted into containers belong to root.
    if POSIX and status.st_uid not in (os.geteuid(), 0):
        return "it belongs to another user", "Set key_file to a file of your own."
    return "", ""
