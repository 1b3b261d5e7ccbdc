"""Opens the store or the client for a command; only some commands, such as ``scan``, may create a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.errors import InitialisationError, StoreCorruptedError
from cloudops_nb.settings import load_settings

if TYPE_CHECKING:
    import click

    from cloudops_nb import CloudOps
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.facade import StorageService
    from cloudops_nb.storage.files.store_file import StoreHeader


def existing_store(settings: Settings) -> StoreHeader:
    """Return the header of the store in the data path, which is the content of ``store.json``.

    Raises:
        InitialisationError: There is no store.
        StoreCorruptedError: ``store.json`` is damaged, or it is missing although the folder has a store's data.
    """
    from cloudops_nb.storage.files.store_file import StoreFile, starting_over_advice

    store_file = StoreFile(settings.data_path)
    header = store_file.read()
    if header is not None:
        return header
    if store_file.has_data():
        what, why = f"cannot open the store in {settings.data_path}", "its store.json is missing"
        raise StoreCorruptedError(what, why, starting_over_advice(settings.data_path))
    raise InitialisationError(f"there is no store in {settings.data_path}", "", "Scan first, or give --data-path.")


def opened_storage(settings: Settings) -> StorageService:
    """Return the storage service for the settings; the service opens each part of the store at its first use."""
    from cloudops_nb.embedding import open_embedder
    from cloudops_nb.storage.facade import StorageService

    return StorageService(settings, lambda: open_embedder(settings))


def existing_storage(context: click.Context) -> StorageService:
    """Return the storage service of an existing store; the service is closed when the command ends."""
    settings = load_settings(context.obj)
    existing_store(settings)
    return context.with_resource(opened_storage(settings))


def opened_client(context: click.Context, *, new: bool = False) -> CloudOps:
    """Return ``CloudOps`` for an existing store; with ``new``, a missing store is created.

    The client is closed when the command ends.
    """
    from cloudops_nb import CloudOps

    if not new:
        existing_store(load_settings(context.obj))
    return context.with_resource(CloudOps(context.obj))
