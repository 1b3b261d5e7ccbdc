"""The store's two collections: their vectors and the payload fields that are indexed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A ``lookup`` is an integer that is compared for equality only; a ``facet`` is one whose values are listed too.
IndexKind = Literal["keyword", "integer", "lookup", "facet", "float"]


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection: the size of its dense vector (cosine), whether it has a sparse one (IDF), its payload indexes."""

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
        # Few lists of numbers: an index for each field of a resource makes writing and opening take twice as long.
        "groups": "facet",
        "marks": "lookup",
        "scan": "lookup",
        "seen": "float",
    },
)

COLLECTIONS = {collection.name: collection for collection in (CHAT_HISTORY, AWS_ESTATE)}

#: What the name of a collection that is being built beside a live one ends with.
STAGED_SUFFIX = ".staged"


def collection_of(name: str) -> Collection | None:
    """Return the collection of a name, which may be a staged one's; ``None`` for any other name."""
    return COLLECTIONS.get(name.removesuffix(STAGED_SUFFIX))


def staged_name(collection: str) -> str:
    """Return the name of the collection that is built beside a live one."""
    return f"{collection}{STAGED_SUFFIX}"
