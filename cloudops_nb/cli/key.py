"""``cloudops-nb key``: the store's encryption key — shown, exported, imported, rotated and replaced."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudops_nb.errors import ConfigurationError, KeyMissingError
from cloudops_nb.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.service import StorageService
    from cloudops_nb.storage.store_file import StoreHeader

_passphrase_file = click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Read the passphrase from a file's first line; only its owner may read the file.",
)


@click.group()
def key() -> None:
    """The store's encryption key: look after it, and the store opens anywhere."""


@key.command()
@click.pass_context
def show(context: click.Context) -> None:
    """Show where the key is and how old it is; never the key itself."""
    from cloudops_nb.storage.keys.loading import find_key
    from cloudops_nb.storage.maintenance.data_key_rotation import KEY_ROTATION
    from cloudops_nb.storage.maintenance.journal_rekeying import REKEY

    settings = load_settings(context.obj)
    header = _existing(settings)
    with _storage(settings) as storage:
        records = storage.journal.records(kind=(REKEY, KEY_ROTATION))
    made = next((record.at for record in reversed(records) if record.kind == REKEY), header.created)
    rotated = max((record.at for record in records), default=header.created)
    click.echo(f"fingerprint: {header.key_fingerprint}")
    click.echo(f"source: {find_key(settings, header.key_fingerprint).place.name}")
    click.echo(f"master key: {_age(made)}")
    click.echo(f"data key: generation {header.data_key_generation}, {_age(rotated)}")
    click.echo(f"oldest data key in use: generation {header.oldest_data_key_generation}")


@key.command()
@click.argument("file", type=click.Path(path_type=Path))
@_passphrase_file
@click.pass_context
def export(context: click.Context, file: Path, passphrase_file: Path | None) -> None:
    """Write the key to FILE, encrypted under a passphrase; keep both, apart from the store and from each other."""
    from cloudops_nb.storage.keys.export import export_store_key

    settings = load_settings(context.obj)
    header = _existing(settings)
    if file.exists():
        raise ConfigurationError(f"{file} exists already", "", "Name a new file.")
    text = export_store_key(settings, _passphrase(passphrase_file, confirm=True))
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}", error.strerror or "") from error
    click.echo(f"Wrote the key {header.key_fingerprint[:8]}… to {file}. It opens with the passphrase only.")


@key.command(name="import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_passphrase_file
@click.pass_context
def import_(context: click.Context, file: Path, passphrase_file: Path | None) -> None:
    """Take the key of an exported FILE into this machine's key source; another key is never replaced."""
    from cloudops_nb.storage.keys.export import LARGEST_EXPORT, import_key

    settings = load_settings(context.obj)
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(LARGEST_EXPORT + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}", error.strerror or "") from error
    place = import_key(settings, text, _passphrase(passphrase_file, confirm=False))
    click.echo(f"The key is in {place.name}.")


@key.command()
@click.pass_context
def rotate(context: click.Context) -> None:
    """Encrypt everything under a new data key and retire the older ones; run it again if it was cut short."""
    from cloudops_nb.storage.keys.succession import finish_succession
    from cloudops_nb.storage.maintenance.data_key_rotation import rotate_data_key

    settings = load_settings(context.obj)
    _existing(settings)
    with _storage(settings) as storage, storage.alone():
        finish_succession(settings)
        report = rotate_data_key(storage)
    finished = ", finishing the rotation that was cut short" if report.continued else ""
    click.echo(f"Everything is encrypted under data key generation {report.generation}{finished}.")
    _print_counts(report.resealed)


@key.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def rekey(context: click.Context, yes: bool) -> None:
    """Take the whole store to a new master key; run it again if it was cut short."""
    from cloudops_nb.embedding import open_embedder
    from cloudops_nb.storage.maintenance.rekeying import rekey as take_to_new_key

    settings = load_settings(context.obj)
    _existing(settings)
    if not yes:
        click.echo("Backups made before open with the old key only: export it first if you may need them.")
        click.confirm("Replace the key?", abort=True)
    with _storage(settings) as storage:
        report = take_to_new_key(storage, settings, lambda: open_embedder(settings).model_id)
    click.echo(f"The store has the new key {report.fingerprint}. Export it: cloudops-nb key export FILE")
    if report.old_key_kept_because:
        click.echo(f"The old key was kept beside it: {report.old_key_kept_because}.")
    _print_counts(report.rebuilt)


def _storage(settings: Settings) -> StorageService:
    from cloudops_nb.embedding import open_embedder
    from cloudops_nb.storage.service import StorageService

    return StorageService(settings, lambda: open_embedder(settings))


def _existing(settings: Settings) -> StoreHeader:
    """Return the header of the store; no command here makes one.

    Raises:
        KeyMissingError: There is no store in the data path.
    """
    from cloudops_nb.storage.store_file import StoreFile

    header = StoreFile(settings.data_path).read()
    if header is None:
        raise KeyMissingError(f"there is no store in {settings.data_path}", "", "Scan first, or give --data-path.")
    return header


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    if file is None:
        typed: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm)
        return typed
    from cloudops_nb.storage.private_files import open_to_others

    try:
        with file.open(encoding="utf-8") as stream:
            if open_to_others(os.fstat(stream.fileno())):
                fix = f"Run: chmod 600 {file}"
                raise ConfigurationError(f"{file} is not private", "its mode lets others read it", fix)
            return stream.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {file}", type(error).__name__) from error


def _age(since: datetime) -> str:
    return f"{(datetime.now(UTC) - since).days} days old, since {since:%Y-%m-%d}"


def _print_counts(counts: Mapping[str, int]) -> None:
    for name, count in counts.items():
        click.echo(f"  {name}: {count}")
