"""Putting the folder of a staged shard in the place of the live one, so that a kill in between is mended."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from cloudops_nb.storage.engines.schema import staged_name
from cloudops_nb.storage.files.private_files import sync_folder

if TYPE_CHECKING:
    from pathlib import Path


def adopt_staged(folder: Path, name: str) -> None:
    """Make the staged shard the live one, and remove the one that it replaces; without a staged one only the latter.

    Both shards are closed. Durable when this returns.
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
    """Mend what a kill between the two renames left: the old shard set aside, the staged one not yet in its place."""
    live, staged = folder / name, folder / staged_name(name)
    if not live.exists() and _replaced(folder, name).exists() and staged.exists():
        adopt_staged(folder, name)


def remove_staged(folder: Path, name: str) -> None:
    """Remove the folder of a staged shard, if there is one; the shard is closed."""
    staged = folder / staged_name(name)
    if staged.exists():
        shutil.rmtree(staged)


def _replaced(folder: Path, name: str) -> Path:
    return folder / f"{name}.replaced"
