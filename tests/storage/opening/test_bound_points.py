"""A store of format 3, whose envelopes are not bound to the blind values of their points, and its upgrade."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import KeyMissingError
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import Patch
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.files.store_file import StoreFile
from tests.embedders import no_embedder
from tests.storage.conftest import header_of
from tests.storage.filled_store import fill, kept_in
from tests.storage.format_2_points import write_as_format_3

if TYPE_CHECKING:
    from cloudops_nb.settings import Settings


@pytest.fixture
def format_3(storage: StorageService, key_settings: Settings) -> dict[str, Any]:
    """A full store of format 3; returns what it holds."""
    fill(storage)
    kept = kept_in(storage)
    write_as_format_3(storage, "scan-1")
    _close_as_format_3(storage, key_settings)
    return kept


def _close_as_format_3(storage: StorageService, settings: Settings) -> None:
    storage.close()
    store_file = StoreFile(settings.data_path)
    header = header_of(store_file).model_dump(mode="json") | {"format": 3}
    store_file.path.write_text(json.dumps(header))


def test_the_upgrade_keeps_what_the_store_holds(format_3: dict[str, Any], storage: StorageService) -> None:
    assert kept_in(storage) == format_3
    (first, *_) = format_3["resources"]
    assert storage.estate.lookup(first.identifier) == [first]
    assert storage.estate.upsert(format_3["resources"], scan_id="scan-2").unchanged == len(format_3["resources"])


def test_blind_values_that_were_swapped_before_are_right_after_it(
    format_3: dict[str, Any], storage: StorageService, key_settings: Settings
) -> None:
    first, second, *_ = storage.vector_store.points(AWS_ESTATE.name)
    write_as_format_3(storage, "scan-1")
    one, other, *_ = storage.vector_store.points(AWS_ESTATE.name)
    swapped = [(one.id, other), (other.id, one)]
    patches = [Patch([to], {name: of.payload[name] for name in ("groups", "marks")}) for to, of in swapped]
    storage.vector_store.patch(AWS_ESTATE.name, patches)
    _close_as_format_3(storage, key_settings)

    assert kept_in(storage) == format_3
    upgraded = {point.id: point for point in storage.vector_store.points(AWS_ESTATE.name)}
    assert upgraded[first.id].payload["marks"] == first.payload["marks"]
    assert upgraded[second.id].payload["groups"] == second.payload["groups"]


def test_a_damaged_row_does_not_keep_the_store_from_being_upgraded(
    storage: StorageService, key_settings: Settings
) -> None:
    fill(storage)
    resources = kept_in(storage)["resources"]
    write_as_format_3(storage, "scan-1")
    (point, *_) = storage.vector_store.points(AWS_ESTATE.name)
    storage.vector_store.patch(AWS_ESTATE.name, [Patch([point.id], {"data": "damaged"})])
    _close_as_format_3(storage, key_settings)

    assert len(storage.estate.resources()) == len(resources) - 1
    storage.estate.upsert(resources, scan_id="scan-2")
    assert kept_in(storage)["resources"] == resources


@pytest.mark.parametrize("payload", [{}, {"groups": None, "marks": ["text", 5], "scan": [], "data": 5}])
def test_a_row_without_its_fields_does_not_keep_the_store_from_being_upgraded(
    storage: StorageService, key_settings: Settings, payload: dict[str, Any]
) -> None:
    """A collection that was rebuilt keeps a point whose payload is lost."""
    fill(storage)
    resources = kept_in(storage)["resources"]
    write_as_format_3(storage, "scan-1")
    (point, *_) = storage.vector_store.points(AWS_ESTATE.name)
    storage.vector_store.upsert(AWS_ESTATE.name, [replace(point, payload=payload)])
    _close_as_format_3(storage, key_settings)

    assert len(storage.estate.resources()) == len(resources) - 1
    storage.estate.upsert(resources, scan_id="scan-2")
    assert kept_in(storage)["resources"] == resources


def test_without_the_key_the_store_stays_as_it_is(format_3: dict[str, Any], key_settings: Settings) -> None:
    assert key_settings.key_file is not None
    away = key_settings.key_file.rename(key_settings.key_file.with_name("away"))
    with StorageService(key_settings, no_embedder) as keyless, pytest.raises(KeyMissingError):
        keyless.estate.count()
    assert header_of(StoreFile(key_settings.data_path)).format == 3

    away.rename(key_settings.key_file)
    with StorageService(key_settings, no_embedder) as again:
        assert again.estate.count() == len(format_3["resources"])
