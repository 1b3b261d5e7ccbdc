"""Replaces a live shard (the folder of one collection) with its staged shard.

The staged shard is a second folder, which was filled to take the place of the live one. The replacement consists of two
renames. If the process is killed between them, the next opening of the shard completes the replacement.
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
    live, staged, replaced = folder / name, folder / staged_name(name), _replaced(folder, name)
    if staged.exists():
        if live.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            live.rename(replaced)
        staged.rename(live)
        sync_folder(folder)
    shutil.rmtree(replaced, ignore_errors=True)


def finish_adoption(folder: Path, name: str) -> None:
    """Complete a replacement if the process was killed between its two renames, so that no live shard exists."""
    live, staged = folder / name, folder / staged_name(name)
    if not live.exists() and _replaced(folder, name).exists() and staged.exists():
        adopt_staged(folder, name)


def remove_staged(folder: Path, name: str) -> None:
    """Remove the folder of a staged shard, if it exists; the shard must be closed."""
    staged = folder / staged_name(name)
    if staged.exists():
        shutil.rmtree(staged)


def _replaced(folder: Path, name: str) -> Path:
    return folder / f"{name}.replaced"
