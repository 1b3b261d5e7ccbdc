"""Runs tests against mutants, each in a process of its own that ends at the first test that fails."""

from __future__ import annotations

import gc
import os
import resource
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib.abc import SourceLoader
from importlib.util import spec_from_loader
from io import StringIO
from multiprocessing import get_context
from typing import TYPE_CHECKING, NoReturn

import pytest
from coverage import Coverage
from hypothesis import settings

from tests.mutation.mutants import MODULES, ROOT, path_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from tests.mutation.mutants import Mutant

#: The tests that know the modules; the later ones take long to collect.
_FIRST = ("tests/ssm", "tests/request/test_bind.py")
_LATER = ("tests/conformance", "tests/execution/test_step_order.py")
#: Whole documents with random changes take long, and need not find anything that no other test finds.
_LEFT_OUT = "tests/ssm/test_hostile_documents.py"
#: What ends an endless loop: the seconds of a test; if it is not Python that loops, the seconds of the processor; and
#: the bytes of memory.
_TEST_SECONDS, _SECONDS, _BYTES = 20, 600, 4 << 30
_PLUGINS_OFF = ("cacheprovider", "xdist", "pytest_cov", "hypothesispytest", "faulthandler")
_OPTIONS = (
    "-qq", "--exitfirst", "--no-header", "--no-summary", "--tb=no", "--assert=plain", f"--ignore={_LEFT_OUT}",
    f"--timeout={_TEST_SECONDS}", *(f"-pno:{each}" for each in _PLUGINS_OFF),
)  # fmt: skip


@dataclass
class Covering:
    """Which tests execute which line of a module, and how many seconds each takes."""

    tests: dict[str, dict[int, frozenset[str]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def of(self, mutant: Mutant) -> list[str]:
        """Return the tests that execute what is changed, the quickest first.

        What runs as a module is imported belongs to every test that executes a line of the module.
        """
        by_line = self.tests[mutant.key.module]
        found = frozenset[str]().union(*(by_line.get(line, ()) for line in mutant.lines))
        if "" in found:
            found = frozenset[str]().union(*by_line.values())
        return sorted(found - {""}, key=lambda each: (round(self.seconds[each], 1), each))


def covering() -> Covering:
    """Run the tests on the code as it is.

    Raises:
        RuntimeError: One fails.
    """
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        # Libraries stay imported, and so each process that begins as a copy of this one begins quickly.
        _run((*_FIRST, *_LATER), folder, "--collect-only")
    for name in list(sys.modules):
        if name.startswith(("cloudops_nb", "tests.")) and not name.startswith("tests.mutation"):
            del sys.modules[name]
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        return pool.submit(_measured).result()


def survivors(mutants: Sequence[Mutant], known: Covering, processes: int) -> Iterator[Mutant]:
    """Yield the mutants at which no test fails, in the order in which they are found."""
    # A process that begins as a copy need not copy what it does not look at.
    gc.freeze()
    running: dict[int, Mutant] = {}
    waiting = list(reversed(mutants))
    with tempfile.TemporaryDirectory() as folder:
        while waiting or running:
            while waiting and len(running) < processes:
                mutant = waiting.pop()
                child = os.fork()
                if not child:
                    _try(mutant, known.of(mutant), folder)
                running[child] = mutant
            child, status = os.wait()
            mutant = running.pop(child)
            if status == 0:
                yield mutant


class _Mutated(SourceLoader):
    """Imports one module from another text than that of its file."""

    def __init__(self, mutant: Mutant) -> None:
        self._name, self._source = mutant.key.module, mutant.source

    def find_spec(self, fullname: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        return spec_from_loader(fullname, self) if fullname == self._name else None

    def get_filename(self, fullname: str) -> str:
        return str(path_of(fullname))

    def get_data(self, path: str) -> bytes:
        return self._source.encode()


class _Quick:
    """A plugin of pytest: chosen tests, in an order, with the same examples each time."""

    def __init__(self, names: Iterable[str]) -> None:
        self._order = {name: number for number, name in enumerate(names)}

    def pytest_configure(self) -> None:
        settings.register_profile("mutation", settings.get_profile("any speed"), derandomize=True, database=None)
        settings.load_profile("mutation")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._order:
            chosen = {self._order[each.nodeid]: each for each in items if each.nodeid in self._order}
            items[:] = [chosen[number] for number in sorted(chosen)]


class _Measuring:
    """A plugin of pytest: notes which test executes which line."""

    def __init__(self) -> None:
        self.known = Covering()
        self._coverage = Coverage(data_file=None, config_file=False, include=[str(path_of(each)) for each in MODULES])
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._coverage.switch_context(item.nodeid)
        begin = time.monotonic()
        result = yield
        self.known.seconds[item.nodeid] = time.monotonic() - begin
        return result

    def finish(self) -> Covering:
        self._coverage.stop()
        data = self._coverage.get_data()
        for module in MODULES:
            lines = data.contexts_by_lineno(str(path_of(module)))
            self.known.tests[module] = {line: frozenset(tests) for line, tests in lines.items()}
        return self.known


def _measured() -> Covering:
    measuring = _Measuring()
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        status = _run((*_FIRST, *_LATER), folder, plugins=[_Quick(()), measuring])
    if status != pytest.ExitCode.OK:
        raise RuntimeError("a test fails on the code as it is")
    return measuring.finish()


def _try(mutant: Mutant, tests: Sequence[str], folder: str) -> NoReturn:
    """End this process: with status 0 if no test fails."""
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_DATA, (_BYTES, _BYTES))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())
    status = 1
    try:
        sys.meta_path.insert(0, _Mutated(mutant))
        status = int(not all(_pass(stage, f"{folder}/{os.getpid()}") for stage in _stages(mutant, tests)))
    finally:
        os._exit(status)


def _stages(mutant: Mutant, tests: Sequence[str]) -> Iterator[list[str]]:
    """Yield tests in groups: the file of the module, other files, and the files that take long to read."""
    own = f"/test_{mutant.key.module.rpartition('.')[2]}.py::"
    for stage in range(3):
        yield [each for each in tests if stage == (0 if own in each else 2 if each.startswith(_LATER) else 1)]


def _pass(tests: Sequence[str], folder: str) -> bool:
    files = sorted({each.partition("::")[0] for each in tests})
    return not files or _run(files, folder, plugins=[_Quick(tests)]) == pytest.ExitCode.OK


def _run(files: Iterable[str], folder: str, *options: str, plugins: Sequence[object] = ()) -> int:
    return int(pytest.main([*_OPTIONS, f"--basetemp={folder}", *options, *files], plugins=plugins))
