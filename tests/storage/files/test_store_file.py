from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloudops_nb.errors import InitialisationError, StoreCorruptedError
from cloudops_nb.storage.files.store_file import StoreFile, StoreHeader, prepare_data_path

pytestmark = pytest.mark.fast

HEADER = StoreHeader(created=datetime(2026, 1, 2, tzinfo=UTC), key_fingerprint="ab" * 16, data_key_generation=3)


@pytest.fixture
def store_file(tmp_path: Path) -> StoreFile:
    return StoreFile(tmp_path)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_has_no_header_and_no_data(store_file: StoreFile) -> None:
    assert store_file.read() is None
    assert not store_file.has_data()


def test_a_header_reads_back_and_is_private(store_file: StoreFile) -> None:
    store_file.write(HEADER)

    assert store_file.read() == HEADER
    assert store_file.has_data()
    assert mode(store_file.path) == 0o600
    assert os.listdir(store_file.data_path) == ["store.json"]  # noqa: PTH208 - no temporary file is left


@pytest.mark.parametrize("name", ["journal.db", "qdrant/aws_estate", "store.json"])
def test_each_part_of_a_store_counts_as_data(store_file: StoreFile, name: str) -> None:
    (store_file.data_path / name).mkdir(parents=True)

    assert store_file.has_data()


def test_an_owner_process_without_a_shard_is_no_data(store_file: StoreFile) -> None:
    (store_file.data_path / "qdrant").mkdir()
    (store_file.data_path / "qdrant" / "owner.lock").touch()

    assert not store_file.has_data()


@pytest.mark.parametrize(
    "change",
    [
        {"format": 0},
        {"format": "one"},
        {"key_fingerprint": "short"},
        {"data_key_generation": 0},
        {"created": "yesterday"},
        {"surprise": 1},
    ],
)
def test_a_changed_header_is_damaged(store_file: StoreFile, change: dict[str, object]) -> None:
    content = {**json.loads(HEADER.model_dump_json()), **change}
    store_file.path.write_text(json.dumps(content))

    with pytest.raises(StoreCorruptedError, match="then run: cloudops-nb backup restore"):
        store_file.read()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": 1}'])
def test_what_is_no_header_is_damaged(store_file: StoreFile, content: bytes) -> None:
    store_file.path.write_bytes(content)

    with pytest.raises(StoreCorruptedError) as caught:
        store_file.read()
    assert "\n" not in str(caught.value)


def test_a_newer_store_is_refused_whatever_else_it_says(store_file: StoreFile) -> None:
    store_file.path.write_text('{"format": 999, "unheard": "of"}')

    with pytest.raises(InitialisationError, match=r"its format is 999.*supports up to \d+. Upgrade cloudops-nb"):
        store_file.read()


def test_a_header_that_cannot_be_read_or_written_is_an_error(store_file: StoreFile) -> None:
    store_file.path.mkdir()

    with pytest.raises(InitialisationError, match="cannot read"):
        store_file.read()
    with pytest.raises(InitialisationError, match="cannot write"):
        store_file.write(HEADER)
    assert len(list(store_file.data_path.iterdir())) == 1


def test_a_new_data_path_is_private_with_its_parents_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store"
    prepare_data_path(path)
    prepare_data_path(path)

    assert mode(path) == 0o700


def test_a_file_is_no_data_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InitialisationError, match="it is not a folder"):
        prepare_data_path(tmp_path / "file")
    with pytest.raises(InitialisationError, match="Not a directory"):
        prepare_data_path(tmp_path / "file" / "store")


def test_a_folder_that_everybody_can_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    with pytest.raises(InitialisationError, match="every user can write to it"):
        prepare_data_path(tmp_path)


def test_another_users_folder_is_refused(tmp_path: Path) -> None:
    folder = Path("/usr")
    if os.geteuid() == 0:
        folder = tmp_path
        os.chown(folder, 65534, 65534)

    with pytest.raises(InitialisationError, match="it belongs to another user"):
        prepare_data_path(folder)


def test_a_folder_without_write_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write anywhere, so the kernel's answer is given instead.
    monkeypatch.setattr(os, "access", lambda path, wanted: not wanted & os.W_OK)

    with pytest.raises(InitialisationError, match="it is not writable"):
        prepare_data_path(tmp_path)


def test_a_store_without_an_id_gets_one_and_keeps_it(store_file: StoreFile) -> None:
    assert store_file.identify() == ""
    store_file.write(HEADER)
    given = store_file.identify()

    assert len(given) == 32
    assert store_file.identify() == given
    assert store_file.read() == HEADER.model_copy(update={"store_id": given})


@pytest.mark.parametrize("bit", range(8))
def test_no_flipped_bit_goes_unnoticed(store_file: StoreFile, bit: int) -> None:
    """A generation, a format or an id that is one bit off would otherwise be used."""
    store_file.write(HEADER)
    content = store_file.path.read_bytes()
    for offset in range(len(content)):
        damaged = bytearray(content)
        damaged[offset] ^= 1 << bit
        store_file.path.write_bytes(damaged)
        try:
            header = store_file.read()
        except (StoreCorruptedError, InitialisationError):  # a format of a newer version
            continue
        assert header == HEADER  # a blank that is another kind of blank


def test_a_header_without_a_checksum_is_read(store_file: StoreFile) -> None:
    content = json.loads(HEADER.file_content())
    del content["checksum"]
    store_file.path.write_text(json.dumps(content))
    assert store_file.read() == HEADER
