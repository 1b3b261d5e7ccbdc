"""A store's collections on a server: their names, creation, checks and replacement.

The points are in numbered collections, ``<prefix><collection>_<n>``. The alias ``<prefix><collection>`` names the live
one. The alias ``<prefix><collection>.staged`` names the staged one, which is first filled and then replaces the live
one: a single request switches both aliases.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from qdrant_client import QdrantClient, models

from cloudops_nb.errors import InitialisationError, StorageError
from cloudops_nb.storage.engines.remote.translation import DENSE, SPARSE
from cloudops_nb.storage.engines.schema import STAGED_SUFFIX, collection_of, staged_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudops_nb.storage.engines.remote.server_connection import ServerConnection
    from cloudops_nb.storage.engines.schema import Collection, IndexKind

_Response = TypeVar("_Response")

#: The parameters of the HNSW graph (requirement S1).
HNSW_M, HNSW_EF_CONSTRUCT = 16, 100
#: The first server version that can store metadata with a collection.
OLDEST_SERVER = (1, 16)
#: The metadata key that holds the identity of the data path that created a collection.
IDENTITY = "cloudops_store"
_WHAT = "the collections of the Qdrant server cannot be prepared"


class ServerCollections:
    """The collections with one prefix on one server.

    Several notebook kernels may call :meth:`named` and :meth:`probe` at once. While one process calls :meth:`stage`,
    :meth:`adopt`, :meth:`discard` or :meth:`drop`, no other process may use the store. Each call may be interrupted at
    any time and repeated.

    Args:
        connection: The connection to the server.
        prefix: The prefix of the collections' names.
        identity: Returns the identity of this store. A collection whose metadata holds a different identity is refused.
    """

    def __init__(self, connection: ServerConnection, prefix: str, identity: Callable[[], str]) -> None:
        self._connection = connection
        self._prefix = prefix
        self._identity = identity
        self._lock = threading.Lock()
        self._ready: set[str] = set()

    def named(self, name: str) -> str:
        """Return a collection's name on the server.

        A live collection is checked when its name is first requested, and is created if it is missing.

        Raises:
            InitialisationError: The collection belongs to another store or has a different schema, or the server is too
                old.
            StorageError: The name is unknown.
        """
        collection = collection_of(name)
        if collection is None:
            raise StorageError("a request to the store failed", f"there is no collection {name}")
        with self._lock:
            if not name.endswith(STAGED_SUFFIX) and name not in self._ready:
                self._prepare(collection)
                self._ready.add(name)
        return f"{self._prefix}{name}"

    def probe(self, names: Sequence[str]) -> None:
        """Check that the server is usable and that existing collections with these names belong to this store.

        Raises:
            InitialisationError: The server is too old, or a collection belongs to another store or has a different
                schema.
        """
        self._check_server()
        aliases, present = self._aliases(), self._collections()
        for name in names:
            collection, live = collection_of(name), f"{self._prefix}{name}"
            if live in present:
                raise _name_taken(live)
            for each in [*([live] if live in aliases else []), *self._numbers(live)]:
                self._check_collection(collection, self._call(QdrantClient.get_collection, each))

    def stage(self, name: str) -> str:
        """Create an empty staged collection; returns its name without the prefix."""
        live = self.named(name)
        self.discard(name)
        number = max(self._numbers(live).values(), default=0) + 1
        self._create(collection_of(name), f"{live}_{number}")
        self._switch(_create_alias(f"{live}{STAGED_SUFFIX}", f"{live}_{number}"))
        return staged_name(name)

    def adopt(self, names: Sequence[str]) -> None:
        """Replace each of these live collections with its staged one, all in one request; drop the replaced ones."""
        actions: list[models.AliasOperations] = []
        aliases = self._aliases()
        for name in names:
            live, staged = f"{self._prefix}{name}", f"{self._prefix}{staged_name(name)}"
            if staged in aliases:
                actions += [_delete_alias(live)] if live in aliases else []
                actions += [_create_alias(live, aliases[staged]), _delete_alias(staged)]
        if actions:
            self._switch(*actions)
        for name in names:
            self._drop_unaliased(f"{self._prefix}{name}")

    def discard(self, name: str) -> None:
        """Drop the staged collection, if it exists, and the numbered collections that killed processes have left."""
        live = f"{self._prefix}{name}"
        staged = f"{live}{STAGED_SUFFIX}"
        if staged in self._aliases():
            self._switch(_delete_alias(staged))
        self._drop_unaliased(live)

    def drop(self, name: str) -> None:
        """Drop a collection, its staged collection, and the aliases of both.

        Raises:
            InitialisationError: As :meth:`probe`.
        """
        live = f"{self._prefix}{name}"
        self.probe([name])
        with self._lock:
            self._ready.discard(name)
        for numbered in sorted(self._numbers(live)):
            self._call(QdrantClient.delete_collection, numbered)
        remaining = [alias for alias in self._aliases() if alias in (live, f"{live}{STAGED_SUFFIX}")]
        if remaining:
            self._switch(*map(_delete_alias, remaining))

    def _prepare(self, collection: Collection) -> None:
        live = f"{self._prefix}{collection.name}"
        self._check_server()
        if live not in self._aliases():
            if live in self._collections():
                raise _name_taken(live)
            # Every kernel chooses number 1, so kernels that create the collection at the same time create the same one.
            # Only stage() chooses higher numbers, and it needs the live alias.
            self._create(collection, f"{live}_1")
            self._switch(_create_alias(live, f"{live}_1"))
        info = self._call(QdrantClient.get_collection, live)
        self._check_collection(collection, info)
        self._create_indexes(collection, live, info.payload_schema)

    def _check_server(self) -> None:
        version = self._call(QdrantClient.info).version
        found = re.match(r"(\d+)\.(\d+)", version)
        if found is None or (int(found[1]), int(found[2])) < OLDEST_SERVER:
            oldest = ".".join(map(str, OLDEST_SERVER))
            why = f"the server has version {version[:20]}"
            raise InitialisationError(_WHAT, why, f"Upgrade the server to {oldest} or newer.")

    def _check_collection(self, collection: Collection | None, info: models.CollectionInfo) -> None:
        assert collection is not None  # noqa: S101 - for the type checker: the name is a known collection's
        name = f"the collection {self._prefix}{collection.name}"
        if (info.config.metadata or {}).get(IDENTITY) != self._identity():
            fix = "Choose another qdrant_prefix."
            raise InitialisationError(f"{name} cannot be used", "it does not belong to this store", fix)
        expected = (collection.dimension, models.Distance.COSINE, collection.sparse)
        if _vector_schema(info.config.params) != expected:
            dense = f"'{DENSE}' of {collection.dimension} components by cosine"
            sparse = f" and '{SPARSE}' by IDF" if collection.sparse else ""
            raise InitialisationError(f"{name} cannot be used", f"its vectors must be {dense}{sparse}")

    def _create(self, collection: Collection | None, numbered: str) -> None:
        """Create a collection with its indexes, even if another kernel is creating it at the same time."""
        assert collection is not None  # noqa: S101 - for the type checker: the caller has checked the name
        if numbered not in self._collections():
            try:
                self._call(_send_create, collection, numbered, self._identity())
            except StorageError:  # another kernel may just have created it
                if numbered not in self._collections():
                    raise
        self._create_indexes(collection, numbered, {})

    def _create_indexes(self, collection: Collection, name: str, present: dict[str, Any]) -> None:
        for field, kind in collection.indexes.items():
            if field not in present:
                self._call(QdrantClient.create_payload_index, name, field, _index_schema(kind), wait=True)

    def _drop_unaliased(self, live: str) -> None:
        """Drop numbered collections that no alias names: they were replaced, or a killed process has left them."""
        aliased = set(self._aliases().values())
        for numbered in sorted(self._numbers(live)):
            if numbered not in aliased:
                self._call(QdrantClient.delete_collection, numbered)

    def _numbers(self, live: str) -> dict[str, int]:
        """Return the names of a live collection's numbered collections, with their numbers."""
        pattern = re.compile(rf"{re.escape(live)}_(\d+)")
        return {name: int(match[1]) for name in self._collections() if (match := pattern.fullmatch(name))}

    def _collections(self) -> set[str]:
        return {collection.name for collection in self._call(QdrantClient.get_collections).collections}

    def _aliases(self) -> dict[str, str]:
        """Return all aliases on the server, each with the name of its collection."""
        aliases = self._call(QdrantClient.get_aliases).aliases
        return {alias.alias_name: alias.collection_name for alias in aliases}

    def _switch(self, *actions: models.AliasOperations) -> None:
        self._call(QdrantClient.update_collection_aliases, actions)

    def _call(
        self,
        request: Callable[..., _Response],
        *arguments: Any,
        **options: Any,
    ) -> _Response:
        return self._connection.call(_WHAT, request, *arguments, **options)


def _send_create(client: QdrantClient, collection: Collection, numbered: str, identity: str) -> bool:
    sparse = {SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)} if collection.sparse else None
    return client.create_collection(
        numbered,
        vectors_config={
            DENSE: models.VectorParams(
                size=collection.dimension, distance=models.Distance.COSINE, datatype=models.Datatype.FLOAT16
            )
        },
        sparse_vectors_config=sparse,
        hnsw_config=models.HnswConfigDiff(m=HNSW_M, ef_construct=HNSW_EF_CONSTRUCT),
        metadata={IDENTITY: identity},
    )


def _index_schema(kind: IndexKind) -> models.PayloadSchemaType | models.IntegerIndexParams:
    if kind in ("lookup", "facet"):
        return models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=False)
    return models.PayloadSchemaType(kind)


def _vector_schema(parameters: models.CollectionParams) -> tuple[int, models.Distance | None, bool]:
    """Return a collection's dimension and distance, and true if it has a sparse vector.

    If the vectors' names or modifiers are unexpected, the result is one that matches no collection's schema.
    """
    dense, sparse = parameters.vectors, parameters.sparse_vectors or {}
    without_idf = any(params.modifier is not models.Modifier.IDF for params in sparse.values())
    if not isinstance(dense, dict) or set(dense) != {DENSE} or not set(sparse) <= {SPARSE} or without_idf:
        return 0, None, False
    return dense[DENSE].size, dense[DENSE].distance, bool(sparse)


def _name_taken(live: str) -> InitialisationError:
    why = f"the name {live} is that of a collection, and must be free for an alias"
    return InitialisationError(_WHAT, why, "Choose another qdrant_prefix.")


def _create_alias(name: str, numbered: str) -> models.CreateAliasOperation:
    return models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=numbered, alias_name=name))


def _delete_alias(name: str) -> models.DeleteAliasOperation:
    return models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=name))
