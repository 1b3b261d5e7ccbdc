"""A stand-in for a Qdrant server: the REST requests that ``qdrant-client`` sends, on the engine of Qdrant Edge.

No Qdrant server can be installed where these tests run. The engine below is Qdrant's own; what is written here is the
HTTP around it, the collections' names and their aliases. Bodies are parsed with the client's own models, which forbid
unknown fields. Whatever this server was not written for is refused.
"""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from pydantic import TypeAdapter, ValidationError
from qdrant_client import models
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.storage.engines.remote.qdrant_shard import RefusedError, ServedCollection, known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from starlette.requests import Request

API_KEY = "example-api-key"
_METHODS = ["GET", "PUT", "POST", "PATCH", "DELETE"]


class QdrantServer:
    """The state of a server and, in :meth:`answer`, its whole interface; ``requests`` lists what came in."""

    def __init__(self, folder: Path) -> None:
        self.version = "1.20.0"
        self.collections: dict[str, ServedCollection] = {}
        self.aliases: dict[str, str] = {}
        self.requests: list[str] = []
        #: Called before each request with its name; may raise :class:`RefusedError` or anything else.
        self.before: Callable[[str], None] = lambda _: None
        self.url = ""
        self.folder = folder
        self._made = 0
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Any:
        for pattern, (allowed, handler) in _ROUTES.items():
            found = re.fullmatch(pattern, f"{method} {path}")
            if found:
                if unknown := set(query) - allowed:
                    raise RefusedError(400, f"unknown query parameter {sorted(unknown)}")
                if "wait" in allowed and query.get("wait") != "true":
                    raise RefusedError(400, "the stand-in answers writes that wait only")
                self.requests.append(handler.__name__)
                self.before(handler.__name__)
                return handler(self, *found.groups(), *([body] if body else []))
        raise RefusedError(404, "Not Found")

    def root(self) -> Any:
        return {"title": "qdrant - vector search engine", "version": self.version}

    def list_collections(self) -> Any:
        return {"collections": [{"name": name} for name in list(self.collections)]}

    def list_aliases(self) -> Any:
        pairs = list(self.aliases.items())
        return {"aliases": [{"alias_name": alias, "collection_name": name} for alias, name in pairs]}

    def change_aliases(self, body: bytes) -> Any:
        wanted = models.ChangeAliasesOperation.model_validate_json(body)
        with self._lock:
            aliases = dict(self.aliases)
            for action in wanted.actions:
                self._change(aliases, action)
            self.aliases = aliases
        return True

    def create(self, name: str, body: bytes) -> Any:
        wanted = models.CreateCollection.model_validate_json(body)
        with self._lock:
            if name in self.collections or name in self.aliases:
                raise RefusedError(409, f"Wrong input: Collection `{name}` already exists!")
            self._made += 1
            self.collections[name] = ServedCollection(self.folder / str(self._made), wanted)
        return True

    def drop(self, name: str) -> Any:
        with self._lock:
            collection = self.collections.pop(name, None)
            self.aliases = {alias: target for alias, target in self.aliases.items() if target != name}
        if collection is not None:
            collection.drop()
        return collection is not None

    def info(self, name: str) -> Any:
        return self._named(name).info()

    def create_index(self, name: str, body: bytes) -> Any:
        wanted = models.CreateFieldIndex.model_validate_json(body)
        kind = wanted.field_schema
        if not isinstance(kind, models.PayloadSchemaType | models.IntegerIndexParams):
            raise RefusedError(400, f"the stand-in does not know the index {kind}")
        return self._named(name).index(wanted.field_name, kind)

    def upsert(self, name: str, body: bytes) -> Any:
        return self._named(name).upsert(models.PointsList.model_validate_json(body))

    def retrieve(self, name: str, body: bytes) -> Any:
        return self._named(name).retrieve(models.PointRequest.model_validate_json(body))

    def delete(self, name: str, body: bytes) -> Any:
        return self._named(name).delete(TypeAdapter(models.PointsSelector).validate_json(body))

    def batch(self, name: str, body: bytes) -> Any:
        wanted = models.UpdateOperations.model_validate_json(body).operations
        operations = [known(operation, models.SetPayloadOperation) for operation in wanted]
        return [self._named(name).set_payload(operation.set_payload) for operation in operations]

    def scroll(self, name: str, body: bytes) -> Any:
        return self._named(name).scroll(models.ScrollRequest.model_validate_json(body))

    def count(self, name: str, body: bytes) -> Any:
        return self._named(name).count(models.CountRequest.model_validate_json(body))

    def facet(self, name: str, body: bytes) -> Any:
        return self._named(name).facet(models.FacetRequest.model_validate_json(body))

    def query(self, name: str, body: bytes) -> Any:
        return [self._named(name).query(one) for one in models.QueryRequestBatch.model_validate_json(body).searches]

    def forget(self, prefix: str) -> None:
        """Drop every collection of a prefix."""
        for name in list(self.collections):
            if name.startswith(prefix):
                self.drop(name)

    def close(self) -> None:
        self.forget("")

    def _named(self, name: str) -> ServedCollection:
        try:
            return self.collections[self.aliases.get(name, name)]
        except KeyError:
            raise RefusedError(404, f"Not found: Collection `{name}` doesn't exist!") from None

    def _change(self, aliases: dict[str, str], action: models.AliasOperations) -> None:
        if isinstance(action, models.DeleteAliasOperation):
            if aliases.pop(action.delete_alias.alias_name, None) is None:
                raise RefusedError(404, f"Alias {action.delete_alias.alias_name} does not exist!")
        elif isinstance(action, models.CreateAliasOperation):
            if action.create_alias.collection_name not in self.collections:
                raise RefusedError(404, f"Collection `{action.create_alias.collection_name}` doesn't exist!")
            if action.create_alias.alias_name in self.collections:
                raise RefusedError(400, f"Collection `{action.create_alias.alias_name}` exists")
            aliases[action.create_alias.alias_name] = action.create_alias.collection_name
        else:
            raise RefusedError(400, "the stand-in does not rename aliases")


_NONE: frozenset[str] = frozenset()
_WAIT = frozenset({"wait"})
_NAME = "/collections/([^/]+)"
_ROUTES: dict[str, tuple[frozenset[str], Callable[..., Any]]] = {
    "GET /": (_NONE, QdrantServer.root),
    "GET /aliases": (_NONE, QdrantServer.list_aliases),
    "GET /collections": (_NONE, QdrantServer.list_collections),
    "POST /collections/aliases": (_NONE, QdrantServer.change_aliases),
    f"GET {_NAME}": (_NONE, QdrantServer.info),
    f"PUT {_NAME}": (_NONE, QdrantServer.create),
    f"DELETE {_NAME}": (_NONE, QdrantServer.drop),
    f"PUT {_NAME}/index": (_WAIT, QdrantServer.create_index),
    f"PUT {_NAME}/points": (_WAIT, QdrantServer.upsert),
    f"POST {_NAME}/points": (_NONE, QdrantServer.retrieve),
    f"POST {_NAME}/points/delete": (_WAIT, QdrantServer.delete),
    f"POST {_NAME}/points/batch": (_WAIT, QdrantServer.batch),
    f"POST {_NAME}/points/scroll": (_NONE, QdrantServer.scroll),
    f"POST {_NAME}/points/count": (_NONE, QdrantServer.count),
    f"POST {_NAME}/facet": (_NONE, QdrantServer.facet),
    f"POST {_NAME}/points/query/batch": (_NONE, QdrantServer.query),
}


@contextmanager
def running(folder: Path, *, port: int = 0) -> Iterator[QdrantServer]:
    """Serve on a port of the loopback interface, from a thread, until the block ends."""
    state = QdrantServer(folder)
    app = Starlette(routes=[Route("/{path:path}", _endpoint(state), methods=_METHODS)])
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", access_log=False)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", port)) as listening:
        state.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.should_exit = True
            thread.join(30)
            state.close()


def _endpoint(state: QdrantServer) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> JSONResponse:
        if request.headers.get("api-key") != API_KEY:
            return JSONResponse("Invalid API key or JWT", 401)
        body = await request.body()
        try:
            path, query = request.url.path, request.query_params
            result = await run_in_threadpool(state.answer, request.method, path, query, body)
        except RefusedError as refused:
            return _failed(refused.status, refused.reason)
        except ValidationError as error:
            return _failed(400, f"Format error in JSON body: {error}")
        except Exception as error:  # noqa: BLE001 - the engine's exceptions have no class of their own
            return _failed(400, f"Wrong input: {error}")
        if path == "/":
            return JSONResponse(result)
        return JSONResponse({"result": result, "status": "ok", "time": 0.001})

    return endpoint


def _failed(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"status": {"error": reason}, "time": 0.001}, status)
