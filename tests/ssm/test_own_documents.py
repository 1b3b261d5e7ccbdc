"""The folder of one's own documents: what is read, what is a problem, and when it is read again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.catalogue import Catalogue
from cloudops_nb.ssm.host_catalogue import HostCatalogue
from cloudops_nb.ssm.own_documents import OwnFolder, read_file, read_folder

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast

READ = """\
schemaVersion: '0.3'
description: Looks at an instance.
parameters:
  InstanceId: {type: 'AWS::EC2::Instance::Id'}
mainSteps:
  - name: look
    action: aws:executeAwsApi
    timeoutSeconds: 60
    inputs: {Service: ec2, Api: DescribeInstances, InstanceIds: ['{{ InstanceId }}']}
"""


def bundled() -> Catalogue:
    """The playbooks of the package; read by a test, because reading them must not stop the collection of tests."""
    return Catalogue.bundled()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


def names(folder: Path) -> list[str]:
    return [each.name for each in read_folder(folder, bundled().ids).files]


def problems(folder: Path) -> list[str]:
    found = list(read_folder(folder, bundled().ids).problems)
    assert all(len(line) <= 300 and "\n" not in line for line in found)
    return found


def test_a_missing_folder_has_no_documents_and_no_problems(tmp_path: Path) -> None:
    read = read_folder(tmp_path / "nothing")
    assert (read.files, read.problems) == ((), ())


def test_files_of_each_ending_and_folders_are_read(own: Path, runbook: str, metadata: str) -> None:
    (own / "a.yaml").write_text(READ)
    (own / "b.YML").write_text(READ)
    (own / "c.json").write_text('{"schemaVersion": "0.3", "mainSteps": [{"name": "s", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}}]}')  # fmt: skip # noqa: E501
    (own / "d").mkdir()
    (own / "d" / "runbook.yaml").write_text(runbook)
    (own / "d" / "metadata.yaml").write_text(metadata.replace("id: rds-stop", "id: our-stop"))
    (own / "README.md").write_text("not a document")
    (own / ".hidden.yaml").write_text("not a document")

    read = read_folder(own, bundled().ids, {"AWS::EC2::Instance": ["ec2_instance"]})
    assert read.problems == ()
    assert {each.name: each.playbook.ref.id for each in read.files} == {
        "a": "own-a",
        "b": "own-b",
        "c": "own-c",
        "d": "our-stop",
    }
    assert read.files[0].playbook.metadata.resource_types == ["ec2_instance"]
    assert [each.playbook.metadata.reviewed for each in read.files] == [False, False, False, True]


def test_metadata_may_lie_next_to_the_document(own: Path, runbook: str, metadata: str) -> None:
    (own / "stop.yaml").write_text(runbook)
    (own / "stop.metadata.yaml").write_text(metadata.replace("id: rds-stop", "id: our-stop"))

    (file,) = read_folder(own, bundled().ids).files
    assert (file.name, file.playbook.ref.id, file.playbook.metadata.reviewed) == ("stop", "our-stop", True)
    assert file.refusal == ""


def test_a_bad_file_is_one_line_and_the_others_load(own: Path) -> None:
    (own / "good.yaml").write_text(READ)
    (own / "bad.yaml").write_text(READ.replace("aws:executeAwsApi", "aws:executeAwsAPI"))
    (own / "bytes.yaml").write_bytes(b"description: a\nx: \xff\n")
    (own / "large.yaml").write_text(" " * 70_000)
    (own / "lonely.metadata.yaml").write_text("id: x-y")
    (own / "empty").mkdir()
    (own / "twice.yaml").write_text(READ)
    (own / "twice.metadata.yaml").write_text("")
    os.mkfifo(own / "pipe.yaml")

    assert names(own) == ["good"]
    told = "\n".join(problems(own))
    for text in (
        "bad.yaml is not valid: 7:",
        "bytes.yaml cannot be read: line 2 is not UTF-8",
        "large.yaml is larger than 65536 bytes",
        "lonely.metadata.yaml is not read: there is no lonely.yaml next to it",
        "empty is not read: the folder has no runbook.yaml",
        "twice.metadata.yaml is not valid: 1:1 is empty",
        "pipe.yaml cannot be read: it is not a regular file",
    ):
        assert text in told


def test_a_folder_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("x")
    (problem,) = problems(tmp_path / "own")
    assert "own cannot be read: Not a directory" in problem


def test_no_document_takes_the_id_or_the_name_of_a_bundled_playbook(own: Path, runbook: str, metadata: str) -> None:
    (own / "mine.yaml").write_text(runbook)
    (own / "mine.metadata.yaml").write_text(metadata)
    (own / "ec2-stop.yaml").write_text(READ)

    assert names(own) == []
    assert problems(own) == [
        "ec2-stop.yaml is not read: a bundled playbook has the name ec2-stop too. Rename one of them.",
        "mine.yaml is not read: a bundled playbook has the name rds-stop too. Rename one of them.",
    ]


def test_two_documents_of_one_name_are_not_both_read(own: Path) -> None:
    (own / "a.json").write_text(READ)
    (own / "a.yaml").write_text(READ)
    (own / "A.yml").write_text(READ)

    assert len(names(own)) == 1
    assert len(problems(own)) == 2


def test_the_folder_is_read_again_when_a_file_changes(own: Path) -> None:
    folder = OwnFolder(own, bundled().ids)
    assert folder.current().files == ()
    (own / "a.yaml").write_text(READ)
    (first,) = folder.current().files
    assert folder.current().files[0] is first
    (own / "a.yaml").write_text(READ.replace("Looks at", "Reads"))
    assert folder.current().files[0].playbook.metadata.name == "Reads an instance"
    (own / "a.yaml").unlink()
    assert folder.current().files == ()


def test_a_document_without_metadata_is_refused_only_for_what_cannot_run(own: Path) -> None:
    (own / "plain.yaml").write_text(READ.replace("DescribeInstances", "RebootInstances"))
    (own / "code.yaml").write_text(READ.replace("DescribeInstances", "RunInstances"))
    plain, code = (read_file(own / f"{name}.yaml", name) for name in ("plain", "code"))

    plain.require_runnable()
    assert "missing-assertion" in {each.rule for each in plain.lint.findings}
    assert plain.verdict != "refused"
    assert code.verdict == "refused"
    with pytest.raises(PlaybookError, match=r"playbook code cannot run: .*refused-api: .*RunInstances"):
        code.require_runnable()


def test_metadata_of_poor_quality_refuse_a_document(own: Path) -> None:
    (own / "poor.yaml").write_text(READ.replace("DescribeInstances", "TerminateInstances"))
    (own / "poor.metadata.yaml").write_text("{id: our-poor, version: '1.0.0', name: Poor, description: Poor.}")
    file = read_file(own / "poor.yaml", "poor")
    assert file.lint.verdict == "refused"
    with pytest.raises(PlaybookError, match=r"playbook poor cannot run: .* See cloudops-nb playbook lint poor"):
        file.require_runnable()


def test_the_host_has_the_bundled_playbooks_and_its_own(own: Path, tmp_path: Path) -> None:
    catalogue = HostCatalogue(bundled(), OwnFolder(own, bundled().ids))
    assert catalogue.ids == bundled().ids
    (own / "LookAtInstance.yaml").write_text(READ)

    assert {"own-look-at-instance", "rds-stop"} <= set(catalogue.ids)
    found = catalogue.named("LookAtInstance")
    assert found is catalogue.named("own-look-at-instance") is catalogue.by_ref(found.ref)
    assert found in catalogue.playbooks
    assert found in catalogue.runnable
    assert catalogue.named("rds-stop").bundled
    assert not found.bundled
    assert "own-look-at-instance" not in bundled().ids
    with pytest.raises(PlaybookError, match="unknown playbook LookAtInstances"):
        catalogue.named("LookAtInstances")

    elsewhere = tmp_path / "other.yaml"
    elsewhere.write_text(READ)
    other = read_file(elsewhere, "other").playbook
    with pytest.raises(PlaybookError, match="unknown playbook own-other"):
        catalogue.by_ref(other.ref)
    catalogue.add(other)
    assert catalogue.by_ref(other.ref) is other


def test_a_refused_document_is_given_out_under_no_name(own: Path) -> None:
    (own / "look.yaml").write_text(READ)
    facts = "{id: own-look, version: '1.0.0', name: Look, description: Look., reviewed: false, fingerprint: %s}"
    change = "{service: ec2, api: TerminateInstances, parameters: {}, projection: {state: $.State}}"
    (own / "look.metadata.yaml").write_text(facts % change)
    ref = read_file(own / "look.yaml", "look").playbook.ref
    catalogue = HostCatalogue(bundled(), OwnFolder(own, bundled().ids))

    assert "own-look" in catalogue.ids
    assert ref not in {playbook.ref for playbook in catalogue.runnable}
    for ask in (lambda: catalogue.get("own-look"), lambda: catalogue.by_ref(ref, override=True)):
        with pytest.raises(PlaybookError, match=r"no runnable version|may not run"):
            ask()
