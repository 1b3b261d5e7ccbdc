"""The commands, as a person types them."""

from __future__ import annotations

import json
import re

import botocore
import pytest
from click.testing import CliRunner

from cloudops_nb import CloudOps
from cloudops_nb.aws.fast_botocore.door import TESTED_VERSION
from cloudops_nb.cli.main import main


@pytest.fixture
def run(demo_environment, staging_database, models_path, tmp_path, monkeypatch):
    """Run one command on a store of its own over the simulated AWS."""
    monkeypatch.setenv("CLOUDOPS_DATA_PATH", str(tmp_path / "store"))
    monkeypatch.setenv("CLOUDOPS_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("CLOUDOPS_EMBEDDING_PATH", str(models_path))
    monkeypatch.setenv("CLOUDOPS_REGIONS", "eu-west-1")
    monkeypatch.setenv("CLOUDOPS_QDRANT_IDLE_SECONDS", "2")
    (tmp_path / "store").mkdir(mode=0o700)
    (tmp_path / "store" / "config.toml").write_text(
        "\n".join(
            f'[[accounts]]\nname = "{a["name"]}"\nprofile = "{a["profile"]}"\n' for a in demo_environment.accounts
        )
    )

    def run_one(*words, ok=True, **options):
        result = CliRunner().invoke(main, words, **options)
        if ok and result.exit_code:
            raise AssertionError(result.output) from result.exception
        return result

    return run_one


def test_scan_search_ask_and_look_back(run):
    assert "read completely" in run("scan", "--account", "staging", "--service", "rds").output
    assert "pg-instance-staging1" in run("search", "staging", "postgres").output
    depends = run("depends", "pg-instance-staging1").output
    assert "rds_instance pg-instance-staging1" in depends
    assert "Not looked at: never scanned" in depends
    body = json.loads(run("ask", "--dry-run", "reboot", "pg-instance-staging1").output)
    assert body["words"] == ["reboot", "r1"]
    asked = run("ask", "reboot", "pg-instance-staging1").output
    assert "rds-reboot" in asked
    plan_id = asked.split("cloudops-nb approve ")[1].split()[0]
    refused = run("apply", plan_id, ok=False)
    assert refused.exit_code == 1
    assert "ApprovalRequired" in refused.output
    assert "rds-reboot" in run("history").output or "Reboot" in run("history").output
    assert "in-process" in run("ledger").output
    status = run("status").output
    assert "verified" in status
    assert f"botocore: {botocore.__version__} (tested with {TESTED_VERSION})\n" in status


def test_an_approval_without_a_terminal_fails_closed(run):
    run("scan", "--account", "staging", "--service", "rds")
    plan_id = run("ask", "reboot", "pg-instance-staging1").output.split("cloudops-nb approve ")[1].split()[0]
    refused = run("approve", plan_id, "--reason", "a test", ok=False, input="approve\n")
    assert refused.exit_code == 1
    assert "terminal" in refused.output
    assert "ApprovalRequired" in run("apply", plan_id, ok=False).output


def test_an_execution_is_undone_by_a_plan_of_its_own(run, tmp_path):
    run("scan", "--account", "staging", "--service", "rds")
    plan_id = run("ask", "stop", "pg-instance-staging1").output.split("cloudops-nb approve ")[1].split()[0]
    with CloudOps(tmp_path / "store") as ops:
        ops.approve(ops.plan(plan_id), reason="a test")
    assert "dry run completed, nothing was changed" in run("apply", plan_id, "--dry-run").output
    applied = run("apply", plan_id).output
    undone = run("rollback", applied.split("cloudops-nb rollback ")[1].split()[0]).output
    assert "rds-start" in undone
    assert "cloudops-nb approve " in undone


def test_a_dry_run_of_a_scan_prints_the_calls_and_makes_none(run):
    output = run("scan", "--dry-run", "--service", "rds").output
    assert "DescribeDBInstances" in output
    assert re.search(r"At least \d+ calls in 3 accounts and 1 regions", output)
    assert re.search(r"The slowest limit: \d+ calls of \w+ in \S+ \S+, [\d.]+ a second\.", output)


def test_an_error_is_one_line_and_exit_code_1(run):
    result = run("scan", "--region", "eu-wset-1", ok=False)
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "eu-west-1" in result.output
