"""``%load_ext cloudops_nb`` in a fresh IPython, beside IPython's own ``autoreload``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.child import run_child
from benchmarks.figure import Figure, median

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = """
import json, sys, time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
modules, start = len(sys.modules), time.perf_counter()
shell.run_line_magic("load_ext", sys.argv[1])
seconds = time.perf_counter() - start
heavy = {"boto3", "botocore", "ipywidgets", "moto", "onnxruntime", "pandas", "qdrant_edge", "torch", "transformers"}
assert any(name.endswith(sys.argv[1]) for name in shell.extension_manager.loaded)
assert not heavy & sys.modules.keys(), f"imported {heavy & sys.modules.keys()}"
print(json.dumps({"milliseconds": seconds * 1e3, "modules": len(sys.modules) - modules}))
"""


def run(*, quick: bool) -> Iterator[Figure]:
    """Time and modules imported; a heavy one among them is a failure."""
    runs = 3 if quick else 5
    pairs = [(run_child(SCRIPT, "cloudops_nb"), run_child(SCRIPT, "autoreload")) for _ in range(runs)]
    for name, key, unit in (
        ("%load_ext", "milliseconds", "ms"),
        ("modules imported", "modules", "modules"),
    ):
        ours, reference = (median(pair[side][key] for pair in pairs) for side in (0, 1))
        yield Figure(name, ours, unit, reference, "%load_ext autoreload", runs=runs)
