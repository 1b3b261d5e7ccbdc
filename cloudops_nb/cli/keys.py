"""``cloudops-nb key``: the commands about the store's encryption keys.

The store's *master key* is in a *key source*: the keyring, a key file or an environment variable. *Data keys* are
derived from the master key and encrypt the data; each rotation starts the next *generation* of the data key. A *kept
key* is another master key in a key source, usually an earlier one that old backups still need.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudops_nb.cli.opening import existing_store, opened_storage
from cloudops_nb.errors import ConfigurationError
from cloudops_nb.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.storage.facade import StorageService
    from cloudops_nb.storage.maintenance.unreadable_rows import UnreadableRow

_passphrase_file = click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Read the passphrase from the first line of this file, which only its owner may read.",
)
_drop_unreadable = click.option(
    "--drop-unreadable", is_flag=True, help="First list the rows that cannot be decrypted, and remove them."
)


@click.group()
def key() -> None:
    """The store's encryption key. To open a copy of the store on another machine, export and import the key."""


@key.command()
@click.pass_context
def show(context: click.Context) -> None:
    """Show the key's fingerprint, source and age, and list the kept earlier keys; no key itself is shown."""
    from cloudops_nb.storage.keys.kept_keys import kept_keys
    from cloudops_nb.storage.keys.key_lookup import find_key
    from cloudops_nb.storage.maintenance.data_key_rotation import KEY_ROTATION
    from cloudops_nb.storage.maintenance.rekeyed_journal import REKEY

    settings = load_settings(context.obj)
    header = existing_store(settings)
    with opened_storage(settings) as storage:
        records = storage.journal.records(kind=(REKEY, KEY_ROTATION))
    key_created = next((record.at for record in reversed(records) if record.kind == REKEY), header.created)
    rotated = max((record.at for record in records), default=header.created)
    click.echo(f"fingerprint: {header.key_fingerprint}")
    click.echo(f"source: {find_key(settings, header.key_fingerprint).place.name}")
    click.echo(f"master key: {_age_text(key_created)}")
    click.echo(f"data key: generation {header.data_key_generation}, {_age_text(rotated)}")
    click.echo(f"oldest data key in use: generation {header.oldest_data_key_generation}")
    earlier = [str(record.body["old_fingerprint"]) for record in records if record.kind == REKEY]
    for kept in kept_keys(settings, earlier):
        click.echo(f"kept key: {kept.fingerprint} in {kept.place.name}")


@key.command()
@click.argument("file", type=click.Path(path_type=Path))
@_passphrase_file
@click.pass_context
def export(context: click.Context, file: Path, passphrase_file: Path | None) -> None:
    """Write the key to FILE, encrypted with a passphrase.

    Keep the file, the passphrase and the store in separate places.
    """
    from cloudops_nb.storage.keys.key_export import export_store_key, write_export

    settings = load_settings(context.obj)
    header = existing_store(settings)
    if file.exists():
        raise ConfigurationError(f"{file} already exists", "", "Give the name of a new file.")
    write_export(file, export_store_key(settings, read_passphrase(passphrase_file, confirm=True)))
    click.echo(f"Wrote the key {header.key_fingerprint[:8]}… to {file}. It opens only with the passphrase.")


@key.command(name="import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_passphrase_file
@click.pass_context
def import_(context: click.Context, file: Path, passphrase_file: Path | None) -> None:
    """Save the key of an exported FILE in this machine's keyring or key file; never replace a different key there."""
    from cloudops_nb.storage.keys.key_export import LARGEST_EXPORT
    from cloudops_nb.storage.maintenance.key_import import import_store_key

    settings = load_settings(context.obj)
    try:
        # The user may name any file: bytes that are not UTF-8 are replaced, and the start of a large file suffices to
        # refuse it.
        with file.open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(LARGEST_EXPORT + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}", error.strerror or "") from error
    passphrase = read_passphrase(passphrase_file, confirm=False)
    with opened_storage(settings) as storage:
        place = import_store_key(storage, settings, text, passphrase)
    click.echo(f"The key is in {place.name}.")


@key.command()
@_drop_unreadable
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_context
def rotate(context: click.Context, drop_unreadable: bool, yes: bool) -> None:
    """Encrypt the estate, the conversations and the scan state with a new data key; retire the older data keys.

    The journal's records are not encrypted again, and the older data keys still open them. If the command is
    interrupted, run it again.
    """
    from cloudops_nb.storage.keys.key_succession import finish_succession
    from cloudops_nb.storage.maintenance.data_key_rotation import rotate_data_key

    settings = load_settings(context.obj)
    existing_store(settings)
    with opened_storage(settings) as storage, storage.alone():
        finish_succession(settings)
        report = rotate_data_key(storage, drop=_rows_to_drop(storage, drop=drop_unreadable, yes=yes))
    click.echo(f"Everything except the journal is encrypted with data key generation {report.generation}.")
    if report.continued:
        click.echo("This finished an interrupted rotation.")
    _print_counts(report.resealed)


@key.command()
@_drop_unreadable
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_context
def rekey(context: click.Context, drop_unreadable: bool, yes: bool) -> None:
    """Encrypt the whole store with a new master key; the old master key is kept.

    If the command is interrupted, run it again.
    """
    from cloudops_nb.embedding import open_embedder
    from cloudops_nb.storage.maintenance.master_key_change import rekey as rekey_store

    settings = load_settings(context.obj)
    existing_store(settings)
    if not yes:
        click.echo(
            "Earlier backups open only with the old key, which is kept. Export it first, in case this machine is lost."
        )
        click.confirm("Replace the key?", abort=True)
    with opened_storage(settings) as storage:
        rows = _rows_to_drop(storage, drop=drop_unreadable, yes=yes)
        report = rekey_store(storage, settings, lambda: open_embedder(settings).model_id, drop=rows)
    click.echo(f"The store has the new key {report.fingerprint}. Export it: cloudops-nb key export FILE")
    click.echo(f"The old key {report.old_fingerprint} is kept in {report.old_key_place}.")
    _print_counts(report.rebuilt)


@key.command()
@click.argument("fingerprint")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_context
def remove(context: click.Context, fingerprint: str, yes: bool) -> None:
    """Remove the kept key with this FINGERPRINT for ever; `key show` lists the kept keys.

    The store's current key cannot be removed.
    """
    from cloudops_nb.storage.keys.kept_keys import removable_key, remove_key

    settings = load_settings(context.obj)
    existing_store(settings)
    for kept in removable_key(settings, fingerprint):
        click.echo(f"The key {kept.fingerprint} is in {kept.place.name}.")
    if not yes:
        click.echo("Stores and backups that need this key will not open again, unless you have an export of the key.")
        click.confirm("Remove it?", abort=True)
    for removed in remove_key(settings, fingerprint):
        click.echo(f"Removed the key from {removed.place.name}.")


def _rows_to_drop(storage: StorageService, *, drop: bool, yes: bool) -> list[UnreadableRow]:
    """Print the rows that cannot be decrypted, ask whether to remove them, and return them; none unless ``drop``."""
    from cloudops_nb.storage.maintenance.unreadable_rows import unreadable_rows

    rows = unreadable_rows(storage) if drop else []
    for row in rows:
        click.echo(f"Cannot be decrypted: {row}")
    if rows and not yes:
        click.confirm(f"Remove {len(rows)} rows for ever?", abort=True)
    return rows


def _age_text(since: datetime) -> str:
    return f"{(datetime.now(UTC) - since).days} days old, since {since:%Y-%m-%d}"


def _print_counts(counts: Mapping[str, int]) -> None:
    for name, count in counts.items():
        click.echo(f"  {name}: {count}")


def read_passphrase(file: Path | None, *, confirm: bool) -> str:
    """Return the passphrase of an exported key.

    The passphrase is never a command-line argument, because other processes can read the arguments.

    Args:
        file: The file whose first line is the passphrase; if ``None``, the user types the passphrase at the terminal.
        confirm: Whether the user has to type the passphrase twice; has no effect with a file.

    Raises:
        ConfigurationError: The file cannot be read or is readable for others, or there is neither file nor terminal.
    """
    if file is None:
        # Without a terminal, the passphrase would be echoed, and a script would wait for input for ever.
        if not sys.stdin.isatty():
            why = "standard input is not a terminal"
            raise ConfigurationError("cannot ask for the passphrase", why, "Give --passphrase-file FILE.")
        typed: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm)
        return typed
    from cloudops_nb.storage.files.private_files import open_to_others

    try:
        with file.open(encoding="utf-8") as stream:
            # Check the opened file instead of the path, because the path could name a different file by now.
            if open_to_others(os.fstat(stream.fileno())):
                fix = f"Run: chmod 600 {file}"
                raise ConfigurationError(f"{file} is not private", "its mode allows others to read it", fix)
            return stream.readline().rstrip("\r\n")
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}", error.strerror or "") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"cannot read {file}", "it is not UTF-8 text") from error
