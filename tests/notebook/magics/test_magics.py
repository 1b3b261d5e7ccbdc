"""Each magic over ``CloudOps``, in a real shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from cloudops_nb.client.answer import Answer
from cloudops_nb.client.permissions import COLUMNS
from cloudops_nb.errors import ApprovalRequired, BackupError, ConfigurationError, ExecutionError, PlanError
from cloudops_nb.execution.plan import Channel, PlanStatus
from cloudops_nb.notebook.magics.magics import CloudOpsMagics
from cloudops_nb.presentation.mime_types import PLAIN, WIDGET
from cloudops_nb.settings import load_settings
from cloudops_nb.storage.backup.backup_report import BackupReport
from tests.notebook.fake_cloudops import BOTOCORE, SNAPSHOT, FakeExecution
from tests.sample_plans import delete_volume, stop_database

if TYPE_CHECKING:
    from cloudops_nb.execution.plan import Plan
    from tests.notebook.conftest import Notebook

pytestmark = pytest.mark.fast
LINE_MAGICS = sorted(CloudOpsMagics.magics["line"])


def with_plan(notebook: Notebook, plan: Plan | None = None) -> Plan:
    """Let the fake answer with a plan, and ask for it."""
    plan = plan or stop_database()
    notebook.cloudops.answer = Answer("plan", plan.explanation, plan=plan, bytes_sent=1204)
    notebook.run(f"%%ask\nplan {plan.id}")
    return plan


def cards(notebook: Notebook) -> list[dict[str, Any]]:
    return [bundle for name, bundle in notebook.screen.displays.items() if name.startswith("cloudops-card")]


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("magic", LINE_MAGICS)
def test_every_magic_prints_its_help_and_does_nothing(
    notebook: Notebook, capsys: pytest.CaptureFixture[str], magic: str, flag: str
) -> None:
    assert notebook.run(f"%{magic} {flag}") is None
    printed = capsys.readouterr().out
    assert f"%{magic}" in printed
    assert "--help" in printed
    assert not notebook.opened


def test_ask_prints_its_help(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    notebook.run("%%ask --help\nx")
    assert "--dry-run" in capsys.readouterr().out
    assert not notebook.opened


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("%cloudops_scan --reg eu-west-1", "there is no flag --reg; did you mean --region?"),
        ("%cloudops_apply --yes", "there is no flag --yes"),
        ("%cloudops_apply --force", "there is no flag --force"),
        ("%cloudops_search", "query"),
        ("%cloudops_search db --limit many", "--limit"),
        ("%cloudops_scan --region", "--region"),
        ("%cloudops_search 'db", "quotation"),
    ],
)
def test_a_line_that_does_not_parse_is_one_line_and_fails_the_cell(notebook: Notebook, cell: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        notebook.run(cell)
    (line,) = raised.value._render_traceback_()
    assert told in line
    assert "\n" not in line
    assert "--help" in line
    assert not notebook.opened


def test_an_error_of_ours_is_shown_as_one_line_and_the_cell_fails(
    notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = notebook.shell.run_cell("%cloudops_apply", store_history=False)
    assert isinstance(outcome.error_in_exec, PlanError)
    assert capsys.readouterr().out.strip() == (
        "PlanError: there is no plan yet: nothing was asked yet, or the last answer has no plan. Ask with %%ask first."
    )


def test_status_shows_the_health(notebook: Notebook) -> None:
    status = notebook.run("%cloudops_status")
    lines = [line.split() for line in repr(status).splitlines()]
    assert ["Name", "Points"] in lines
    assert ["aws", "estate", "1200"] in lines
    assert ["botocore", *BOTOCORE.split()] in lines
    assert "<dt>encrypted</dt><dd>yes</dd>" in status._repr_mimebundle_()["text/html"]


def test_a_backup_shows_what_was_saved(notebook: Notebook) -> None:
    report = notebook.run("%cloudops_backup aws_estate journal")
    assert notebook.cloudops.called("backup") == [("aws_estate", "journal")]
    bundle = notebook.formatted(report)
    for text in ("aws_estate_2026-01-02T03-04-05.snapshot", "1.2 MB", "630"):
        assert text in bundle["text/html"]
        assert text in bundle[PLAIN]


def test_a_backup_that_is_not_complete_is_shown_and_fails_the_cell(notebook: Notebook) -> None:
    notebook.cloudops.backup_report = BackupReport((SNAPSHOT,), ("the bucket cannot be reached: connection refused.",))
    with pytest.raises(BackupError, match="connection refused"):
        notebook.run("%cloudops_backup")
    (shown,) = [bundle["text/html"] for bundle, _, _ in notebook.screen.bundles]
    assert "aws_estate_2026" in shown
    assert "connection refused" in shown


def test_snapshots_are_listed_and_none_is_taken(notebook: Notebook) -> None:
    assert "aws_estate_2026" in str(notebook.run("%cloudops_backup --list"))
    assert notebook.cloudops.called("backup") == []


def test_regular_backups_run_in_a_notebook_that_uses_the_store_until_they_are_stopped(notebook: Notebook) -> None:
    shown = repr(notebook.run("%cloudops_backup --status"))
    assert ["aws", "estate", "6.0"] in [line.split() for line in shown.splitlines()]
    assert notebook.cloudops.backups.running
    notebook.run("%cloudops_backup --stop")
    assert not notebook.cloudops.backups.running


def test_scan_passes_its_filters_and_shows_one_progress_display(notebook: Notebook) -> None:
    report = notebook.run("%cloudops_scan --account prod --account staging --region eu-west-1 --service rds")
    assert report.scan_id == "scan-1"
    assert notebook.cloudops.called("scan") == [(["prod", "staging"], ["eu-west-1"], ["rds"], "full")]
    (progress,) = notebook.screen.displays.values()
    assert progress[PLAIN].startswith("Scan done: 3 of 3 cells, 30 resources, 6 calls in ")


def test_a_scan_passes_types_with_services_and_its_depth(notebook: Notebook) -> None:
    notebook.run(
        "%cloudops_scan --service rds --type AWS::Athena::NamedQuery --mode incremental --every-detail"
        " --executor dask:tcp://10.0.0.5:8786"
    )
    assert notebook.cloudops.called("scan") == [(None, None, ["rds", "AWS::Athena::NamedQuery"], "incremental")]
    assert notebook.cloudops.called("scan_depth") == [(True, "dask:tcp://10.0.0.5:8786")]


def test_the_types_that_a_scan_knows_are_listed(notebook: Notebook) -> None:
    assert list(notebook.run("%cloudops_types --cloud-control --account prod").resource_type) == ["rds_instance"]
    assert notebook.cloudops.called("resource_types") == [(True, "prod")]


def test_regular_scans_run_only_once_they_are_started(notebook: Notebook) -> None:
    shown = repr(notebook.run("%cloudops_schedule"))
    assert ["full", "scan", "6.0"] in [line.split() for line in shown.splitlines()]
    assert not notebook.cloudops.schedule.started
    notebook.run("%cloudops_schedule --start")
    assert notebook.cloudops.schedule.started
    notebook.run("%cloudops_schedule --stop")
    assert not notebook.cloudops.schedule.started


def test_a_setting_starts_the_regular_scans_with_the_store(notebook: Notebook) -> None:
    notebook.cloudops.settings = load_settings(regular_scans=True)
    notebook.run("%cloudops_status")
    assert notebook.cloudops.schedule.started


def test_a_scan_s_dry_run_makes_no_call(notebook: Notebook) -> None:
    assert list(notebook.run("%cloudops_scan --dry-run").call) == ["ec2:DescribeInstances"]
    assert not notebook.cloudops.called("scan")


def test_search_joins_its_words_and_passes_filters(notebook: Notebook) -> None:
    notebook.run("%cloudops_search production postgres --type rds_instance --state available --limit 3")
    filters = {"resource_type": "rds_instance", "state": "available"}
    assert notebook.cloudops.called("search") == [("production postgres", 3, filters)]


def test_search_says_how_it_read_the_query(notebook: Notebook) -> None:
    notebook.cloudops.frame = pd.DataFrame({"name": ["pg"]})
    notebook.cloudops.frame.attrs["understood"] = "type rds_instance; looking for: pg"
    notebook.run("%cloudops_search databases pg")
    assert notebook.screen.lines == ["Read as: type rds_instance; looking for: pg"]


def test_dependents_are_a_drawing_and_a_tree(notebook: Notebook) -> None:
    row = {
        "arn": "a",
        "depends_on": "k",
        "resource": "jobs",
        "resource_type": "sqs_queue",
        "relation": "encrypted with",
    }
    notebook.cloudops.frame = pd.DataFrame([{**row, "place": "prod eu-west-1"}])
    notebook.cloudops.frame.attrs |= {"resources": [("k", "kms_key main", "prod eu-west-1")], "not_looked_at": []}
    shown = notebook.run("%cloudops_depends main --hops 2")
    assert notebook.cloudops.called("dependents") == [("main", 2)]
    assert "sqs_queue jobs (encrypted with)" in repr(shown)
    (drawing,) = [bundle for bundle, *_ in notebook.screen.bundles if "text/vnd.mermaid" in bundle]
    assert '"sqs_queue jobs"' in drawing["text/vnd.mermaid"]


def test_permissions_are_those_of_a_name_or_of_the_frame_in_a_variable(notebook: Notebook) -> None:
    found, notebook.cloudops.frame = pd.DataFrame({"arn": ["a"]}), pd.DataFrame(columns=pd.Index(COLUMNS))
    notebook.shell.user_ns |= {"found": found, "number": 5}
    shown = [notebook.run(f"%cloudops_may {name}") for name in ("arn:aws:sns:x", "found", "number")]
    first, second, third = notebook.cloudops.called("permissions")
    assert (first, third) == ("arn:aws:sns:x", "number")
    assert second is found
    assert "No action is judged" in repr(shown[0])


def test_a_result_can_be_kept_in_a_variable(notebook: Notebook) -> None:
    notebook.cloudops.frame = pd.DataFrame({"name": ["pg"]})
    assert notebook.run("%cloudops_search pg -o found") is None
    assert list(notebook.run("found.name")) == ["pg"]


def test_the_line_is_no_template(notebook: Notebook) -> None:
    notebook.run("secret = 'hunter2'")
    notebook.run("%cloudops_search {secret} $secret")
    assert notebook.cloudops.called("search") == [("{secret} $secret", 10, {})]


def test_ask_returns_information_as_its_answer(notebook: Notebook) -> None:
    answer = notebook.run("%%ask\nwhat runs in production?")
    assert answer is notebook.cloudops.answer
    ((prompt, conversation),) = notebook.cloudops.called("ask")
    assert prompt == "what runs in production?"
    assert conversation


def test_requests_of_one_notebook_are_one_conversation(notebook: Notebook) -> None:
    notebook.run("%%ask\nshow the staging databases")
    notebook.run("%%cloudops_ask\nstop the first one")
    first, second = notebook.cloudops.called("ask")
    assert first[1] == second[1]


def test_a_dry_run_prints_the_exact_bytes_and_sends_nothing(notebook: Notebook) -> None:
    assert notebook.run("%%ask --dry-run\nstop pg") is None
    assert notebook.screen.lines == [
        '23 bytes would be sent, exactly these; nothing was sent:\n{"words":["stop","r1"]}'
    ]
    assert not notebook.cloudops.called("ask")
    notebook.run("%%ask --dry-run -o request\nstop pg")
    assert notebook.run("request") == b'{"words":["stop","r1"]}'


def test_a_dry_run_belongs_to_the_conversation_of_the_requests_before_it(notebook: Notebook) -> None:
    notebook.run("%%ask\nsnapshot db-1")
    notebook.run("%%ask --dry-run\nstop it")
    assert notebook.screen.lines[-1].startswith("23 bytes would be sent")
    ((_, asked),) = notebook.cloudops.called("ask")
    assert notebook.cloudops.called("preview") == [("stop it", asked)]


def test_a_dry_run_that_would_send_nothing_says_so(notebook: Notebook) -> None:
    notebook.cloudops.request = b""
    notebook.run("%%ask --dry-run\nlist databases")
    assert notebook.screen.lines == ["Nothing would be sent: the request is answered on this host."]


def test_a_plan_comes_as_a_card(notebook: Notebook) -> None:
    with_plan(notebook)
    (card,) = cards(notebook)
    assert WIDGET in card
    assert "1,204 bytes" in card[PLAIN]


def test_a_document_is_planned_on_a_card_and_becomes_the_last_plan(notebook: Notebook) -> None:
    line = "%cloudops_prepare look --param InstanceId=i-1 --param Reasons=a --param Reasons=b,c --account staging"
    assert notebook.run(line) is None
    (card,) = cards(notebook)
    assert WIDGET in card
    values = {"InstanceId": "i-1", "Reasons": ["a", "b,c"]}
    assert notebook.cloudops.called("prepare") == [("look", values, "staging", None, False)]
    with pytest.raises(ApprovalRequired, match="plan-document"):
        notebook.run("%cloudops_apply")


def test_a_prepared_plan_can_be_kept(notebook: Notebook) -> None:
    notebook.run("%cloudops_prepare look --param InstanceId=i-1 --param Reasons=a --override -o plan")
    assert notebook.run("plan.id") == "plan-document"
    assert notebook.cloudops.called("prepare")[0][-1] is True


def test_a_missing_parameter_is_named_and_an_earlier_plan_is_no_longer_the_last(notebook: Notebook) -> None:
    with_plan(notebook)
    with pytest.raises(PlanError) as raised:
        notebook.run("%cloudops_prepare look --param InstanceId=i-1")
    assert "Reasons (StringList)" in str(raised.value)
    assert "%cloudops_prepare look --param Reasons=…" in str(raised.value)
    assert notebook.cloudops.called("prepare") == []
    with pytest.raises(PlanError, match="there is no plan yet"):
        notebook.run("%cloudops_apply")


def test_a_missing_parameter_is_asked_for_in_a_terminal(notebook: Notebook) -> None:
    notebook.screen.terminal = True
    notebook.screen.answers = ["i-1", "a,b"]
    notebook.run("%cloudops_prepare look")
    assert notebook.cloudops.called("prepare")[0][1] == {"InstanceId": "i-1", "Reasons": ["a", "b"]}
    assert notebook.screen.lines[0] == "InstanceId (AWS::EC2::Instance::Id: The instance.): "


def test_playbooks_are_listed_with_the_files_that_are_not_read(notebook: Notebook) -> None:
    assert list(notebook.run("%cloudops_playbook").name) == ["look", "rds-stop"]
    assert notebook.screen.lines == ["Not read: bad.yaml is not valid: 1:1 is empty."]


def test_a_playbook_is_shown_checked_and_written(notebook: Notebook) -> None:
    shown = notebook.formatted(notebook.run("%cloudops_playbook show look"))
    assert "DescribeInstances" in shown[PLAIN]
    assert "<table" in shown["text/html"]
    checked = repr(notebook.run("%cloudops_playbook lint look"))
    assert "Lint of look" in checked
    assert "DescribeInstances" not in checked
    notebook.run("%cloudops_playbook new rds StopDBInstance --name mine")
    assert notebook.cloudops.called("new_playbook") == [("rds", "StopDBInstance", "mine")]
    assert notebook.screen.lines[-1].startswith("Written: look.yaml")


@pytest.mark.parametrize("words", ["list x", "show", "lint", "new rds", "remove look"])
def test_what_the_playbook_magic_cannot_do_is_an_error(notebook: Notebook, words: str) -> None:
    with pytest.raises(ConfigurationError, match="Write list, show NAME, lint NAME, or new SERVICE API"):
        notebook.run(f"%cloudops_playbook {words}")


def test_nothing_runs_before_an_approval(notebook: Notebook) -> None:
    with_plan(notebook)
    with pytest.raises(ApprovalRequired):
        notebook.run("%cloudops_apply")


def test_the_last_plan_runs_once_approved_and_is_followed_to_its_end(notebook: Notebook) -> None:
    plan = with_plan(notebook)
    notebook.cloudops.decisions[plan.id] = True
    assert notebook.run("%cloudops_apply") is None
    run = next(bundle for name, bundle in notebook.screen.displays.items() if name.startswith("cloudops-run"))
    assert run[PLAIN].startswith("completed: Stop RDS instance · 1 resource")
    assert "completed        StopDBInstance  pg-instance-staging1  done" in run[PLAIN]


@pytest.mark.parametrize("named", ["plan-7f3a", "plan", "answer"])
def test_a_plan_can_be_named_by_id_and_by_variable(notebook: Notebook, named: str) -> None:
    plan = with_plan(notebook)
    with_plan(notebook, delete_volume())
    notebook.shell.push({"plan": plan, "answer": Answer("plan", "x", plan=plan)})
    notebook.cloudops.decisions[plan.id] = True
    notebook.run(f"%cloudops_apply {named} --dry-run -o execution")
    assert notebook.cloudops.called("apply") == [("plan-7f3a", "sdk", True)]
    assert notebook.run("execution.status") is PlanStatus.COMPLETED


def test_an_unknown_plan_is_refused(notebook: Notebook) -> None:
    with pytest.raises(PlanError, match="there is no plan plan-0"):
        notebook.run("%cloudops_apply plan-0")


def test_a_failed_run_fails_the_cell(notebook: Notebook) -> None:
    plan = with_plan(notebook)
    notebook.cloudops.decisions[plan.id] = True
    notebook.cloudops.execution = lambda plan: FakeExecution(plan, fails=True)
    with pytest.raises(ExecutionError, match="exec-1 ended as failed"):
        notebook.run("%cloudops_apply")
    run = next(bundle for name, bundle in notebook.screen.displays.items() if name.startswith("cloudops-run"))
    assert "failed           AssertAvailable  pg-instance-staging1  InvalidDBInstanceState" in run[PLAIN]


def test_an_interrupt_cancels_and_shows_where_it_stopped(notebook: Notebook) -> None:
    plan = with_plan(notebook)
    notebook.cloudops.decisions[plan.id] = True
    notebook.cloudops.execution = lambda plan: FakeExecution(plan, interrupt_at=3)
    with pytest.raises(ExecutionError, match="exec-1 ended as cancelled"):
        notebook.run("%cloudops_apply")
    run = next(bundle for name, bundle in notebook.screen.displays.items() if name.startswith("cloudops-run"))
    assert "completed        AssertAvailable" in run[PLAIN]
    assert "pending          WaitUntilStopped" in run[PLAIN]


def test_rollback_shows_a_new_card_that_needs_its_own_approval(notebook: Notebook) -> None:
    plan = with_plan(notebook)
    notebook.cloudops.decisions[plan.id] = True
    notebook.run("%cloudops_apply")
    notebook.run("%cloudops_rollback")
    assert "Start RDS instance" in cards(notebook)[-1][PLAIN]
    with pytest.raises(ApprovalRequired, match="plan-back"):
        notebook.run("%cloudops_apply")


def test_rollback_needs_something_that_ran(notebook: Notebook) -> None:
    with pytest.raises(PlanError, match="nothing to roll back"):
        notebook.run("%cloudops_rollback")
    notebook.run("%cloudops_rollback exec-9")
    assert notebook.cloudops.called("rollback") == ["exec-9"]


def test_history_and_ledger_are_dataframes(notebook: Notebook) -> None:
    notebook.cloudops.frame = pd.DataFrame({"plan": ["plan-7f3a"]})
    assert list(notebook.run("%cloudops_history --status completed --resource pg").plan) == ["plan-7f3a"]
    assert list(notebook.run("%cloudops_ledger").plan) == ["plan-7f3a"]
    assert notebook.cloudops.called("history") == [{"status": "completed", "resource": "pg"}]


def test_a_plan_that_replaces_another_leaves_a_card_that_says_superseded(notebook: Notebook) -> None:
    with_plan(notebook)
    with_plan(notebook, stop_database(id="plan-2", replaces="plan-7f3a"))
    first, second = cards(notebook)
    assert first[PLAIN].startswith("SUPERSEDED")
    assert "plan-2" in first[PLAIN]
    assert WIDGET not in first
    assert WIDGET in second


def test_unloading_withdraws_open_cards(notebook: Notebook) -> None:
    with_plan(notebook)
    notebook.session.close()
    (card,) = cards(notebook)
    assert card[PLAIN].startswith("WITHDRAWN")
    assert WIDGET not in card


def test_changing_the_store_withdraws_its_open_cards(notebook: Notebook) -> None:
    with_plan(notebook)
    notebook.run("%config CloudOps.scan_threads = 8")
    (card,) = cards(notebook)
    assert card[PLAIN].startswith("WITHDRAWN")


def test_approving_by_typing_records_the_terminal_channel_and_settles_the_card(notebook: Notebook) -> None:
    with_plan(notebook)
    notebook.screen.answers = ["approve", "nightly saving"]
    notebook.run("%cloudops_approve")
    ((plan, given),) = notebook.cloudops.called("decide")
    assert plan.id == "plan-7f3a"
    assert given["channel"] is Channel.TERMINAL
    assert (given["approve"], given["reason"], given["phrase"]) == (True, "nightly saving", None)
    assert cards(notebook)[0][PLAIN].startswith("APPROVED")
    assert "rds:StopDBInstance" in notebook.screen.lines[0]


def test_a_destructive_plan_needs_its_phrase_typed(notebook: Notebook) -> None:
    with_plan(notebook, delete_volume())
    for typed in ("approve", "yes", "", "delete vol-0a1b2c3"):
        notebook.screen.answers = [typed, ""]
        with pytest.raises(ApprovalRequired, match="still undecided"):
            notebook.run("%cloudops_approve")
    assert not notebook.cloudops.called("decide")
    notebook.screen.answers = ["delete vol-0a1b2c3d", ""]
    notebook.run("%cloudops_approve")
    ((_, given),) = notebook.cloudops.called("decide")
    assert given["phrase"] == "delete vol-0a1b2c3d"


def test_rejecting_by_typing_is_recorded(notebook: Notebook) -> None:
    with_plan(notebook)
    notebook.screen.answers = ["reject", "not tonight"]
    notebook.run("%cloudops_approve")
    ((_, given),) = notebook.cloudops.called("decide")
    assert (given["approve"], given["reason"], given["phrase"]) == (False, "not tonight", None)


def test_without_input_nothing_is_approved_and_the_error_names_the_command(notebook: Notebook) -> None:
    with_plan(notebook)
    with pytest.raises(ApprovalRequired, match="cloudops-nb approve plan-7f3a"):
        notebook.run("%cloudops_approve")
    assert not notebook.cloudops.called("decide")


def test_a_question_without_a_plan_forgets_the_plan_before(notebook: Notebook) -> None:
    plan = with_plan(notebook)
    notebook.cloudops.decisions[plan.id] = True
    notebook.cloudops.answer = Answer("clarification", "Which one?")
    notebook.run("%%ask\nstop the other one")

    with pytest.raises(PlanError, match="there is no plan yet"):
        notebook.run("%cloudops_apply")
    assert not notebook.cloudops.called("apply")


def test_a_dry_run_says_so_and_is_nothing_to_roll_back(notebook: Notebook) -> None:
    plan = with_plan(notebook)
    notebook.cloudops.decisions[plan.id] = True
    notebook.run("%cloudops_apply --dry-run")

    shown = [bundle for name, bundle in notebook.screen.displays.items() if name.startswith("cloudops-run")]
    assert shown[-1][PLAIN].startswith("dry run: nothing was changed\n")
    assert "dry run: nothing was changed" in shown[-1]["text/html"]
    with pytest.raises(PlanError, match="nothing to roll back"):
        notebook.run("%cloudops_rollback")


def test_a_dry_run_that_fails_speaks_of_no_way_back(notebook: Notebook) -> None:
    plan = with_plan(notebook)
    notebook.cloudops.decisions[plan.id] = True
    notebook.cloudops.execution = lambda plan: FakeExecution(plan, fails=True)
    with pytest.raises(ExecutionError, match="the dry run ended as failed") as caught:
        notebook.run("%cloudops_apply --dry-run")
    assert "rollback" not in str(caught.value)


def test_what_was_shown_is_what_is_decided_on(notebook: Notebook) -> None:
    plan = with_plan(notebook)
    notebook.screen.answers = ["approve", "nightly saving"]
    notebook.run("%cloudops_approve")
    ((decided_on, _),) = notebook.cloudops.called("decide")
    assert decided_on is plan


def test_an_error_hides_no_character(notebook: Notebook) -> None:
    error = PlanError("web\u202e\x1b[2Jgnp is stopped")
    assert error._render_traceback_() == ["PlanError: web⟨U+202E⟩⟨U+001B⟩[2Jgnp is stopped."]
