"""Turns filters by name into a query, and says of a closed set, such as the regions, which name in it is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.regions import known_regions
from cloudops_nb.client.frames import hits_frame
from cloudops_nb.errors import ConfigurationError, did_you_mean
from cloudops_nb.specs.files import specs_of
from cloudops_nb.understanding.query import FIELDS, Query, fact_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from cloudops_nb.model import Resource, SearchHit
    from cloudops_nb.storage.estate.store import EstateStore


def query_of(filters: Mapping[str, Any], data_path: Path) -> Query:
    """Return the query for filters by name.

    Raises:
        ConfigurationError: A name is unknown, or a value cannot be used.
    """
    beyond = [name for name in filters if name not in (*FIELDS, "tags")]
    return Query.of(filters, _fact_names(data_path) if beyond else ())


def _fact_names(data_path: Path) -> set[str]:
    specs = specs_of(data_path)
    declared = (name for spec in specs for name in (*spec.facts, *spec.metadata))
    return fact_names(declared, ((each.kind, each.resource_type) for spec in specs for each in spec.relations))


def require_known(
    query: Query, found: Sequence[SearchHit], estate: EstateStore, data_path: Path, accounts: Iterable[str]
) -> None:
    """Refuse a query that names an unknown account, region, service or type.

    Args:
        query: The query.
        found: What it found; a value that a resource has is known.
        estate: The stored estate.
        data_path: The store's folder, which may declare types.
        accounts: The names and ids of the configured accounts.

    Raises:
        ConfigurationError: A name is unknown; the message proposes a similar one.
    """
    for name in ("account", "region", "service", "resource_type"):
        match = query.fields.get(name)
        if match is None:
            continue
        there = {value.casefold() for hit in found for value in _values(hit.resource, name)}
        for text in match.texts:
            if text.strip().casefold() in there:
                continue
            known = _known(name, estate, data_path, accounts)
            if text.strip().casefold() not in {each.casefold() for each in known}:
                hint = did_you_mean(text, known, otherwise=f"known are {', '.join(sorted(known)[:8])} …")
                raise ConfigurationError(f"unknown {name.replace('_', ' ')} {text}", hint)


def _values(resource: Resource, name: str) -> tuple[str, ...]:
    return (resource.account_id, resource.account_name) if name == "account" else (getattr(resource, name),)


def _known(name: str, estate: EstateStore, data_path: Path, accounts: Iterable[str]) -> set[str]:
    if name == "account":
        return {*accounts, *estate.facets("account_id"), *estate.facets("account_name")} - {""}
    stored = set(estate.facets(name))
    if name == "region":
        return stored | known_regions()
    return stored | {getattr(spec, name) for spec in specs_of(data_path)}


def with_facts(frame: pd.DataFrame, resources: Sequence[Resource]) -> pd.DataFrame:
    """Return a frame with one more column for each fact, metadata field and relation that a resource has.

    A column whose name is taken has the kind before it, such as ``metadata.state``; relations have the targets' ids.
    """
    columns: dict[str, list[Any]] = {}
    for number, resource in enumerate(resources):
        values: dict[str, Any] = {}
        for kind, found in (("fact", resource.constraints.facts), ("metadata", resource.metadata)):
            for name, value in found.items():
                values[f"{kind}.{name}" if name in frame.columns or name in values else name] = value
        for relation in resource.relations:
            values.setdefault(f"relation.{relation.kind}", []).append(relation.identifier)
        for name, value in values.items():
            columns.setdefault(name, [None] * len(resources))[number] = value
    return frame.assign(**{name: columns[name] for name in sorted(columns)})


def found_frame(hits: Sequence[SearchHit], query: Query, *, scored: bool, facts: bool) -> pd.DataFrame:
    """Return the hits as a frame; an empty one says in ``.attrs["note"]`` what no resource passes."""
    frame = hits_frame(hits, scored=scored)
    if facts:
        frame = with_facts(frame, [hit.resource for hit in hits])
    if not hits:
        frame.attrs["note"] = f"no resource passes: {query}" if str(query) else "no resource is stored"
    return frame
