"""Replaces a live shard (the folder of one collection) with its staged shard, or with a rebuilt one.

The staged shard is a second folder, which maintenance has filled to take the place of the live one. The rebuilt shard
is a folder, too, which the owner process has filled with the points of a damaged live shard. The replacement consists
of two renames. If the process is killed between them, the next opening of the shard completes the replacement.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from cloudops_nb.storage.engines.schema import staged_name
from cloudops_nb.storage.files.private_files import sync_folder

if TYPE_CHECKING:
    from pathlib import Path


def adopt_staged(folder: Path, name: str) -> None:
    """Make the staged shard the live one, and remove the replaced shard.

    If there is no staged shard, this only removes the replaced shard that an interrupted call may have left. The live
    and the staged shard must be closed. When this returns, the replacement is synced to disk.
    """
    _replace_live(folder, name, folder / staged_name(name))


def adopt_rebuilt(folder: Path, name: str) -> None:
    """Make the rebuilt shard the live one, as :func:`adopt_staged` does with the staged shard."""
    _replace_live(folder, name, rebuilt_folder(folder, name))


def finish_adoption(folder: Path, name: str) -> None:
    """Complete a replacement if the process was killed during it, and remove what a killed process has left.

    If it was killed between the two renames, no live shard exists. A rebuilt shard beside a live one is incomplete, and
    a replaced one is of no use. No shard is rebuilt while a staged one exists, so the staged one goes first.
    """
    live, staged, replaced = folder / name, folder / staged_name(name), _replaced(folder, name)
    new = staged if staged.exists() else rebuilt_folder(folder, name)
    if not live.exists() and replaced.exists() and new.exists():
        _replace_live(folder, name, new)
    if live.exists() and replaced.exists():
        sync_folder(folder)
        shutil.rmtree(replaced, ignore_errors=True)
    remove_rebuilt(folder, name)


def rebuilt_folder(folder: Path, name: str) -> Path:
    """Return the folder in which a shard is rebuilt."""
    return folder / f"{name}.rebuilt"


def remove_rebuilt(folder: Path, name: str) -> None:
    """Remove the folder of a rebuilt shard, if it exists; the shard must be closed."""
    rebuilt = rebuilt_folder(folder, name)
    if rebuilt.exists():
        shutil.rmtree(rebuilt)


def remove_staged(folder: Path, name: str) -> None:
    """Remove the folder of a staged shard, if it exists; the shard must be closed."""
    staged = folder / staged_name(name)
    if staged.exists():
        shutil.rmtree(staged)


def _replace_live(folder: Path, name: str, new: Path) -> None:
    live, replaced = folder / name, _replaced(folder, name)
    if new.exists():
        if live.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            live.rename(replaced)
        new.rename(live)
        sync_folder(folder)
    shutil.rmtree(replaced, ignore_errors=True)


def _replaced(folder: Path, name: str) -> Path:
    return folder / f"{name}.replaced"
