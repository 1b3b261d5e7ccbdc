"""The error classes of the package. An error says what failed and, if known, why, and what to do.

::

    CloudOpsError
    ├── ConfigurationError              a setting, a declaration file or an argument is wrong
    ├── PromptError                     a request in plain words is empty, too long or not understood
    ├── AwsError
    │   ├── CredentialsError            missing or expired credentials, unknown profile, refused role
    │   └── AwsUnreachableError         the endpoint does not answer, or answers with an unexpected error
    ├── StorageError
    │   ├── InitialisationError         the store cannot be opened or set up: bad path, unknown format version …
    │   ├── StoreUnavailableError       the process or the server that holds the vectors does not answer
    │   ├── StoreCorruptedError         a file of the store is damaged or cannot be read
    │   ├── JournalError                the journal was modified, or a record cannot be written
    │   │   └── AlreadyRecordedError    the journal already has a record that may exist only once
    │   ├── EncryptionError
    │   │   ├── KeyMissingError         the store has data, but its key is missing
    │   │   ├── WrongKeyError           the key belongs to a different store or backup
    │   │   └── DecryptionError         a ciphertext was modified or truncated, or moved to another record
    │   └── BackupError                 a backup could not be created or restored
    ├── EmbeddingError                  the model is missing or modified, or cannot be loaded or exported
    ├── EgressRefusedError              a request was not sent, or the playbook server's answer was not accepted
    ├── PlaybookError                   a playbook is unknown, invalid or not runnable
    └── PlanError
        ├── ApprovalRequired            the plan has no approval
        ├── ApprovalRefusedError        already used, expired, for a different plan, or from too weak a channel
        ├── DriftError                  a resource changed after the plan was shown
        └── ExecutionError              an execution did not start, or did not complete

``CloudOpsWarning`` is the category of the package's warnings.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Unicode categories of the characters that :func:`_visible` replaces by marks: control, format, unassigned,
#: private-use, surrogate and line-end characters. An error text may contain a resource's name, which other users of the
#: AWS account choose.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


class CloudOpsError(Exception):
    """The base class of the package's public errors.

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
        known: The known names. If none of them is spelt similarly, suggest one that contains the unknown name.
        otherwise: The result if there is no suggestion.
    """
    # Imported here to keep the notebook extension's start fast; few sessions misspell a name.
    from difflib import get_close_matches

    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5) or [each for each in names if name and name in each]
    return f"did you mean {near[0]}?" if near else otherwise


def _visible(text: str) -> str:
    """Return the text with a mark, such as ``⟨U+202E⟩``, for each character that is invisible or reorders the text."""
    return "".join(
        f"⟨U+{ord(character):04X}⟩" if unicodedata.category(character) in _INVISIBLE_CATEGORIES else character
        for character in text
    )


class ConfigurationError(CloudOpsError):
    """A setting, an account, the AWS configuration, a declaration file or an argument is wrong."""


class PromptError(CloudOpsError):
    """A request in plain words is empty, too long or not understood."""


class AwsError(CloudOpsError):
    """The credentials or the AWS endpoint do not work.

    If AWS fails only for some accounts, regions or resource types of a scan, the scan raises no error. Its report then
    contains the failures.
    """


class CredentialsError(AwsError):
    """The credentials are missing or expired, the profile is unknown, or AWS refused the caller or the role."""


class AwsUnreachableError(AwsError):
    """The AWS endpoint does not answer, or answers with an unexpected error."""


class StorageError(CloudOpsError):
    """The store failed: its vectors, its journal, its encryption or its backups."""


class InitialisationError(StorageError):
    """The store cannot be opened or set up: bad path, unknown format version, wrong vector dimension, and so on."""


class StoreUnavailableError(StorageError):
    """The vector store cannot be used at the moment.

    For example, the Qdrant server or the owner process (which serves the embedded vector store to all notebooks) does
    not answer, or the store was closed.
    """


class StoreCorruptedError(StorageError):
    """A file of the store is damaged or cannot be read."""


class JournalError(StorageError):
    """The journal does not verify, so its records were modified or removed; or a new record cannot be written."""


class AlreadyRecordedError(JournalError):
    """The journal already has a record that may exist only once."""


class EncryptionError(StorageError):
    """A key or a ciphertext is not usable."""


class KeyMissingError(EncryptionError):
    """A key is missing, usually that of a store with data. No new key is generated to replace it."""


class WrongKeyError(EncryptionError):
    """The key that was found is not the key of this store or backup."""


class DecryptionError(EncryptionError):
    """A ciphertext cannot be decrypted: it was modified or truncated, or it belongs to a different record."""


class BackupError(StorageError):
    """A backup could not be created or restored."""


class EmbeddingError(CloudOpsError):
    """The embedding model is missing or modified, or it cannot be loaded or exported."""


class EgressRefusedError(CloudOpsError):
    """A request to the playbook server was not sent, or the server's answer was not accepted.

    The check on outgoing requests raises this error before any part of the request leaves the host. The error is also
    raised if the server cannot be reached, refuses the request, or sends an answer that does not fit the request.
    """


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
    """An execution did not start, or did not complete."""


class CloudOpsWarning(UserWarning):
    """The category of the package's warnings. The operation continues, but the user should act on the warning."""
