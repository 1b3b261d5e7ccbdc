"""Loading and unloading the extension."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import cloudops_nb
from cloudops_nb.notebook import extension
from cloudops_nb.notebook.magics.magics import CloudOpsMagics
from cloudops_nb.settings import Settings
from tests.notebook.fake_cloudops import FakeCloudOps
from tests.sample_plans import stop_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from tests.notebook.conftest import Notebook

MAGICS = set(CloudOpsMagics.magics["line"])


def register_magic(shell: Any, function: Callable[[str, str], str], name: str) -> None:
    """Register a cell magic; Any, because the method's decorator hides its parameters."""
    shell.register_magic_function(function, magic_kind="cell", magic_name=name)


def state_of(shell: InteractiveShell) -> dict[str, Any]:
    """Everything in a shell that an extension could leave behind."""
    assert shell.display_formatter
    formatters = {
        name: (dict(formatter.type_printers), dict(formatter.deferred_printers))
        for name, formatter in shell.display_formatter.formatters.items()
    }
    mime = shell.display_formatter.mimebundle_formatter
    hooks = {key: list(chain.chain) for key, chain in shell.strdispatchers["complete_command"].strs.items()}
    return {
        "magics": {kind: dict(found) for kind, found in shell.magics_manager.magics.items()},
        "registry": dict(shell.magics_manager.registry),
        "hooks": hooks,
        "configurables": list(shell.configurables),
        "events": {name: list(callbacks) for name, callbacks in shell.events.callbacks.items()},
        "formatters": formatters,
        "mimebundles": (dict(mime.type_printers), dict(mime.deferred_printers)),
        "names": dict(shell.user_ns),
    }


@pytest.mark.fast
def test_unloading_leaves_the_shell_exactly_as_it_was(shell: InteractiveShell) -> None:
    before = state_of(shell)
    extension.load(shell, FakeCloudOps)
    assert state_of(shell) != before
    extension.unload(shell)
    assert state_of(shell) == before


@pytest.mark.fast
def test_unloading_after_use_leaves_the_shell_as_it_was_too(shell: InteractiveShell) -> None:
    before = state_of(shell)
    cloudops = FakeCloudOps()
    extension.load(shell, lambda **_: cloudops)
    shell.run_cell("%cloudops_history", store_history=False).raise_error()
    assert shell.display_formatter
    shell.display_formatter.format(stop_database())
    extension.unload(shell)
    after = state_of(shell)
    for state in (before, after):  # IPython itself keeps a cell's result under underscores
        state["names"] = {name: value for name, value in state["names"].items() if not name.startswith("_")}
    assert after == before
    assert cloudops.closed


@pytest.mark.fast
def test_loading_twice_and_unloading_twice_is_harmless(shell: InteractiveShell) -> None:
    before = state_of(shell)
    extension.load(shell, FakeCloudOps)
    loaded = state_of(shell)
    extension.load(shell, FakeCloudOps)
    assert state_of(shell) == loaded
    extension.unload(shell)
    extension.unload(shell)
    assert state_of(shell) == before


@pytest.mark.fast
def test_the_package_itself_is_the_extension(shell: InteractiveShell) -> None:
    shell.run_cell("%load_ext cloudops_nb", store_history=False).raise_error()
    assert set(shell.magics_manager.magics["line"]) >= MAGICS
    assert set(shell.magics_manager.magics["cell"]) >= {"ask", "cloudops_ask"}
    shell.run_cell("%unload_ext cloudops_nb", store_history=False).raise_error()
    assert not set(shell.magics_manager.magics["line"]) & MAGICS
    assert cloudops_nb.__all__


@pytest.mark.fast
def test_another_extensions_ask_magic_is_not_replaced(shell: InteractiveShell) -> None:
    def ask(line: str, cell: str) -> str:
        return "theirs"

    register_magic(shell, ask, "ask")
    extension.load(shell, FakeCloudOps)
    assert shell.run_cell_magic("ask", "", "stop it") == "theirs"
    assert "cloudops_ask" in shell.magics_manager.magics["cell"]
    extension.unload(shell)
    assert shell.run_cell_magic("ask", "", "stop it") == "theirs"


@pytest.mark.fast
def test_an_ask_magic_that_came_after_ours_survives_unloading(shell: InteractiveShell) -> None:
    extension.load(shell, FakeCloudOps)
    register_magic(shell, lambda line, cell: "theirs", "ask")
    extension.unload(shell)
    assert shell.run_cell_magic("ask", "", "stop it") == "theirs"


def test_loading_is_silent_imports_nothing_heavy_and_opens_no_socket() -> None:
    program = """
import socket, sys
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
config = Config(); config.HistoryManager.enabled = False
shell = InteractiveShell.instance(config=config)
def refuse(*_): raise AssertionError("a socket was opened")
socket.socket.__init__ = refuse
shell.run_line_magic("load_ext", "cloudops_nb")
heavy = {"boto3", "botocore", "pandas", "numpy", "torch", "qdrant_edge", "onnxruntime", "ipywidgets", "pydantic"}
print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr.strip() == "[]"


@pytest.mark.fast
def test_every_setting_can_be_configured_with_the_same_default(notebook: Notebook) -> None:
    configurable = next(c for c in notebook.shell.configurables if type(c).__name__ == "CloudOps")
    traits = configurable.traits(config=True)
    missing = set(Settings.model_fields) - {"qdrant_api_key"} - set(traits)
    assert not missing, f"notebook/configuration.py: add a trait for {', '.join(sorted(missing))}"
    assert set(traits) <= set(Settings.model_fields) - {"qdrant_api_key"}
    for name in traits:
        assert str(getattr(configurable, name)) == str(Settings.model_fields[name].default), name


@pytest.mark.fast
def test_a_configured_value_reaches_cloudops(notebook: Notebook) -> None:
    notebook.run("%config CloudOps.accounts = [{'name': 'prod', 'profile': 'prod'}]")
    notebook.run("%config CloudOps.scan_threads = 8")
    notebook.run("%cloudops_history")
    assert notebook.opened == [{"accounts": [{"name": "prod", "profile": "prod"}], "scan_threads": 8}]
    assert notebook.run("%config CloudOps.scan_threads") == 8


@pytest.mark.fast
def test_a_changed_setting_reopens_the_store(notebook: Notebook) -> None:
    notebook.run("%cloudops_history")
    notebook.run("%config CloudOps.scan_threads = 8")
    assert notebook.cloudops.closed
    notebook.run("%cloudops_history")
    assert notebook.opened == [{}, {"scan_threads": 8}]


@pytest.mark.fast
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("CloudOps.acounts = ()", "did you mean accounts?"),
        ("CloudOps.scan_threads = 0", "invalid value for scan_threads"),
    ],
)
def test_a_wrong_setting_is_one_line_and_changes_nothing(
    notebook: Notebook, caplog: pytest.LogCaptureFixture, line: str, told: str
) -> None:
    notebook.run(f"%config {line}")
    (message,) = [record.getMessage() for record in caplog.records]
    assert told in message
    assert "\n" not in message
    notebook.run("%cloudops_history")
    assert notebook.opened == [{}]


@pytest.mark.fast
def test_settings_of_the_shell_s_own_configuration_are_taken_over(shell: InteractiveShell) -> None:
    opened: list[dict[str, Any]] = []
    shell.config.CloudOps.regions = ["eu-west-1"]

    def open_fake(**settings: Any) -> FakeCloudOps:
        opened.append(settings)
        return FakeCloudOps()

    extension.load(shell, open_fake)
    shell.run_cell("%cloudops_history", store_history=False).raise_error()
    extension.unload(shell)
    assert opened == [{"regions": ["eu-west-1"]}]


@pytest.mark.parametrize("given", [None, 4])
def test_unloading_gives_the_shell_its_settings_back(shell: InteractiveShell, given: int | None) -> None:
    if given is not None:
        shell.config.CloudOps.scan_threads = given
    before = copy.deepcopy(dict(shell.config))
    extension.load(shell, FakeCloudOps)
    shell.run_cell("%config CloudOps.scan_threads = 8").raise_error()
    extension.unload(shell)
    assert dict(shell.config) == before
