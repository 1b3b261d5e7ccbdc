"""A data path on a network file system, by tables of mounts as the systems give them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import InitialisationError
from cloudops_nb.storage.files import network_file_systems
from cloudops_nb.storage.files.network_file_systems import Mount, file_system_of, refuse_network_file_system
from cloudops_nb.storage.opening.vault_opening import open_vault

if TYPE_CHECKING:
    from cloudops_nb.settings import Settings

pytestmark = pytest.mark.fast

LOCAL = [Mount("/", "ext4"), Mount("/proc", "proc"), Mount("/home", "xfs")]


@pytest.mark.parametrize(
    "fstype",
    ["nfs", "nfs4", "NFS", "cifs", "smb3", "smbfs", "afpfs", "fuse.sshfs", "fuse.glusterfs", "ceph", "fuse.ceph",
     "lustre", "afs", "beegfs", "fuse.s3fs", "fuse.rclone", "webdav"],
)  # fmt: skip
def test_a_network_file_system_is_refused_by_name(fstype: str) -> None:
    mounts = [*LOCAL, Mount("/home/team", fstype)]

    with pytest.raises(InitialisationError, match=r"/home/team is a network file system .* on a local disk"):
        refuse_network_file_system(Path("/home/team/ada/store"), mounts)


@pytest.mark.parametrize(
    "fstype", ["ext4", "xfs", "btrfs", "zfs", "apfs", "overlay", "tmpfs", "9p", "fuse.unknown", ""]
)
def test_a_local_or_unknown_file_system_passes(fstype: str) -> None:
    refuse_network_file_system(Path("/home/team/ada/store"), [*LOCAL, Mount("/home/team", fstype)])


def test_the_longest_mount_decides() -> None:
    mounts = [Mount("/", "nfs4"), Mount("/var/lib/docker", "overlay"), Mount("/home", "ext4")]

    refuse_network_file_system(Path("/home/ada/store"), mounts)
    with pytest.raises(InitialisationError):
        refuse_network_file_system(Path("/srv/store"), mounts)


def test_a_mount_is_a_folder_and_not_the_beginning_of_a_name() -> None:
    refuse_network_file_system(Path("/home-of-ada/store"), [Mount("/", "ext4"), Mount("/home", "nfs")])


def test_the_later_of_two_mounts_at_one_place_counts() -> None:
    mounts = [Mount("/", "ext4"), Mount("/data", "autofs"), Mount("/data", "nfs4")]

    assert file_system_of(Path("/data/store"), mounts) == Mount("/data", "nfs4")


def test_a_link_is_followed_to_where_the_data_would_lie(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "share")

    with pytest.raises(InitialisationError):
        refuse_network_file_system(
            tmp_path / "store" / "new", [Mount("/", "ext4"), Mount(str(tmp_path / "share"), "nfs")]
        )


def test_without_a_known_mount_everything_passes() -> None:
    refuse_network_file_system(Path("/home/ada/store"), [])


def test_no_store_is_made_on_one(key_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_file_systems, "_system_mounts", lambda: [Mount("/", "nfs4")])

    with pytest.raises(InitialisationError, match="network file system"):
        open_vault(key_settings)
    assert not key_settings.data_path.exists()


def test_this_machines_own_mounts_are_read(tmp_path: Path) -> None:
    refuse_network_file_system(tmp_path)
