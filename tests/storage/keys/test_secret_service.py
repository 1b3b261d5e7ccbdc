"""The keyring source against a real Secret Service: GNOME Keyring on a D-Bus session of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING

import pytest
from jeepney import message_bus
from jeepney.io.blocking import open_dbus_connection
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

import cloudops_nb
from tests.storage.conftest import pipes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAMS = {"dbus-daemon": "dbus", "gnome-keyring-daemon": "gnome-keyring"}
PROLOGUE = """
import sys
from cloudops_nb.errors import CloudOpsError
from cloudops_nb.settings import Settings
from cloudops_nb.storage.keys.keyring_source import KeyringSource
from cloudops_nb.storage.maintenance.master_key_change import rekey
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.opening.vault_opening import open_vault
settings = Settings(data_path=sys.argv[1], qdrant_idle_seconds=1)
source = KeyringSource(add_ons=False)
"""
LOCK = """
import secretstorage
secretstorage.get_default_collection(secretstorage.dbus_init()).lock()
"""
ENTRIES = """
import secretstorage
found = secretstorage.get_default_collection(secretstorage.dbus_init()).search_items({"service": "cloudops"})
print(sorted(item.get_attributes()["username"] for item in found))
"""

FINGERPRINT = "print(open_vault(settings).keys.fingerprint)"
#: Ends between the handover and the new key's way to the first place.
KILLED = """
import os
from cloudops_nb.storage.maintenance import master_key_change
hand_over = master_key_change.hand_over
master_key_change.hand_over = lambda *parts: (hand_over(*parts), os._exit(0))
rekey(StorageService(settings, None), settings, None)
"""


@pytest.fixture
def session() -> Iterator[dict[str, str]]:
    """The environment of a session with an unlocked keyring."""
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    assert not missing, f"this test needs a Secret Service; install the Debian packages {' '.join(PROGRAMS.values())}"
    with ExitStack() as stack:
        # Sockets lie in it, whose paths must be short.
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="keyring-"))
        environment = _environment(home)
        bus = _started(stack, ["dbus-daemon", "--session", "--nofork", "--print-address"], environment)
        environment["DBUS_SESSION_BUS_ADDRESS"] = pipes_of(bus)[1].readline().strip()
        command = ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"]
        _started(stack, command, environment, typed="a password")
        _wait_for_the_service(environment["DBUS_SESSION_BUS_ADDRESS"])
        yield environment


def _environment(home: str) -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    folders = dict.fromkeys(("HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), home)
    return {**passed_on, **folders, "PYTHONPATH": str(Path(cloudops_nb.__file__).parents[1])}


def _started(stack: ExitStack, command: list[str], environment: dict[str, str], typed: str = "") -> Popen[str]:
    process = stack.enter_context(
        Popen(command, env=environment, text=True, stdin=PIPE, stdout=PIPE, stderr=subprocess.DEVNULL)
    )
    stack.callback(process.terminate)
    stdin, _ = pipes_of(process)
    stdin.write(typed)
    stdin.close()
    return process


def _wait_for_the_service(bus: str) -> None:
    """Wait until the service has its name; an earlier request would make the bus start another one."""
    attempts = Retrying(
        retry=retry_if_result(lambda owned: not owned), stop=stop_after_delay(20), wait=wait_fixed(0.05)
    )
    with open_dbus_connection(bus) as connection:
        call = message_bus.NameHasOwner("org.freedesktop.secrets")
        attempts(lambda: connection.send_and_get_reply(call).body[0])


@pytest.fixture
def run(session: dict[str, str], tmp_path: Path) -> Callable[[str], str]:
    """Run a program in the session, in a process of its own, on this test's store."""

    def run_one(program: str) -> str:
        command = [sys.executable, "-c", PROLOGUE + program, str(tmp_path / "store")]
        ended = subprocess.run(command, env=session, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    return run_one


def test_a_store_keeps_its_key_there_and_another_process_finds_it(run: Callable[[str], str]) -> None:
    made = run("print(source.load() is None, source.writable, open_vault(settings).keys.fingerprint)").split()

    assert made == ["True", "True", run(FINGERPRINT)]
    assert run(ENTRIES) == "['encryption_key']"


def test_a_locked_keyring_is_a_clear_error_and_never_leads_to_a_new_key(run: Callable[[str], str]) -> None:
    run(FINGERPRINT)
    report = run(LOCK + "try:\n    open_vault(settings)\nexcept CloudOpsError as error:\n    print(error)")

    assert report.startswith("the encryption key cannot be accessed: the keyring (Keyring) is locked. Unlock it")


def test_a_rekeying_keeps_both_keys_until_it_is_complete(run: Callable[[str], str]) -> None:
    before = run(FINGERPRINT)
    run(KILLED)
    after = run(FINGERPRINT)
    assert after != before
    assert run(ENTRIES) == f"['encryption_key', 'encryption_key.{after}']"

    last = run("print(rekey(StorageService(settings, None), settings, None).fingerprint)")
    assert len({before, after, last}) == 3
    assert run(FINGERPRINT) == last
    kept = sorted(f"encryption_key.{fingerprint}" for fingerprint in (before, after))
    assert run(ENTRIES) == str(["encryption_key", *kept])
