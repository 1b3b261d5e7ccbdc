"""The schema of the store's two collections: their vectors and their indexed payload fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: A ``lookup`` is an integer that is compared only for equality. A ``facet`` is a lookup whose values are also listed.
IndexKind = Literal["keyword", "integer", "lookup", "facet", "float"]


@dataclass(frozen=True, slots=True)
class Collection:
    """The schema of a collection.

    Attributes:
        name: The collection's name.
        dimension: The number of components of the dense vector, which is compared by cosine similarity.
        sparse: True if points also have a sparse vector; the engine weights its dimensions by IDF (rare ones count
            more).
        indexes: The indexed payload fields, each with the kind of its index.
        bound: The unencrypted payload fields to which a point's envelope is bound: if one of them was altered, the
            envelope cannot be decrypted.
        vector_hash: The payload field with the hash of the texts that the vectors were made from; empty if the points
            are never searched by vector, and all have the same one. A point whose vectors are lost loses this field,
            so that the next scan makes the vectors again.
    """

    name: str
    dimension: int
    sparse: bool
    indexes: Mapping[str, IndexKind]
    bound: tuple[str, ...] = ()
    vector_hash: str = ""

    @property
    def sealed_fields(self) -> tuple[str, ...]:
        """The payload fields that are needed to decrypt a point's envelope, which is in ``data``."""
        return ("data", *self.bound)


CHAT_HISTORY = Collection(
    name="chat_history",
    dimension=1,  # messages are never searched by vector, but every point must have one
    sparse=False,
    indexes={"kind": "keyword", "context": "keyword", "role": "keyword", "index": "integer", "at": "float"},
)

AWS_ESTATE = Collection(
    name="aws_estate",
    dimension=384,
    sparse=True,
    indexes={
        # "groups" and "marks" are lists of numbers that stand for almost all fields of a resource. With an index for
        # each field, writing and opening would take twice as long.
        "groups": "facet",
        "marks": "lookup",
        "scan": "lookup",
        "seen": "float",
    },
    bound=("groups", "marks", "content"),
    vector_hash="searchable",
)

COLLECTIONS = {collection.name: collection for collection in (CHAT_HISTORY, AWS_ESTATE)}

#: The suffix in the name of a staged collection, which is first filled and then replaces the live collection.
STAGED_SUFFIX = ".staged"


def collection_of(name: str) -> Collection | None:
    """Return the schema of a live or staged collection by its name; ``None`` if the name is unknown."""
    return COLLECTIONS.get(name.removesuffix(STAGED_SUFFIX))


def staged_name(collection: str) -> str:
    """Return the name of a live collection's staged collection."""
    return f"{collection}{STAGED_SUFFIX}"


def damage_advice(shard: Path, collection: Collection) -> str:
    """Return what to do about a damaged shard (the folder of an embedded collection)."""
    scan = " If there is no backup, scan again." if collection.name == AWS_ESTATE.name else ""
    return f"Move {shard} to another folder, then run: cloudops-nb backup restore --kind {collection.name}.{scan}"
