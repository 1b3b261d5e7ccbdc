"""Collections of a store on a server: their names, how they are made and checked, and how one replaces another.

The live name of a collection is an alias, ``<prefix><collection>``, of a numbered one, ``<prefix><collection>_<n>``;
beside it, ``<prefix><collection>.staged`` may stand for its successor. Switching the alias replaces the whole at once.
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

_Answer = TypeVar("_Answer")

#: Requirement S1, as in the embedded engine.
HNSW_M, HNSW_EF_CONSTRUCT = 16, 100
#: The first one that keeps metadata of collections.
OLDEST_SERVER = (1, 16)
#: The metadata that names the data path which made a collection.
IDENTITY = "cloudops_store"
_WHAT = "the collections of the Qdrant server cannot be prepared"


class ServerCollections:
    """The collections of one prefix on one server.

    Making them is safe for several kernels at once; :meth:`stage`, :meth:`adopt`, :meth:`discard` and :meth:`drop` are
    for one that is alone with the store. Each may be cut short at any moment and repeated.

    Args:
        connection: The server.
        prefix: What their names begin with.
        identity: What their metadata must hold; those that another store made are refused.
    """

    def __init__(self, connection: ServerConnection, prefix: str, identity: Callable[[], str]) -> None:
        self._connection = connection
        self._prefix = prefix
        self._identity = identity
        self._lock = threading.Lock()
        self._ready: set[str] = set()

    def named(self, name: str) -> str:
        """Return the server's name of a collection, which is made and checked at its first use; staged ones exist.

        Raises:
            InitialisationError: It is another store's, of another schema, or the server is too old.
            StorageError: There is no such collection.
        """
        collection = collection_of(name)
        if collection is None:
            raise StorageError("the store cannot do that", f"there is no collection {name}")
        with self._lock:
            if not name.endswith(STAGED_SUFFIX) and name not in self._ready:
                self._prepare(collection)
                self._ready.add(name)
        return f"{self._prefix}{name}"

    def probe(self, names: Sequence[str]) -> None:
        """See that the server can be used, and that whatever has one of these names is this store's; makes nothing.

        Raises:
            InitialisationError: The server is too old, or the names are taken.
        """
        self._check_server()
        aliases, present = self._aliases(), self._collections()
        for name in names:
            collection, live = collection_of(name), f"{self._prefix}{name}"
            if live in present:
                raise _taken(live)
            for each in [*([live] if live in aliases else []), *self._numbers(live)]:
                self._check(collection, self._call(QdrantClient.get_collection, each))

    def stage(self, name: str) -> str:
        """Make an empty collection beside a live one; returns its name."""
        live = self.named(name)
        self.discard(name)
        number = max(self._numbers(live).values(), default=0) + 1
        self._create(collection_of(name), f"{live}_{number}")
        self._switch(_alias(f"{live}{STAGED_SUFFIX}", f"{live}_{number}"))
        return staged_name(name)

    def adopt(self, names: Sequence[str]) -> None:
        """Put each staged collection in the place of its live one, all in one request, and drop what was there."""
        actions: list[models.AliasOperations] = []
        aliases = self._aliases()
        for name in names:
            live, staged = f"{self._prefix}{name}", f"{self._prefix}{staged_name(name)}"
            if staged in aliases:
                actions += [_no_alias(live)] if live in aliases else []
                actions += [_alias(live, aliases[staged]), _no_alias(staged)]
        if actions:
            self._switch(*actions)
        for name in names:
            self._sweep(f"{self._prefix}{name}")

    def discard(self, name: str) -> None:
        """Drop the staged collection, if there is one, and whatever a killed process left."""
        live = f"{self._prefix}{name}"
        staged = f"{live}{STAGED_SUFFIX}"
        if staged in self._aliases():
            self._switch(_no_alias(staged))
        self._sweep(live)

    def drop(self, name: str) -> None:
        """Drop a collection and all that belongs to it; one that another store made is refused."""
        live = f"{self._prefix}{name}"
        self.probe([name])
        with self._lock:
            self._ready.discard(name)
        for concrete in sorted(self._numbers(live)):
            self._call(QdrantClient.delete_collection, concrete)
        left = [alias for alias in self._aliases() if alias in (live, f"{live}{STAGED_SUFFIX}")]
        if left:
            self._switch(*map(_no_alias, left))

    def _prepare(self, collection: Collection) -> None:
        live = f"{self._prefix}{collection.name}"
        self._check_server()
        if live not in self._aliases():
            if live in self._collections():
                raise _taken(live)
            # The first one, by whichever kernel: what has another number has an alias.
            self._create(collection, f"{live}_1")
            self._switch(_alias(live, f"{live}_1"))
        info = self._call(QdrantClient.get_collection, live)
        self._check(collection, info)
        self._create_indexes(collection, live, info.payload_schema)

    def _check_server(self) -> None:
        version = self._call(QdrantClient.info).version
        found = re.match(r"(\d+)\.(\d+)", version)
        if found is None or (int(found[1]), int(found[2])) < OLDEST_SERVER:
            wanted = ".".join(map(str, OLDEST_SERVER))
            raise InitialisationError(
                _WHAT, f"the server is version {version[:20]}", f"Upgrade it to {wanted} or newer."
            )

    def _check(self, collection: Collection | None, info: models.CollectionInfo) -> None:
        assert collection is not None  # noqa: S101 - for the type checker: its name has been looked up
        name = f"the collection {self._prefix}{collection.name}"
        if (info.config.metadata or {}).get(IDENTITY) != self._identity():
            fix = "Choose another qdrant_prefix."
            raise InitialisationError(f"{name} cannot be used", "another store made it", fix)
        wanted = (collection.dimension, models.Distance.COSINE, collection.sparse)
        if _schema(info.config.params) != wanted:
            dense = f"'{DENSE}' of {collection.dimension} components by cosine"
            sparse = f" and '{SPARSE}' by IDF" if collection.sparse else ""
            raise InitialisationError(f"{name} cannot be used", f"its vectors must be {dense}{sparse}")

    def _create(self, collection: Collection | None, concrete: str) -> None:
        """Make a collection with its indexes, whether or not another kernel is making it at this moment."""
        assert collection is not None  # noqa: S101 - for the type checker: `named` has looked it up
        if concrete not in self._collections():
            try:
                self._call(_create, collection, concrete, self._identity())
            except StorageError:
                if concrete not in self._collections():
                    raise
        self._create_indexes(collection, concrete, {})

    def _create_indexes(self, collection: Collection, name: str, present: dict[str, Any]) -> None:
        for field, kind in collection.indexes.items():
            if field not in present:
                self._call(QdrantClient.create_payload_index, name, field, _index(kind), wait=True)

    def _sweep(self, live: str) -> None:
        """Drop the numbered collections that no alias stands for."""
        aliased = set(self._aliases().values())
        for concrete in sorted(self._numbers(live)):
            if concrete not in aliased:
                self._call(QdrantClient.delete_collection, concrete)

    def _numbers(self, live: str) -> dict[str, int]:
        numbered = re.compile(rf"{re.escape(live)}_(\d+)")
        return {name: int(found[1]) for name in self._collections() if (found := numbered.fullmatch(name))}

    def _collections(self) -> set[str]:
        return {one.name for one in self._call(QdrantClient.get_collections).collections}

    def _aliases(self) -> dict[str, str]:
        found = self._call(QdrantClient.get_aliases).aliases
        return {one.alias_name: one.collection_name for one in found}

    def _switch(self, *actions: models.AliasOperations) -> None:
        self._call(QdrantClient.update_collection_aliases, actions)

    def _call(
        self,
        request: Callable[..., _Answer],
        *arguments: Any,
        **options: Any,
    ) -> _Answer:
        return self._connection.call(_WHAT, request, *arguments, **options)


def _create(client: QdrantClient, collection: Collection, concrete: str, identity: str) -> bool:
    sparse = {SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)} if collection.sparse else None
    return client.create_collection(
        concrete,
        vectors_config={
            DENSE: models.VectorParams(
                size=collection.dimension, distance=models.Distance.COSINE, datatype=models.Datatype.FLOAT16
            )
        },
        sparse_vectors_config=sparse,
        hnsw_config=models.HnswConfigDiff(m=HNSW_M, ef_construct=HNSW_EF_CONSTRUCT),
        metadata={IDENTITY: identity},
    )


def _index(kind: IndexKind) -> models.PayloadSchemaType | models.IntegerIndexParams:
    if kind in ("lookup", "facet"):
        return models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=False)
    return models.PayloadSchemaType(kind)


def _schema(parameters: models.CollectionParams) -> tuple[int, models.Distance | None, bool]:
    """Return a collection's dimension, distance, and whether it has a sparse vector, if all else is as ours."""
    dense, sparse = parameters.vectors, parameters.sparse_vectors or {}
    strange = any(params.modifier is not models.Modifier.IDF for params in sparse.values())
    if not isinstance(dense, dict) or set(dense) != {DENSE} or not set(sparse) <= {SPARSE} or strange:
        return 0, None, False
    return dense[DENSE].size, dense[DENSE].distance, bool(sparse)


def _taken(live: str) -> InitialisationError:
    why = f"there is a collection {live} where only an alias may be"
    return InitialisationError(_WHAT, why, "Choose another qdrant_prefix.")


def _alias(name: str, concrete: str) -> models.CreateAliasOperation:
    return models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=concrete, alias_name=name))


def _no_alias(name: str) -> models.DeleteAliasOperation:
    return models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=name))
