"""``df.cloudops``: methods that ask about, redact and compare the resources in a DataFrame."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PromptError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from cloudops_nb.client.answer import Answer
    from cloudops_nb.notebook.session import Session

NAME = "cloudops"
#: The columns that can identify a row, in the order of preference.
_KEYS = ("arn", "identifier")
#: The columns with private values, and the word that replaces each value, followed by a number (``resource-1``).
_PRIVATE = {
    "identifier": "resource",
    "name": "name",
    "account_id": "account",
    "account_name": "account-name",
    "arn": "arn",
}
#: Further columns that may contain private values, and the empty value that replaces each of their values.
_EMPTIED: dict[str, Any] = {"tags": {}, "why": "", "allowed": [], "denied": [], "unknown": [], "allowed_by_account": []}
#: The first characters by which spreadsheets take a cell for a formula, the full-width forms of = + - @ included. Some
#: programs skip white space before them.
_FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
#: The columns that :meth:`CloudOpsAccessor.diff` ignores, because they differ even if the resource has not changed.
_IGNORED_BY_DIFF = frozenset({"as_of", "last_read", "cell_state", "score", "why"})


class CloudOpsAccessor:
    """The methods of ``df.cloudops`` for a DataFrame from ``search`` or ``resources``; no method changes it."""

    _session: Session

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def ask(self, prompt: str) -> Answer:
        """Ask about all resources of the DataFrame; if the answer has a plan, show the plan as a card.

        Raises:
            PromptError: The DataFrame is empty, or neither ``arn`` nor ``identifier`` has a value in every row.
        """
        return self._session.ask(f"{prompt} {', '.join(self._references())}")

    def plan(self, operation: str) -> Answer:
        """Ask for an operation, such as ``"stop"``, on all resources of the DataFrame; see :meth:`ask`."""
        return self.ask(operation)

    def redact(self) -> pd.DataFrame:
        """Return a copy that is safe to share: names, ids, ARNs and accounts become words such as ``resource-1``.

        Equal values of a column become the same word, so that counting and grouping still work. Tags, ``why``, and the
        lists of actions are emptied.
        """
        copy = self._frame.copy()
        for column, word in _PRIVATE.items():
            if column in copy.columns:
                copy[column] = _numbered_words(copy[column], word)
        for column, empty in _EMPTIED.items():
            if column in copy.columns:
                copy[column] = [type(empty)() for _ in range(len(copy))]
        return copy

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """Write the DataFrame as CSV that a spreadsheet opens safely; without a path, return the text.

        A spreadsheet runs a cell that begins like a formula, and names and tags may begin so. Such a value gets an
        apostrophe in front. ``DataFrame.to_csv`` writes the exact values.
        """
        safe = self._frame.map(_no_formula)
        text: str | None = safe.to_csv(path, index=False)
        return text

    def diff(self, other: pd.DataFrame) -> pd.DataFrame:
        """Return the changes from ``other``, an earlier DataFrame, to this DataFrame.

        There is one row per resource that was ``added`` or ``removed``, and one row per field that was ``changed``. The
        columns are ``key, change, field, before, after``.

        Raises:
            PromptError: In one of the DataFrames, neither ``arn`` nor ``identifier`` has a value in every row.
        """
        import pandas as pd

        now, before = _by_key(self._frame), _by_key(other)
        rows: list[tuple[Any, ...]] = []
        for key in [*before, *(key for key in now if key not in before)]:
            rows.extend(_row_changes(key, before.get(key), now.get(key)))
        return pd.DataFrame(rows, columns=["key", "change", "field", "before", "after"])

    def _references(self) -> list[str]:
        if self._frame.empty:
            raise PromptError("there is no resource to ask about", "the DataFrame has no rows")
        key = _key_of(self._frame)
        return [str(value) for value in self._frame[key]]


class AccessorRegistration:
    """Registers ``df.cloudops`` once the notebook has imported pandas, and removes it when the extension is unloaded.

    It does not import pandas itself, because that would make loading the extension slow.
    """

    def __init__(self, session: Session) -> None:
        self._accessor = type(CloudOpsAccessor.__name__, (CloudOpsAccessor,), {"_session": session})
        self._registered = False

    def check(self, *_: Any) -> None:
        """Register the accessor if pandas is imported; called before and after each cell."""
        # While pandas is still being imported, sys.modules has a pandas module without DataFrame.
        pandas: Any = sys.modules.get("pandas")
        if self._registered or not hasattr(pandas, "DataFrame"):
            return
        # Never replaces an accessor with this name that another package has registered.
        if not hasattr(pandas.DataFrame, NAME):
            pandas.api.extensions.register_dataframe_accessor(NAME)(self._accessor)
            self._registered = True

    def remove(self) -> None:
        """Remove the accessor from the DataFrame class; pandas has no function that unregisters an accessor."""
        if self._registered:
            pandas: Any = sys.modules["pandas"]
            frame_class = pandas.DataFrame
            delattr(frame_class, NAME)
            frame_class._accessors.discard(NAME)  # noqa: SLF001 - tab completion reads this set
            self._registered = False


def _key_of(frame: pd.DataFrame) -> str:
    for name in _KEYS:
        if name in frame.columns and bool((frame[name] != "").all()):
            return name
    raise PromptError(
        "cannot identify the rows", "no arn or identifier column has a value in every row", "Keep one of these columns."
    )


def _by_key(frame: pd.DataFrame) -> dict[Any, dict[str, Any]]:
    key = _key_of(frame) if len(frame.columns) else _KEYS[0]
    return {row[key]: row for row in frame.to_dict("records")}  # type: ignore[misc]  # pandas types keys as Hashable


def _row_changes(key: Any, before: dict[str, Any] | None, now: dict[str, Any] | None) -> Iterable[tuple[Any, ...]]:
    if before is None or now is None:
        return [(key, "removed" if now is None else "added", "", "", "")]
    fields = [field for field in now if field in before and field not in _IGNORED_BY_DIFF]
    return [(key, "changed", field, before[field], now[field]) for field in fields if before[field] != now[field]]


def _no_formula(value: Any) -> Any:
    """Return a value as it is, or as text with an apostrophe in front if a spreadsheet would take it for a formula."""
    if isinstance(value, int | float):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) or text.lstrip().startswith(_FORMULA_STARTS) else value


def _numbered_words(values: pd.Series[Any], word: str) -> list[str]:
    numbers: dict[str, int] = {}
    return [f"{word}-{numbers.setdefault(str(value), len(numbers) + 1)}" if value else "" for value in values]
