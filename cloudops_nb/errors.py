"""The one tree of errors; each says what failed, why, and what to do.

::

    CloudOpsError
    ├── ConfigurationError              a setting, an account table or a command line
    ├── PromptError                     a request that cannot be understood at all
    ├── AwsError
    │   ├── CredentialsError            none, expired, unknown profile, refused role
    │   └── AwsUnreachableError         the endpoint does not answer
    ├── StorageError
    │   ├── InitialisationError         bad path, foreign version, wrong dimension
    │   ├── StoreUnavailableError       the owner process cannot be reached or started
    │   ├── StoreCorruptedError         a file of the store cannot be read
    │   ├── JournalError                the journal's chain does not verify
    │   │   └── AlreadyRecordedError    what may be recorded once was recorded before
    │   ├── EncryptionError
    │   │   ├── KeyMissingError         data without its key
    │   │   ├── WrongKeyError           a key that is not this store's
    │   │   └── DecryptionError         an envelope that does not open
    │   └── BackupError
    ├── EmbeddingError                  the model is missing, altered or cannot be exported
    ├── EgressRefusedError              bytes that may not leave
    ├── PlaybookError                   unknown, invalid or not runnable
    └── PlanError
        ├── ApprovalRequired            nothing runs before a person approved it
        ├── ApprovalRefusedError        used, expired, of another plan, of too weak a channel
        ├── DriftError                  the resource changed since the plan was shown
        └── ExecutionError              a step could not be run

Beside it stands ``CloudOpsWarning``, for what works but should not stay so.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Control, format and unassigned characters, and line ends: an error may name a resource as somebody else chose to.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


class CloudOpsError(Exception):
    """The root of every error this package raises.

    Args:
        what: What failed, as a short clause without a full stop.
        why: Why it failed.
        fix: What the reader can do about it, as an imperative sentence.
    """

    def __init__(self, what: str, why: str = "", fix: str = "") -> None:
        self.what = what
        self.why = why
        self.fix = fix
        super().__init__(what, why, fix)

    def __str__(self) -> str:
        text = self.what if not self.why else f"{self.what}: {self.why}"
        text = " ".join(text.split()).rstrip(".")
        # "did you mean regions?" ends with its own mark.
        text = text if text.endswith(("?", "!")) else f"{text}."
        return text if not self.fix else f"{text} {' '.join(self.fix.split())}"

    def _render_traceback_(self) -> list[str]:
        """Show one line in IPython, while the cell still fails (IPython's own protocol for exceptions)."""
        return [_visible(f"{type(self).__name__}: {self}")]


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return "did you mean NEAREST?" for a misspelt name.

    Args:
        name: The unknown name.
        known: The names there are; one that contains the unknown name is near as well.
        otherwise: What to return if no name is near.
    """
    # Loaded here, because this module is loaded with the notebook extension, and most sessions misspell nothing.
    from difflib import get_close_matches

    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5) or [each for each in names if name and name in each]
    return f"did you mean {near[0]}?" if near else otherwise


def _visible(text: str) -> str:
    """Return the text with a mark for each character that draws nothing or turns its neighbours around."""
    return "".join(
        f"⟨U+{ord(character):04X}⟩" if unicodedata.category(character) in _INVISIBLE_CATEGORIES else character
        for character in text
    )


class ConfigurationError(CloudOpsError):
    """A setting, an account table or a command line is wrong."""


class PromptError(CloudOpsError):
    """A request in words cannot be understood at all."""


class AwsError(CloudOpsError):
    """AWS answered with an error that stops the whole call."""


class CredentialsError(AwsError):
    """There are no usable credentials: none found, expired, an unknown profile or a refused role."""


class AwsUnreachableError(AwsError):
    """The AWS endpoint does not answer."""


class StorageError(CloudOpsError):
    """The store on the notebook host failed."""


class InitialisationError(StorageError):
    """The store cannot be opened: bad path, foreign format version or wrong dimension."""


class StoreUnavailableError(StorageError):
    """The process that owns the store cannot be reached or started."""


class StoreCorruptedError(StorageError):
    """A file of the store cannot be read."""


class JournalError(StorageError):
    """The journal's chain does not verify, or a record cannot be written."""


class AlreadyRecordedError(JournalError):
    """What may be recorded only once was recorded before."""


class EncryptionError(StorageError):
    """A key or an envelope is not usable."""


class KeyMissingError(EncryptionError):
    """There is data, but no key for it; a new key is never made in that case."""


class WrongKeyError(EncryptionError):
    """The key found is not the key of this store."""


class DecryptionError(EncryptionError):
    """An envelope does not open: altered, cut short, or moved from another record."""


class BackupError(StorageError):
    """A backup could not be made or restored."""


class EmbeddingError(CloudOpsError):
    """The embedding model is missing, altered or cannot be exported."""


class EgressRefusedError(CloudOpsError):
    """A request was stopped at the gate before anything left the host."""


class PlaybookError(CloudOpsError):
    """A playbook is unknown, invalid or not runnable."""


class PlanError(CloudOpsError):
    """A plan cannot be made, approved or run."""


class ApprovalRequired(PlanError):  # noqa: N818 - a public name, read as a state rather than a failure
    """Nothing runs before a person approved it."""


class ApprovalRefusedError(PlanError):
    """An approval does not fit: used, expired, of another plan, or of too weak a channel."""


class DriftError(PlanError):
    """The resource changed since the plan was shown."""


class ExecutionError(PlanError):
    """A step could not be run."""


class CloudOpsWarning(UserWarning):
    """Something works, but should not stay as it is."""
