"""The error classes of the package. Every error says what failed, why, and what to do.

::

    CloudOpsError
    ├── ConfigurationError              a setting, an account table or a command line is wrong
    ├── PromptError                     a request in words cannot be understood
    ├── AwsError
    │   ├── CredentialsError            missing, expired, unknown profile, refused role
    │   └── AwsUnreachableError         the endpoint does not answer
    ├── StorageError
    │   ├── InitialisationError         bad path, unknown format version, wrong vector dimension
    │   ├── StoreUnavailableError       the owner process cannot be reached or started
    │   ├── StoreCorruptedError         a file of the store cannot be read
    │   ├── JournalError                the journal's chain does not verify
    │   │   └── AlreadyRecordedError    a record that may exist only once exists
    │   ├── EncryptionError
    │   │   ├── KeyMissingError         the store has data, but its key is missing
    │   │   ├── WrongKeyError           the key belongs to a different store
    │   │   └── DecryptionError         a ciphertext was modified, truncated or moved
    │   └── BackupError
    ├── EmbeddingError                  the model is missing, modified or cannot be exported
    ├── EgressRefusedError              a request must not leave the host
    ├── PlaybookError                   a playbook is unknown, invalid or not runnable
    └── PlanError
        ├── ApprovalRequired            the plan has no approval
        ├── ApprovalRefusedError        already used, expired, for a different plan, or from too weak a channel
        ├── DriftError                  a resource changed after the plan was shown
        └── ExecutionError              a step could not run

``CloudOpsWarning`` is the category of the package's warnings.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Unicode categories of characters that an error text must not contain unmarked: control, format, surrogate,
#: private-use, unassigned and line-end characters. A text may contain the name of a resource, which other users choose.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


class CloudOpsError(Exception):
    """The base class of every error that this package raises.

    Args:
        what: What failed, as a short clause without a full stop.
        why: Why it failed.
        fix: What to do, as an imperative sentence.
    """

    def __init__(self, what: str, why: str = "", fix: str = "") -> None:
        self.what = what
        self.why = why
        self.fix = fix
        super().__init__(what, why, fix)

    def __str__(self) -> str:
        text = self.what if not self.why else f"{self.what}: {self.why}"
        text = " ".join(text.split()).rstrip(".")
        # A reason such as "did you mean regions?" needs no full stop.
        text = text if text.endswith(("?", "!")) else f"{text}."
        return text if not self.fix else f"{text} {' '.join(self.fix.split())}"

    def _render_traceback_(self) -> list[str]:
        """Return one line, which IPython shows instead of a traceback; the notebook cell still fails.

        https://ipython.readthedocs.io/en/stable/config/integrating.html#custom-exception-tracebacks
        """
        return [_visible(f"{type(self).__name__}: {self}")]


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return "did you mean NEAREST?" for a misspelt name.

    Args:
        name: The unknown name.
        known: The known names. If no name is spelt similarly, one that contains the unknown name is suggested.
        otherwise: The result if there is no suggestion.
    """
    # Imported here to keep the notebook extension's start fast; few sessions misspell a name.
    from difflib import get_close_matches

    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5) or [each for each in names if name and name in each]
    return f"did you mean {near[0]}?" if near else otherwise


def _visible(text: str) -> str:
    """Return the text with a mark instead of each character that is invisible or changes the order of others."""
    return "".join(
        f"⟨U+{ord(character):04X}⟩" if unicodedata.category(character) in _INVISIBLE_CATEGORIES else character
        for character in text
    )


class ConfigurationError(CloudOpsError):
    """A setting, an account table or a command line is wrong."""


class PromptError(CloudOpsError):
    """A request in words cannot be understood."""


class AwsError(CloudOpsError):
    """The credentials or the AWS endpoint do not work.

    Errors that affect only some cells of a scan are in the scan's report instead.
    """


class CredentialsError(AwsError):
    """The credentials are missing or expired, the profile is unknown, or AWS refused the caller or the role."""


class AwsUnreachableError(AwsError):
    """The AWS endpoint does not answer, or answers with an unexpected error."""


class StorageError(CloudOpsError):
    """The store on the notebook host failed."""


class InitialisationError(StorageError):
    """The store cannot be opened: bad path, unknown format version, or wrong vector dimension."""


class StoreUnavailableError(StorageError):
    """The owner, the process that serves the embedded vector store, cannot be reached or started."""


class StoreCorruptedError(StorageError):
    """A file of the store cannot be read."""


class JournalError(StorageError):
    """The journal's chain does not verify, or a record cannot be written."""


class AlreadyRecordedError(JournalError):
    """The journal already has a record that may exist only once."""


class EncryptionError(StorageError):
    """A key or a ciphertext is not usable."""


class KeyMissingError(EncryptionError):
    """The store contains data, but its key is missing. No new key is generated then."""


class WrongKeyError(EncryptionError):
    """The key belongs to a different store."""


class DecryptionError(EncryptionError):
    """A ciphertext cannot be decrypted: it was modified or truncated, or it belongs to a different record."""


class BackupError(StorageError):
    """A backup could not be created or restored."""


class EmbeddingError(CloudOpsError):
    """The embedding model is missing, modified or cannot be exported."""


class EgressRefusedError(CloudOpsError):
    """The check on outgoing requests refused a request before any part of it left the host."""


class PlaybookError(CloudOpsError):
    """A playbook is unknown, invalid or not runnable."""


class PlanError(CloudOpsError):
    """A plan cannot be made, approved or run."""


class ApprovalRequired(PlanError):  # noqa: N818 - a public name, read as a state rather than a failure
    """The plan has no approval; a person must approve it before it runs."""


class ApprovalRefusedError(PlanError):
    """The approval is already used, has expired, is for a different plan, or came through too weak a channel."""


class DriftError(PlanError):
    """A resource changed after the plan was shown."""


class ExecutionError(PlanError):
    """A step could not run."""


class CloudOpsWarning(UserWarning):
    """The category of the package's warnings. Something works, but the user should change it."""
