"""The store's two collections: their vectors and the payload fields that are indexed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A ``lookup`` is an integer compared only for equality; a ``facet`` is a lookup whose values are listed too.
IndexKind = Literal["keyword", "integer", "lookup", "facet", "float"]


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection: its dense vector's dimension (cosine), whether it has a sparse one (IDF), its payload indexes."""

    name: str
    dimension: int
    sparse: bool
    indexes: Mapping[str, IndexKind]


CHAT_HISTORY = Collection(
    name="chat_history",
    dimension=1,
    sparse=False,
    indexes={"kind": "keyword", "context": "keyword", "role": "keyword", "index": "integer", "at": "float"},
)

AWS_ESTATE = Collection(
    name="aws_estate",
    dimension=384,
    sparse=True,
    indexes={
        # Two lists of numbers: an index per field of a resource would double the time of writing and opening.
        "groups": "facet",
        "marks": "lookup",
        "scan": "lookup",
        "seen": "float",
    },
)

COLLECTIONS = {collection.name: collection for collection in (CHAT_HISTORY, AWS_ESTATE)}

#: The suffix of a staged collection, the successor of a live one.
STAGED_SUFFIX = ".staged"


def collection_of(name: str) -> Collection | None:
    """Return the collection with a live or staged name; ``None`` for any other name."""
    return COLLECTIONS.get(name.removesuffix(STAGED_SUFFIX))


def staged_name(collection: str) -> str:
    """Return the name of a live collection's staged successor."""
    return f"{collection}{STAGED_SUFFIX}"
