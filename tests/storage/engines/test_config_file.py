"""Writing a place into ``config.toml``: wherever its keys stand, what is loaded afterwards names the place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.settings import load_settings
from cloudops_nb.storage.engines.config_file import EngineLocation, write_location

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast

URL = "https://qdrant.example.com"
HERE, THERE = EngineLocation(engine="embedded"), EngineLocation(engine="remote", url=URL, prefix="team_")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "regions = ['eu-west-1']\n[[accounts]]\nname = 'prod'\n",
        "qdrant_mode = 'embedded'\n[key]\nsource = 'file'\n",
        "qdrant_url = 'https://other.example.com'\nqdrant_prefix = 'p'\n",
        "qdrant = {mode = 'remote', url = 'https://other.example.com'}\n",
        "qdrant.idle_seconds = 4.0\n",
        "[qdrant]\nmode = 'remote'\nurl = 'https://other.example.com' # old\n",
    ],
)
def test_what_is_loaded_afterwards_names_the_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    before = load_settings(tmp_path, environment={})
    for place in (THERE, HERE, THERE, HERE):
        write_location(tmp_path, place)
        after = load_settings(tmp_path, environment={})
        assert EngineLocation.of(after) == place
        named = {"qdrant_mode", "qdrant_url", "qdrant_prefix"}
        assert after.model_dump(exclude=named) == before.model_dump(exclude=named)


def test_a_store_without_a_configuration_gets_none_for_what_is_usual(tmp_path: Path) -> None:
    write_location(tmp_path, HERE)
    assert (tmp_path / "config.toml").read_text() == ""


def test_a_configuration_that_cannot_be_read_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("regions = [")
    with pytest.raises(ConfigurationError, match="cannot change"):
        write_location(tmp_path, THERE)
    assert (tmp_path / "config.toml").read_text() == "regions = ["
