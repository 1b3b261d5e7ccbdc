"""Scans and applies a plan with a botocore in which one name is another; a command, and the renaming.

The command's arguments are the endpoint of the simulated AWS and the names that are renamed in turn, ``-`` for none.
For each, it forks a process, and prints one line of JSON: what that process found.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import re
import sys
import tempfile
import warnings
from collections import deque
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.machinery import ModuleSpec

#: Types that are read by each of AWS's protocols: EC2, query, JSON, REST with JSON and with XML.
TYPES = {"ec2_vpc", "rds_instance", "dynamodb_table", "lambda_function", "s3_bucket", "sqs_queue"}
SPEC_FILES = {"ec2_network", "rds", "dynamodb", "lambda", "s3", "sqs"}
REGION = "eu-west-1"
_OWN_MODULES = ("botocore", "boto3", "cloudops_nb", "tests")
_IMPORTED = (
    "cloudops_nb.aws.sessions", "cloudops_nb.execution.engine", "cloudops_nb.scanner.scan", "cloudops_nb.ssm.catalogue",
    "tests.execution.conftest", "tests.scanner.moto_estate",
)  # fmt: skip
_PROCESSES = 2
#: How a name is renamed, where not each word that equals it means it: a file of botocore (all if empty), a pattern, and
#: its replacement.
_SPECIAL: Mapping[str, Sequence[tuple[str, str, str]]] = {
    # The documented class itself stays; one of its parameters has another name.
    "Session": [("session", r"\bevent_hooks\b", "emitter")],
    "__copy__": [
        ("hooks", r"copy\.copy\(self\._handlers\)", "self._handlers.copied()"),
        ("hooks", r"def __copy__(?=\(self\):\n        # The fact that)", "def copied"),
    ],
    "children": [("hooks", r"'children'", "'renamed'")],
    "values": [("hooks", r"'values'", "'renamed'")],
    "response_parser_factory": [("session", r"'response_parser_factory'", "'renamed'")],
    "_handle_": [("parsers", r"(?<!\w)_handle_", "_renamed_")],
    **{
        name: [
            ("parsers", r"(?<=f'_handle_\{shape.type_name\}')", f".replace('{name}', 'renamed')"),
            ("parsers", rf"(?<!')\b{name}\b", "renamed"),
        ]
        for name in ("_handle_structure", "_handle_string")
    },
    "parse": [
        ("", r"(?<=def )parse(?=\(self, response, shape\))", "renamed"),
        ("", r"(?<=[ =]parser\.)parse(?=\()", "renamed"),
        ("", r"(?<=self\._parser\.)parse(?=\()", "renamed"),
    ],
}


class RenamingFinder(PathFinder):
    """Finds botocore's modules, and compiles those that contain a name from a text in which it is another."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.renamed = 0

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # type: ignore[override]  # as importlib calls it
        if fullname.partition(".")[0] != "botocore":
            return None
        spec = super().find_spec(fullname, path, target)
        if spec and spec.origin and spec.origin.endswith(".py"):
            source = Path(spec.origin).read_text("utf-8")
            changed = renamed(self._name, fullname.rpartition(".")[2], source)
            if changed != source:
                self.renamed += 1
                spec.loader = _Changed(fullname, spec.origin, changed)
        return spec


class _Changed(SourceFileLoader):
    def __init__(self, fullname: str, path: str, source: str) -> None:
        super().__init__(fullname, path)
        self._source = source

    def get_code(self, fullname: str) -> Any:
        return compile(self._source, self.get_filename(fullname), "exec", dont_inherit=True)


def renamed(name: str, module: str, source: str) -> str:
    """Return the source of a module of botocore with another name for the name; unchanged if it has none of it."""
    for where, pattern, replacement in _SPECIAL.get(name, [("", rf"\b{name}\b", "renamed_thing")]):
        if where in ("", module):
            source = re.sub(pattern, replacement, source)
    return source


def observed(name: str) -> dict[str, Any]:
    """Return what a scan finds and a plan does while a name of botocore is another."""
    finder = RenamingFinder(name)
    if name != "-":
        sys.meta_path.insert(0, finder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        from cloudops_nb.aws.fast_botocore import door
        from cloudops_nb.aws.sessions import AccountSessions
        from cloudops_nb.errors import CloudOpsWarning
        from cloudops_nb.model import Account
        from tests.scanner.moto_estate import ROLE

        accounts = (Account("prod", profile="prod"), Account("stage", role_arn=ROLE, source_profile="prod"))
        sessions = AccountSessions(accounts, threads=8)
        found = {"resources": _resources(sessions), "plan": _applied(sessions), "status": door.botocore_status()}
        sessions.close()
    texts = [str(each.message) for each in caught if issubclass(each.category, CloudOpsWarning)]
    return {**found, "renamed": finder.renamed, "warnings": texts, "plain": not door.fast_parts_in_use()}


def _resources(sessions: Any) -> list[str]:
    from cloudops_nb.scanner.reading.task_reader import PageRead
    from cloudops_nb.scanner.scan import Scanner
    from cloudops_nb.specs.files import parse_specs

    # Reading the files of the other services would take longer than the scan.
    files = [path for path in Path("cloudops_nb/specs/services").iterdir() if path.stem in SPEC_FILES]
    specs = [
        each
        for path in files
        for each in parse_specs(path.read_text("utf-8"), path.name)
        if each.resource_type in TYPES
    ]
    items = list(Scanner(sessions, threads=8, specs=specs).scan(regions=[REGION]))
    rows = [row for item in items if isinstance(item, PageRead) for row in item.resources]
    states = [f"{item.key}: {item.state.value}" for item in items if not isinstance(item, PageRead)]
    return sorted([*(str(dataclasses.replace(row, last_synced=None)) for row in rows), *states])


def _applied(sessions: Any) -> list[str]:
    """Stop an instance by a plan; return the plan's status and the instance's state."""
    from cloudops_nb.execution.engine import ExecutionEngine
    from cloudops_nb.model import Account, BoundPlaybook
    from cloudops_nb.ssm.catalogue import Catalogue
    from tests.execution.conftest import ACCOUNT_ID, Aws, Clients, FakeJournal
    from tests.sample_plans import CARD

    sessions.accounts()
    clients, catalogue = Clients(sessions.operators), Catalogue.bundled()
    aws, playbook = Aws(clients), catalogue.get("ec2-stop")
    instance = aws.instance()
    with tempfile.TemporaryDirectory() as folder:
        engine = ExecutionEngine(clients, FakeJournal(), catalogue, locks_path=Path(folder), poll_seconds=0.01)
        bound = BoundPlaybook(
            playbook.ref, (instance,), playbook.metadata.target_parameter, {}, playbook.metadata.level
        )
        plan = engine.prepare(bound, account=Account("prod", ACCOUNT_ID, environment="development"))
        engine.approve(plan, channel=CARD, by="ada", reason="maintenance", phrase=plan.phrase)
        execution = engine.apply(plan)
        execution.wait()
    return [execution.status.value, aws.instance_state(instance)]


def _started(name: str) -> tuple[int, int]:
    """Start a process that observes a name; return its id, and the pipe from which its answer is read."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    os.close(read)
    with os.fdopen(write, "w", encoding="utf-8") as answer:
        try:
            found = observed(name)
        except BaseException as error:  # noqa: BLE001 - the test shows it
            found = {"error": f"{type(error).__name__}: {error}"}
        json.dump({"name": name, **found}, answer)
    os._exit(0)


def _print_answer(child: int, pipe: int) -> None:
    with os.fdopen(pipe, encoding="utf-8") as answer:
        print(answer.read(), flush=True)  # noqa: T201 - the command's result
    os.waitpid(child, 0)


def main(names: Sequence[str]) -> None:
    """Observe each name in a process of its own; third-party modules are imported once, for all."""
    for module in _IMPORTED:
        importlib.import_module(module)
    for module in [each for each in sys.modules if each.partition(".")[0] in _OWN_MODULES]:
        del sys.modules[module]
    running: deque[tuple[int, int]] = deque()
    for name in names:
        running.append(_started(name))
        if len(running) == _PROCESSES:
            _print_answer(*running.popleft())
    for process in running:
        _print_answer(*process)


if __name__ == "__main__":
    main(sys.argv[1:])
