"""The error hierarchy of the package; every error says what failed, why, and what to do.

::

    CloudOpsError
    ├── ConfigurationError              a setting, an account table or a command line
    ├── PromptError                     a request in words that cannot be understood
    ├── AwsError
    │   ├── CredentialsError            missing, expired, unknown profile, refused role
    │   └── AwsUnreachableError         the endpoint does not answer
    ├── StorageError
    │   ├── InitialisationError         bad path, foreign version, wrong dimension
    │   ├── StoreUnavailableError       the owner process cannot be reached or started
    │   ├── StoreCorruptedError         a file of the store cannot be read
    │   ├── JournalError                the journal's chain does not verify
    │   │   └── AlreadyRecordedError    a record that may exist only once exists
    │   ├── EncryptionError
    │   │   ├── KeyMissingError         data without its key
    │   │   ├── WrongKeyError           a key of another store
    │   │   └── DecryptionError         an envelope that does not open
    │   └── BackupError
    ├── EmbeddingError                  the model is missing, modified or cannot be exported
    ├── EgressRefusedError              a request that may not leave the host
    ├── PlaybookError                   unknown, invalid or not runnable
    └── PlanError
        ├── ApprovalRequired            the plan has no approval
        ├── ApprovalRefusedError        used, expired, for another plan, or from too weak a channel
        ├── DriftError                  a resource changed after the plan was shown
        └── ExecutionError              a step could not be run

``CloudOpsWarning`` is the category of the package's warnings.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Unicode categories of control, format and unassigned characters and line ends; an error may contain a name that
#: another user chose.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


class CloudOpsError(Exception):
    """The base class of every error that this package raises.

    Args:
        what: The failure, as a short clause without a full stop.
        why: The reason.
        fix: The remedy, as an imperative sentence.
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
        """Return one line, which IPython shows in place of a traceback; the cell fails all the same.

        https://ipython.readthedocs.io/en/stable/config/integrating.html#custom-exception-tracebacks
        """
        return [_visible(f"{type(self).__name__}: {self}")]


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return "did you mean NEAREST?" for a misspelt name.

    Args:
        name: The unknown name.
        known: The known names; one that contains the unknown name is near too.
        otherwise: What to return if no name is near.
    """
    # Imported here, because the notebook extension loads this module at its start, and few sessions misspell a name.
    from difflib import get_close_matches

    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5) or [each for each in names if name and name in each]
    return f"did you mean {near[0]}?" if near else otherwise


def _visible(text: str) -> str:
    """Return the text with a visible mark for each character that is invisible or reorders its neighbours."""
    return "".join(
        f"⟨U+{ord(character):04X}⟩" if unicodedata.category(character) in _INVISIBLE_CATEGORIES else character
        for character in text
    )


class ConfigurationError(CloudOpsError):
    """A setting, an account table or a command line is wrong."""


class PromptError(CloudOpsError):
    """A request in words cannot be understood."""


class AwsError(CloudOpsError):
    """An error of AWS stops the whole call."""


class CredentialsError(AwsError):
    """There are no usable credentials: missing, expired, an unknown profile or a refused role."""


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
    """A record that may exist only once exists already."""


class EncryptionError(StorageError):
    """A key or an envelope is not usable."""


class KeyMissingError(EncryptionError):
    """There is data without its key; a new key is never generated in that case."""


class WrongKeyError(EncryptionError):
    """The key belongs to another store."""


class DecryptionError(EncryptionError):
    """An envelope does not open: modified, truncated, or moved from another record."""


class BackupError(StorageError):
    """A backup could not be created or restored."""


class EmbeddingError(CloudOpsError):
    """The embedding model is missing, modified or cannot be exported."""


class EgressRefusedError(CloudOpsError):
    """The egress gate refused a request before any of it left the host."""


class PlaybookError(CloudOpsError):
    """A playbook is unknown, invalid or not runnable."""


class PlanError(CloudOpsError):
    """A plan cannot be made, approved or run."""


class ApprovalRequired(PlanError):  # noqa: N818 - a public name, read as a state rather than a failure
    """The plan has no approval, and runs only with one from a person."""


class ApprovalRefusedError(PlanError):
    """An approval is not valid for the plan: used, expired, for another plan, or from too weak a channel."""


class DriftError(PlanError):
    """A resource changed after the plan was shown."""


class ExecutionError(PlanError):
    """A step could not run."""


class CloudOpsWarning(UserWarning):
    """The category of the package's warnings: something works, but should be changed."""
