"""Describes where a store's collections are, and writes this location to ``config.toml`` without other changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit
from pydantic import BaseModel, ConfigDict
from tomlkit.exceptions import TOMLKitError

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.settings import Settings
from cloudops_nb.storage.engines.choice import Engine, engine_name
from cloudops_nb.storage.files.private_files import replace_private

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path

CONFIG_NAME = "config.toml"
_TABLE = "qdrant"
_DEFAULT_PREFIX = Settings.model_fields["qdrant_prefix"].default


class EngineLocation(BaseModel):
    """The Qdrant engine of a store's collections; for a server, also its address and the prefix of their names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Engine
    url: str = ""
    prefix: str = ""

    @classmethod
    def of(cls, settings: Settings) -> EngineLocation:
        """Return the location that the settings name."""
        if not settings.remote:
            return cls(engine="embedded")
        return cls(engine=engine_name(settings), url=settings.qdrant_url, prefix=settings.qdrant_prefix)

    def within(self, settings: Settings) -> Settings:
        """Return a copy of the settings that names this location."""
        changes: dict[str, Any] = {"qdrant_mode": self.engine, "qdrant_url": self.url}
        if self.engine == "remote":
            changes["qdrant_prefix"] = self.prefix
        return settings.model_copy(update=changes)

    def __str__(self) -> str:
        return f"the Qdrant server {self.url}" if self.engine == "remote" else "this host"


def write_location(data_path: Path, location: EngineLocation) -> None:
    """Write a location to ``config.toml``; comments and other settings stay, and the file gets mode 0600.

    Raises:
        ConfigurationError: The file cannot be read or written.
    """
    path = (data_path / CONFIG_NAME).resolve()
    try:
        document = tomlkit.parse(path.read_text("utf-8")) if path.exists() else tomlkit.document()
        _set_keys(document, location)
        replace_private(path, tomlkit.dumps(document).encode())
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        why = getattr(error, "strerror", "") or type(error).__name__
        fix = f"Set qdrant_url to {location.url!r} in this file."
        raise ConfigurationError(f"cannot change {path}", why, fix) from error


def _set_keys(document: tomlkit.TOMLDocument, location: EngineLocation) -> None:
    """Set the keys of a location in the parsed file.

    The file may spell a key in two ways: ``qdrant_url`` at the top level, or ``url`` in the table ``[qdrant]``. A key
    that is at the top level stays there; every other key is set in the table. The mode and the default prefix are
    written only if the file has these keys already. An embedded location has no URL, so the key of the URL is removed.
    """
    present = {key for key in ("mode", "prefix") if f"{_TABLE}_{key}" in document or key in document.get(_TABLE, {})}
    changes = {"url": location.url or None}
    if location.engine == "remote" and ("prefix" in present or location.prefix != _DEFAULT_PREFIX):
        changes["prefix"] = location.prefix
    if "mode" in present:
        changes["mode"] = location.engine
    for key, value in changes.items():
        table: MutableMapping[str, Any] = document
        name = f"{_TABLE}_{key}"
        if name not in document:
            if _TABLE not in document and value is None:
                continue
            table, name = document.setdefault(_TABLE, tomlkit.table()), key
        if value is None:
            table.pop(name, None)
        else:
            table[name] = value
