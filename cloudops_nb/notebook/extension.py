"""``%load_ext cloudops_nb`` and ``%unload_ext``: register the extension's parts in an IPython shell and remove them."""

from __future__ import annotations

import copy
import weakref
from typing import TYPE_CHECKING, Any

from cloudops_nb.notebook.accessor import AccessorRegistration
from cloudops_nb.notebook.configuration import CloudOps
from cloudops_nb.notebook.magics.completion import Completion, CompletionHooks
from cloudops_nb.notebook.magics.magics import CloudOpsMagics
from cloudops_nb.notebook.output import Screen
from cloudops_nb.notebook.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from cloudops_nb.client.cloudops import CloudOps as Client
    from cloudops_nb.notebook.session import OpenCloudOps

#: The short name of ``%%cloudops_ask``; not registered if the shell already has a magic ``%%ask``.
_SHORT_NAME = "ask"
_KINDS = ("line", "cell")
#: For each class that a notebook displays, the method of ``MimeBundles`` that makes its output. Each class is given by
#: its module and name, so that the module is not imported.
_PRINTERS = {
    ("cloudops_nb.execution.plan", "Plan"): "plan",
    ("cloudops_nb.client.answer", "Answer"): "answer",
    ("cloudops_nb.execution.execution", "Execution"): "execution",
    ("cloudops_nb.scanner.report", "ScanReport"): "scan_report",
    ("cloudops_nb.storage.backup.backup_report", "BackupReport"): "backup_report",
}
#: The loaded extension of each shell. The keys are weak references, so that an unused shell can be garbage-collected.
_LOADED: weakref.WeakKeyDictionary[InteractiveShell, Extension] = weakref.WeakKeyDictionary()


class Extension:
    """The parts of the extension in one shell."""

    def __init__(self, shell: InteractiveShell, open_cloudops: OpenCloudOps) -> None:
        # A copy, because %config changes the shell's configuration in place.
        self._original_config = copy.deepcopy(dict(shell.config).get(CloudOps.__name__))
        self._shell: Any = shell  # Any: IPython documents attributes that its annotations lack
        self.session = Session(shell, Screen(shell), open_cloudops)
        self._configuration = CloudOps(shell, self.session)
        self._magics = CloudOpsMagics(shell, self.session)
        self._replaced: list[tuple[str, str, Any]] = []
        self._hooks = CompletionHooks(shell, Completion(self.session))
        self._accessor = AccessorRegistration(self.session)

    def load(self) -> None:
        """Register the settings, magics, completions, accessor and display formatters in the shell."""
        shell = self._shell
        shell.configurables.append(self._configuration)
        self._register_magics()
        self._accessor.check()
        shell.events.register("pre_run_cell", self.session.cell_started)
        shell.events.register("pre_run_cell", self._accessor.check)
        shell.events.register("post_run_cell", self._accessor.check)
        for (module, name), method in _PRINTERS.items():
            shell.display_formatter.mimebundle_formatter.for_type_by_name(module, name, self._printer(method))

    def unload(self) -> None:
        """Remove from the shell what :meth:`load` registered, withdraw the undecided cards, and close the store."""
        shell = self._shell
        for module, name in _PRINTERS:
            shell.display_formatter.mimebundle_formatter.pop(f"{module}.{name}", None)
        shell.events.unregister("post_run_cell", self._accessor.check)
        shell.events.unregister("pre_run_cell", self._accessor.check)
        shell.events.unregister("pre_run_cell", self.session.cell_started)
        self._accessor.remove()
        self._hooks.remove()
        self._unregister_magics()
        shell.configurables.remove(self._magics)
        shell.configurables.remove(self._configuration)
        self._restore_config()
        self.session.close()

    def _restore_config(self) -> None:
        """Undo the changes that ``%config`` made to the shell's configuration of ``CloudOps``."""
        self._shell.config.pop(CloudOps.__name__, None)
        if self._original_config is not None:
            self._shell.config[CloudOps.__name__] = self._original_config

    def _register_magics(self) -> None:
        shell, manager = self._shell, self._shell.magics_manager
        names = {(kind, name): method for kind in _KINDS for name, method in self._magics.magics[kind].items()}
        if _SHORT_NAME not in manager.magics["cell"] and _SHORT_NAME not in manager.lazy_magics:
            names["cell", _SHORT_NAME] = names["cell", "cloudops_ask"]
            self._magics.magics["cell"][_SHORT_NAME] = names["cell", "cloudops_ask"]
        self._replaced = [(kind, name, manager.magics[kind].get(name)) for kind, name in names]
        shell.register_magics(self._magics)
        typed = {("%" if kind == "line" else "%%") + name: method.__name__ for (kind, name), method in names.items()}
        self._hooks.add(self._magics, typed)

    def _unregister_magics(self) -> None:
        manager = self._shell.magics_manager
        for kind, name, previous in self._replaced:
            current = manager.magics[kind].get(name)
            # Keeps a magic that another extension has registered under this name since then.
            if getattr(current, "__self__", None) is not self._magics:
                continue
            if previous is None:
                del manager.magics[kind][name]
            else:
                manager.magics[kind][name] = previous
        manager.registry.pop(type(self._magics).__name__, None)

    def _printer(self, method: str) -> Callable[..., dict[str, Any]]:
        def bundle(value: Any, **_: Any) -> dict[str, Any]:
            from cloudops_nb.notebook.formatters import MimeBundles

            shown: dict[str, Any] = getattr(MimeBundles(self.session), method)(value)
            return shown

        return bundle


def load(shell: InteractiveShell, open_cloudops: OpenCloudOps | None = None) -> None:
    """Load the extension into a shell; does nothing if it is already loaded."""
    if shell not in _LOADED:
        extension = Extension(shell, open_cloudops or _open_client)
        extension.load()
        _LOADED[shell] = extension


def unload(shell: InteractiveShell) -> None:
    """Unload the extension from a shell; does nothing if it is not loaded."""
    extension = _LOADED.pop(shell, None)
    if extension is not None:
        extension.unload()


def _open_client(**settings: Any) -> Client:
    from cloudops_nb.client.cloudops import CloudOps as Client

    return Client(**settings)
