"""A real JupyterLab on a loopback port, and its page in headless Chromium, for tests that look and click."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, build_opener

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
#: Nothing calls out, and every cell is in the DOM whether it is scrolled into view or not.
LAB_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none", "recordTiming": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}
START_SECONDS = 180.0
#: Milliseconds; the longest cell waits for a scan of the whole demo.
MOST_TABS = 60
PATIENCE = 120_000
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


def browser_executable() -> str:
    """The installed browser; a missing one fails the test with the way to get it."""
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        pytest.fail("no Chromium found; install it with: apt-get install chromium", pytrace=False)
    return found


class Lab:
    """A running JupyterLab server: ``url(path)`` opens a notebook of ``folder`` in it."""

    def __init__(self, folder: Path, port: int, token: str) -> None:
        self.folder = folder
        self._base = f"http://127.0.0.1:{port}"
        self._token = token

    def url(self, notebook: str) -> str:
        return f"{self._base}/lab/tree/{notebook}?token={self._token}&reset"

    def answers(self) -> bool:
        try:
            with build_opener(ProxyHandler({})).open(f"{self._base}/api?token={self._token}", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def write(self, name: str, cells: Sequence[str]) -> None:
        import nbformat  # takes seconds

        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.folder / name)


@contextmanager
def running_lab(home: Path, environment: Mapping[str, str]) -> Iterator[Lab]:
    """Start JupyterLab with a home of its own and stop it again; its log is shown when it does not start."""
    folder = home / "notebooks"
    folder.mkdir(parents=True)
    config = home / "config" / "labconfig"
    config.mkdir(parents=True)
    (config / "default_setting_overrides.json").write_text(json.dumps(LAB_SETTINGS))
    port, token = _free_port(), secrets.token_hex(16)
    lab = Lab(folder, port, token)
    log_path = home / "lab.log"
    with log_path.open("wb") as log:
        server = subprocess.Popen(
            _command(folder, port, token), env=_environment(home, environment), stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _await_answer(lab, server, log_path)
            yield lab
        finally:
            server.terminate()
            server.wait(timeout=60)


class LabPage:
    """A notebook open in JupyterLab; cells are counted from 0."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    def open(cls, browser: Browser, lab: Lab, notebook: str) -> LabPage:
        page = browser.new_page(viewport={"width": 1280, "height": 2400})
        page.set_default_timeout(PATIENCE)
        page.goto(lab.url(notebook))
        opened = cls(page)
        opened.await_idle()
        return opened

    def reload(self) -> None:
        self.page.reload()
        self.await_idle()

    def await_idle(self) -> None:
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        self.page.wait_for_function(
            "() => { const context = window.jupyterapp?.shell.currentWidget?.sessionContext;"
            " const kernel = context?.session?.kernel;"
            " return context?.isReady && kernel?.connectionStatus === 'connected' && kernel.status === 'idle'; }"
        )

    def cell(self, number: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def output(self, number: int) -> Locator:
        return self.cell(number).locator(".jp-Cell-outputArea")

    def start(self, number: int) -> None:
        """Run a cell as a person does, without waiting for it."""
        self.cell(number).locator(".jp-InputArea-editor").click()
        self.page.keyboard.press("Control+Enter")

    def run(self, number: int) -> None:
        """Run a cell and wait until it has ended."""
        before = self.prompt(number)
        self.start(number)
        self.page.wait_for_function(
            "([number, before]) => {"
            " const cell = document.querySelectorAll('.jp-Notebook .jp-Cell')[number];"
            " const prompt = cell.querySelector('.jp-InputPrompt').textContent;"
            " return prompt !== before && /\\[\\d+\\]/.test(prompt); }",
            arg=[number, before],
        )

    def run_to_card(self, number: int) -> None:
        """Run a cell that shows a card, and wait until its buttons are drawn."""
        self.run(number)
        self.output(number).locator(".cloudops-reject").wait_for()

    def tab_to(self, wanted: Locator) -> None:
        """Press Escape to leave the editor, then Tab until something has the focus."""
        self.page.keyboard.press("Escape")
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            if wanted.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(f"{MOST_TABS} presses of Tab do not reach {wanted}")

    def prompt(self, number: int) -> str:
        return self.cell(number).locator(".jp-InputPrompt").text_content() or ""

    def command(self, name: str, **arguments: Any) -> None:
        self.page.evaluate("([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, arguments])

    def theme(self, name: str) -> None:
        light = "true" if name == "light" else "false"
        self.command("apputils:change-theme", theme=THEMES[name])
        self.page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached")
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def save(self) -> None:
        self.command("docmanager:save")
        self.page.wait_for_selector(".jp-Document:not(.jp-mod-dirty)")

    def screenshot(self, number: int, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.output(number).screenshot(path=path)


def _command(folder: Path, port: int, token: str) -> list[str]:
    return [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={token}",
        "--LabApp.extension_manager=readonly", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip


def _environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    own = {
        "HOME": home,
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
    }
    return {**os.environ, **{name: str(path) for name, path in own.items()}, **extra}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_answer(lab: Lab, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not lab.answers():
        if server.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-4000:]}", pytrace=False)
        time.sleep(0.1)
