from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.catalogue import Catalogue, Playbook, content_hash

pytestmark = pytest.mark.fast


def release(folder, version: str, *, lifecycle: str = "active") -> None:
    """Add a version of ``rds-stop``."""
    source, place = folder / "rds/rds-stop/1.0.0", folder / f"rds/rds-stop/{version}"
    shutil.copytree(source, place)
    text = (place / "metadata.yaml").read_text()
    text = text.replace("'1.0.0'", f"'{version}'").replace("lifecycle: active", f"lifecycle: {lifecycle}")
    (place / "metadata.yaml").write_text(text)


def test_the_bundled_catalogue_is_read_once_and_equals_its_folder(playbooks):
    bundled = Catalogue.bundled()

    assert Catalogue.bundled() is bundled
    assert [each.ref for each in bundled.playbooks] == [each.ref for each in Catalogue.from_folder(playbooks).playbooks]


def test_the_newest_runnable_version_is_found_by_number_and_not_by_text(folder):
    for version in ("1.2.0", "1.10.0"):
        release(folder, version)
    release(folder, "2.0.0", lifecycle="pending_review")
    catalogue = Catalogue.from_folder(folder)

    assert catalogue.get("rds-stop").ref.version == "1.10.0"
    assert [p.ref.version for p in catalogue.playbooks if p.ref.id == "rds-stop"] == [
        "1.0.0",
        "1.2.0",
        "1.10.0",
        "2.0.0",
    ]
    assert [p.ref.version for p in catalogue.runnable if p.ref.id == "rds-stop"] == ["1.10.0"]
    assert catalogue.get("rds-stop", "1.2.0").ref.version == "1.2.0"


def test_a_version_that_may_not_run_needs_an_override(folder):
    release(folder, "2.0.0", lifecycle="broken")
    catalogue = Catalogue.from_folder(folder)

    with pytest.raises(PlaybookError, match="may not run: it is broken: known to fail"):
        catalogue.get("rds-stop", "2.0.0")
    playbook = catalogue.get("rds-stop", "2.0.0", override=True)
    with pytest.raises(PlaybookError, match="may not run"):
        catalogue.by_ref(playbook.ref)
    assert catalogue.by_ref(playbook.ref, override=True) is playbook


def test_a_playbook_without_a_runnable_version_is_not_offered(folder):
    metadata = folder / "rds/rds-stop/1.0.0/metadata.yaml"
    metadata.write_text(metadata.read_text().replace("lifecycle: active", "lifecycle: rejected"))
    catalogue = Catalogue.from_folder(folder)

    assert "rds-stop" not in [playbook.ref.id for playbook in catalogue.runnable]
    with pytest.raises(PlaybookError, match="rds-stop has no runnable version"):
        catalogue.get("rds-stop")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (("rds-stopp",), "unknown playbook rds-stopp: did you mean rds-stop"),
        (("zzz",), "unknown playbook zzz: the playbooks are ec2-reboot, ec2-start"),
        (("rds-stop", "9.9.9"), "rds-stop has no version 9.9.9: it has 1.0.0"),
    ],
)
def test_what_does_not_exist_is_an_error_that_helps(ask, message):
    with pytest.raises(PlaybookError, match=message):
        Catalogue.bundled().get(*ask)


def test_a_reference_with_another_hash_is_refused():
    playbook = Catalogue.bundled().get("rds-stop")

    assert Catalogue.bundled().by_ref(playbook.ref) is playbook
    with pytest.raises(PlaybookError, match="has another content here"):
        Catalogue.bundled().by_ref(replace(playbook.ref, sha256="0" * 64))


def test_types_for_an_intent_are_those_of_its_playbooks():
    assert Catalogue.bundled().types_for("stop") == {"ec2_instance", "rds_instance"}
    assert Catalogue.bundled().types_for("snapshot") == {"rds_instance"}
    assert Catalogue.bundled().types_for("dance") == frozenset()


def test_the_hash_covers_every_byte_of_both_files_but_not_the_kind_of_line_end(runbook, metadata):
    digest = content_hash(runbook, metadata)

    assert content_hash(runbook.replace("\n", "\r\n"), metadata.replace("\n", "\r\n")) == digest
    assert content_hash(runbook + " ", metadata) != digest
    assert content_hash(runbook, metadata + " ") != digest
    assert content_hash(runbook + metadata[:1], metadata[1:]) != digest
    assert content_hash(metadata, runbook) != digest


def test_a_playbook_in_the_wrong_folder_is_refused(folder):
    (folder / "rds/rds-stop/1.0.0").rename(folder / "rds/rds-stop/1.0.1")

    with pytest.raises(PlaybookError, match=r"rds/rds-stop/1\.0\.1 is in the wrong folder: .* rds-stop 1\.0\.0"):
        Catalogue.from_folder(folder)


def test_a_playbook_without_one_of_its_files_is_refused(folder):
    (folder / "rds/rds-stop/1.0.0/metadata.yaml").unlink()

    with pytest.raises(PlaybookError, match=r"playbook rds/rds-stop/1\.0\.0 cannot be read"):
        Catalogue.from_folder(folder)


def test_the_same_version_twice_is_refused():
    playbook = Catalogue.bundled().get("rds-stop")

    with pytest.raises(PlaybookError, match="exists twice"):
        Catalogue([playbook, playbook])


def test_a_playbook_from_texts_is_checked_against_the_grammar(runbook, metadata):
    assert Playbook.from_texts(runbook, metadata, "sent").ref == Catalogue.bundled().get("rds-stop").ref
    with pytest.raises(PlaybookError, match=r"sent/runbook\.yaml is not valid: 1:1 schemaVersion"):
        Playbook.from_texts(runbook.replace("'0.3'", "'2.2'"), metadata, "sent")


def test_an_empty_folder_is_an_empty_catalogue(tmp_path):
    assert Catalogue.from_folder(tmp_path).playbooks == ()


def test_what_the_linter_refuses_never_runs_and_is_not_offered():
    stop, start = (Catalogue.bundled().get(name) for name in ("rds-stop", "rds-start"))
    catalogue = Catalogue([stop, start], {stop.ref: "quality 0 of 100"})

    assert catalogue.runnable == (start,)
    assert catalogue.types_for("stop") == frozenset()
    for override in (False, True):
        with pytest.raises(PlaybookError, match=r"rds-stop 1\.0\.0 may not run: quality 0 of 100"):
            catalogue.get("rds-stop", "1.0.0", override=override)
    with pytest.raises(PlaybookError, match="no runnable version"):
        catalogue.get("rds-stop")
