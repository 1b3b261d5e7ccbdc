"""Completes the magics' flags and their values: accounts, regions, services, resource types and plan ids."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import CloudOpsError
from cloudops_nb.notebook.magics.arguments import flags_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from cloudops_nb.notebook.magics.magics import CloudOpsMagics
    from cloudops_nb.notebook.session import Session

#: The key in the result of ``CloudOps.places`` that holds the values of each flag.
_VALUES = {"--account": "accounts", "--region": "regions", "--service": "services", "--type": "resource_types"}
_CHOICES = {
    "--mode": ("full", "incremental"),
    "--executor": ("sdk",),
    "--level": ("low", "medium", "high", "critical"),
    "--effect": ("read", "modify", "destructive"),
}
#: The magics whose positional argument is a plan.
_PLAN_MAGICS = ("cloudops_approve", "cloudops_apply")
#: Seconds for which values that were read from the store are reused.
_CACHE_SECONDS = 10.0
_HOOK = "complete_command"


class Completion:
    """Finds completions for the magics; if the store cannot be read, there are no values, and no error."""

    def __init__(self, session: Session, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._clock = clock
        self._places: Mapping[str, Sequence[str]] = {}
        self._read_at: float | None = None

    def candidates(self, magic: str, flags: Sequence[str], line: str, word: str) -> list[str]:
        """Return the candidates at the cursor.

        Args:
            magic: The magic's name.
            flags: Its flags.
            line: The line up to the cursor.
            word: The incomplete word at the cursor; empty after a space.
        """
        before = line[: len(line) - len(word)].split()
        previous = before[-1] if before else ""
        if previous in _CHOICES:
            return list(_CHOICES[previous])
        if previous in _VALUES:
            return list(self._live_values().get(_VALUES[previous], ()))
        if word.startswith("-"):
            return list(flags)
        positional = self._session.plan_ids if magic in _PLAN_MAGICS else []
        return [*positional, *flags]

    def _live_values(self) -> Mapping[str, Sequence[str]]:
        now = self._clock()
        if self._read_at is None or now - self._read_at > _CACHE_SECONDS:
            # Set before reading, so that a failing store is not read again at every key press.
            self._read_at = now
            try:
                self._places = self._session.cloudops.places()
            except CloudOpsError:
                self._places = {}
        return self._places


class CompletionHooks:
    """Registers the completion hooks in a shell, and removes them again."""

    def __init__(self, shell: InteractiveShell, completion: Completion) -> None:
        self._shell: Any = shell
        self._completion = completion
        self._added: list[tuple[str, Any]] = []

    def add(self, magics: CloudOpsMagics, names: Mapping[str, str]) -> None:
        """Register one hook per typed name (``%cloudops_scan``).

        Args:
            magics: The magics.
            names: The name of the magic's method for each typed name.
        """
        for typed, method in names.items():
            flags = flags_of(getattr(type(magics), method))
            hook = self._hook(method, flags)
            self._shell.set_hook(_HOOK, hook, str_key=typed)
            self._added.append((typed, hook))

    def remove(self) -> None:
        """Remove exactly the hooks that :meth:`add` registered; IPython has no function that removes a hook."""
        dispatcher = self._shell.strdispatchers[_HOOK]
        for typed, hook in self._added:
            # set_hook() stores a method that binds the hook to the shell.
            chain = dispatcher.strs[typed].chain
            chain[:] = [entry for entry in chain if getattr(entry[1], "__func__", None) is not hook]
            if not chain:
                del dispatcher.strs[typed]
        self._added.clear()

    def _hook(self, method: str, flags: Sequence[str]) -> Callable[..., list[str]]:
        def complete(_: Any, event: Any) -> list[str]:
            return self._completion.candidates(method, flags, event.text_until_cursor, event.symbol)

        return complete
