"""The memory that threads once used is not kept by each of them."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPT = """
import ctypes, sys, threading
from cloudops_nb.aws.fast_botocore.process_tuning import limit_malloc_arenas
limit_malloc_arenas()
everybody = threading.Barrier(24)
def work():
    kept = [bytes(2_000) for _ in range(100)]
    everybody.wait(60)
    del kept
threads = [threading.Thread(target=work) for _ in range(24)]
for thread in threads: thread.start()
for thread in threads: thread.join()
c = ctypes.CDLL(None)
c.fopen.restype = ctypes.c_void_p
c.fclose.argtypes = [ctypes.c_void_p]
c.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
file = c.fopen(sys.argv[1].encode(), b"w")
c.malloc_info(0, file)
c.fclose(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc sets memory apart for threads")
def test_threads_share_few_parts_of_memory(tmp_path: Path) -> None:
    told = tmp_path / "malloc.xml"
    subprocess.run([sys.executable, "-c", _SCRIPT, str(told)], check=True)
    assert 1 <= told.read_text("utf-8").count("<heap nr=") <= 2
