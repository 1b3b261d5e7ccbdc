"""Several kernels on one store, and processes that die at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cloudops_nb.model import CellState

DATABASE = "pg-instance-staging1"
DEADLINE = 600.0
#: Lines that a child may be ahead of the test.
AHEAD = 10


@pytest.fixture
def start(open_ops, tmp_path):
    """Start a child that opens the same store and runs some lines; ``ops`` and ``say`` are at hand there."""
    children = []
    settings = open_ops().settings
    fields = {
        "accounts": [account.model_dump() for account in settings.accounts],
        "regions": list(settings.regions),
        "key_file": str(settings.key_file),
        "embedding_path": str(settings.embedding_path),
        "qdrant_idle_seconds": settings.qdrant_idle_seconds,
    }

    def start_one(lines):
        code = (
            "import json, os, sys, time\n"
            "from cloudops_nb import CloudOps\n"
            "say = lambda *words: print(*words, flush=True)\n"
            f"ops = CloudOps({str(settings.data_path)!r}, **json.loads({json.dumps(fields)!r}))\n"
            + textwrap.dedent(lines)
        )
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        children.append(child)
        return child

    yield start_one
    for child in children:
        child.kill()
        child.communicate()


def test_a_kernel_that_dies_during_a_scan_leaves_a_true_picture(start, open_ops):
    child = start(
        """
        written, real = 0, ops.storage.estate.upsert
        def counting(resources, **keywords):
            global written
            report = real(resources, **keywords)
            written += len(resources)
            say(written)
            if written > 30:
                time.sleep(600)
            return report
        ops.storage.estate.upsert = counting
        ops.scan(services=["ec2"])
        """
    )
    acknowledged = 0
    while acknowledged <= 30:
        acknowledged = int(child.stdout.readline())
    child.kill()
    child.wait()

    ops = open_ops()
    cells = ops.storage.scan_state.cells()
    assert CellState.RUNNING not in {cell.state for cell in cells}
    assert len(ops.resources()) >= acknowledged
    assert ops.storage.journal.verify().count >= 2
    ended = ops.storage.journal.records(kind="scan_ended")
    assert ended[-1].body["status"] == "failed"
    report = ops.scan(accounts=["staging"], services=["ec2"])
    assert not report.failures


def test_a_kernel_that_dies_during_an_execution_leaves_a_true_picture(staging_database, start, open_ops):
    ops = open_ops()
    ops.scan(accounts=["staging"], services=["rds"])
    child = start(
        f"""
        plan = ops.ask("stop {DATABASE}").plan
        ops.approve(plan, reason="a test")
        import cloudops_nb.execution.executor as executor
        real = executor.InProcess.call
        def slow(self, *arguments, **keywords):
            answer = real(self, *arguments, **keywords)
            if "StopDBInstance" in repr(arguments) + repr(keywords):
                say("called")
                time.sleep(600)
            return answer
        executor.InProcess.call = slow
        for event in ops.apply(plan):
            pass
        """
    )
    assert child.stdout.readline().strip() == "called"
    child.kill()
    child.wait()

    again = open_ops()
    row = again.history().iloc[-1]
    assert row.status == "failed"
    result = again.storage.journal.records(kind="step_result")[-1]
    assert (result.body["step"], result.body["status"]) == ("stopDBInstance", "outcome_unknown")
    assert again.storage.journal.verify().count > 0


def test_two_kernels_search_and_write_at_once_without_loss(start, open_ops):
    ops = open_ops()
    ops.scan(accounts=["staging"], services=["ec2", "rds"])
    lines = """
        from dataclasses import replace
        base = ops.storage.estate.resources(limit=1)[0].resource
        for number in range(40):
            name = f"{who}-{number}"
            ops.storage.estate.apply_delta([replace(base, arn=f"arn:{name}", identifier=name, name=name)])
            assert not ops.search("staging", limit=3).empty
            ops.storage.chat.append("shared", "user", name, {})
            say(name)
        """
    children = [start(f"who = {who!r}\n" + textwrap.dedent(lines)) for who in ("one", "two")]
    said = [child.communicate(timeout=DEADLINE)[0].split() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    for name in (*said[0], *said[1]):
        assert ops.storage.estate.lookup(name), name
    contents = [message.content for message in ops.storage.chat.history("shared", limit=200)]
    assert sorted(contents) == sorted(said[0] + said[1])


def owner_pid(data_path):
    """Return the process that holds the store's shards, found as an operator would: by its command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"cloudops_nb.storage.engines.owner" in b" ".join(words) and str(data_path).encode() in words:
                return int(entry.name)
    return None


def test_kernels_go_on_when_the_owner_process_is_killed_in_mid_write(start, open_ops):
    ops = open_ops()
    ops.scan(accounts=["staging"], services=["rds"])
    child = start(
        f"""
        from dataclasses import replace
        base = ops.storage.estate.resources(limit=1)[0].resource
        for number in range(150):
            if number >= {AHEAD}:
                sys.stdin.readline()
            name = f"written-{{number}}"
            ops.storage.estate.apply_delta([replace(base, arn=f"arn:{{name}}", identifier=name, name=name)])
            say(name)
        """
    )
    killed = 0
    acknowledged = []
    for text in child.stdout:
        acknowledged.append(text.strip())
        if len(acknowledged) <= 150 - AHEAD:
            child.stdin.write("\n")
            child.stdin.flush()
        if len(acknowledged) % 40 == 20 and (pid := owner_pid(ops.settings.data_path)):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    assert child.wait() == 0
    assert killed >= 3
    assert len(acknowledged) == 150
    for name in acknowledged:
        assert ops.storage.estate.lookup(name), name


def test_torch_stays_out_of_the_kernel_up_to_the_first_search(start, open_ops):
    open_ops().scan(accounts=["staging"], services=["rds"])
    child = start(
        """
        found = ops.search("staging postgres")
        heavy = {"torch", "transformers", "sentence_transformers"} & set(sys.modules)
        say(len(found), *sorted(heavy))
        """
    )
    rows, *heavy = child.communicate(timeout=DEADLINE)[0].split()
    assert int(rows) > 0
    assert heavy == []


def test_opening_an_existing_store_imports_neither_the_engine_of_plans_nor_what_a_search_needs(start):
    child = start(
        """
        unneeded = ["cloudops_nb.execution.engine", "cloudops_nb.iam", "cloudops_nb.ssm", "cloudops_nb.storage.backup",
                    "cloudops_nb.storage.health", "numpy", "pandas", "botocore", "boto3", "qdrant_client"]
        say(*sorted(set(unneeded) & set(sys.modules)))
        """
    )
    assert child.communicate(timeout=DEADLINE)[0].split() == []
    assert child.returncode == 0
