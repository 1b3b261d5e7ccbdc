"""Completes the magics' flags, plan ids, and the values of flags: accounts, regions, services and resource types."""

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

#: For each flag whose values are in the store, the key of these values in the result of ``CloudOps.places``.
_VALUES = {"--account": "accounts", "--region": "regions", "--service": "services", "--type": "resource_types"}
#: For each flag with fixed values, these values.
_CHOICES = {
    "--mode": ("full", "incremental"),
    "--executor": ("sdk",),
    "--level": ("low", "medium", "high", "critical"),
    "--effect": ("read", "modify", "destructive"),
}
#: The magics whose positional argument is a plan.
_PLAN_MAGICS = ("cloudops_approve", "cloudops_apply")
#: The magics that take a playbook, and the words of the one that do not name a playbook.
_PLAYBOOK_MAGICS = ("cloudops_prepare", "cloudops_playbook")
_PLAYBOOK_ACTIONS = ("list", "show", "lint", "new")
#: Values from the store are reused for this many seconds.
_CACHE_SECONDS = 10.0
_HOOK = "complete_command"


class Completion:
    """Finds completions for the magics. If the store cannot be read, its values are missing, and no error is raised."""

    def __init__(self, session: Session, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._clock = clock
        self._places: Mapping[str, Sequence[str]] = {}
        self._read_at: float | None = None
        self._playbooks: Sequence[str] = ()
        self._playbooks_read_at: float | None = None

    def candidates(self, magic: str, flags: Sequence[str], line: str, word: str) -> list[str]:
        """Return the candidates at the cursor.

        Args:
            magic: The name of the method that implements the magic.
            flags: The flags of the magic.
            line: The line up to the cursor.
            word: The incomplete word at the cursor; empty after a space.
        """
        before = line[: len(line) - len(word)].split()
        previous = before[-1] if before else ""
        if previous in _CHOICES:
            return list(_CHOICES[previous])
        if previous in _VALUES:
            return list(self._live_values().get(_VALUES[previous], ()))
        if previous == "--param" and magic in _PLAYBOOK_MAGICS:
            return self._parameters(before)
        if word.startswith("-"):
            return list(flags)
        if magic in _PLAYBOOK_MAGICS:
            actions = _PLAYBOOK_ACTIONS if magic == "cloudops_playbook" and len(before) == 1 else ()
            return [*actions, *self._playbook_names(), *flags]
        positional = self._session.plan_ids if magic in _PLAN_MAGICS else []
        return [*positional, *flags]

    def _playbook_names(self) -> Sequence[str]:
        now = self._clock()
        if self._playbooks_read_at is None or now - self._playbooks_read_at > _CACHE_SECONDS:
            self._playbooks_read_at = now
            try:
                self._playbooks = list(self._session.cloudops.playbooks()["name"])
            except CloudOpsError:
                self._playbooks = ()
        return self._playbooks

    def _parameters(self, before: Sequence[str]) -> list[str]:
        """Return ``NAME=`` for each parameter of the playbook that is on the line."""
        named = [word for word in before[1:] if word in self._playbook_names()]
        try:
            document = self._session.cloudops.playbook(named[0]).playbook.document if named else None
        except CloudOpsError:
            document = None
        return [f"{name}=" for name in document.parameters] if document else []

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
        """Register one hook for each magic, under the name that the user types, with its ``%`` or ``%%``.

        Args:
            magics: The magics.
            names: Maps each such name (``%cloudops_scan``) to the name of the method that implements it.
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
            # set_hook() stores the hook as a bound method of the shell, so the hook itself is that method's __func__.
            chain = dispatcher.strs[typed].chain
            chain[:] = [entry for entry in chain if getattr(entry[1], "__func__", None) is not hook]
            if not chain:
                del dispatcher.strs[typed]
        self._added.clear()

    def _hook(self, method: str, flags: Sequence[str]) -> Callable[..., list[str]]:
        def complete(_: Any, event: Any) -> list[str]:
            return self._completion.candidates(method, flags, event.text_until_cursor, event.symbol)

        return complete
