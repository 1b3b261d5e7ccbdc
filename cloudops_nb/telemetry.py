"""Switches the telemetry of dependencies off; only ONNX Runtime has any that starts without being asked.

Since version 1.29, ONNX Runtime starts telemetry while it is imported: it writes a device id and a database to the
user's cache folder, and contacts the vendor's host some seconds later. Only an environment variable prevents this, and
only if it is set before the import: https://github.com/microsoft/onnxruntime/pull/27379. ``disable_telemetry_events()``
can only be called after the import, and so comes too late.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

#: Read by ONNX Runtime while it is imported.
SWITCH = "ORT_DISABLE_TELEMETRY"

_lock = threading.Lock()
_imported_before: bool | None = None


def switch_telemetry_off() -> None:
    """Keep every later import of ONNX Runtime, in this process and its children, from starting telemetry.

    Notes whether another package has imported ONNX Runtime without the switch, see :func:`telemetry_warnings`. Does not
    import ONNX Runtime; threads may call this function at the same time.
    """
    global _imported_before  # noqa: PLW0603 - telemetry is a fact about the process
    with _lock:
        if _imported_before is None:
            _imported_before = "onnxruntime" in sys.modules and os.environ.get(SWITCH) != "1"
        os.environ[SWITCH] = "1"


def import_onnxruntime() -> ModuleType:
    """Return the module ``onnxruntime``, imported without telemetry."""
    switch_telemetry_off()
    import onnxruntime

    # If another package imported ONNX Runtime first, at least no further events are collected.
    onnxruntime.disable_telemetry_events()
    module: ModuleType = onnxruntime
    return module


def telemetry_warnings() -> list[str]:
    """Return a warning if ONNX Runtime was imported before :func:`switch_telemetry_off` could prevent its telemetry."""
    if not _imported_before:
        return []
    warning = "onnxruntime was imported before cloudops_nb, so its telemetry may have contacted its vendor"
    return [f"{warning}: set {SWITCH}=1 before the kernel starts"]
