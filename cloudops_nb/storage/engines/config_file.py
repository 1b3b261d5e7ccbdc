"""The location of a store's collections, and writing it to ``config.toml`` without other changes to the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit
from pydantic import BaseModel, ConfigDict
from tomlkit.exceptions import TOMLKitError

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.settings import Settings
from cloudops_nb.storage.engines.choice import Engine, engine_of
from cloudops_nb.storage.files.private_files import replace_private

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path

CONFIG_NAME = "config.toml"
_TABLE = "qdrant"
_USUAL_PREFIX = Settings.model_fields["qdrant_prefix"].default


class EngineLocation(BaseModel):
    """The engine that holds collections and, for a server, its address and the prefix of the collections' names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Engine
    url: str = ""
    prefix: str = ""

    @classmethod
    def of(cls, settings: Settings) -> EngineLocation:
        """Return the location that settings name."""
        if not settings.remote:
            return cls(engine="embedded")
        return cls(engine=engine_of(settings), url=settings.qdrant_url, prefix=settings.qdrant_prefix)

    def within(self, settings: Settings) -> Settings:
        """Return the settings, changed to name this location."""
        named: dict[str, Any] = {"qdrant_mode": self.engine, "qdrant_url": self.url}
        if self.engine == "remote":
            named["qdrant_prefix"] = self.prefix
        return settings.model_copy(update=named)

    def __str__(self) -> str:
        return f"the Qdrant server {self.url}" if self.engine == "remote" else "this host"


def write_location(data_path: Path, location: EngineLocation) -> None:
    """Write a location to ``config.toml``; comments and other settings stay, the mode is 0600.

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
        raise ConfigurationError(f"cannot change {path}", why, f"Set qdrant_url there to {location.url!r}.") from error


def _set_keys(document: tomlkit.TOMLDocument, location: EngineLocation) -> None:
    """Set each key where the file has it, as ``qdrant_url`` or in ``[qdrant]``, and new keys in the table."""
    present = {key for key in ("mode", "prefix") if f"{_TABLE}_{key}" in document or key in document.get(_TABLE, {})}
    wanted = {"url": location.url or None}
    if location.engine == "remote" and ("prefix" in present or location.prefix != _USUAL_PREFIX):
        wanted["prefix"] = location.prefix
    if "mode" in present:
        wanted["mode"] = location.engine
    for key, value in wanted.items():
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
