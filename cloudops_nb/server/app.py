"""The stand-alone service: the same pipeline behind HTTP, with limits, health and a bearer token."""

from __future__ import annotations

import asyncio
import hmac
import logging
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from cloudops_nb import protocol
from cloudops_nb.errors import CloudOpsError

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport

    from starlette.requests import Request

    from cloudops_nb.server.pipeline import PlaybookServer

_LOG = logging.getLogger(__name__)
#: A body that has not arrived completely after this time is refused, in seconds. Notebooks send it in one piece.
BODY_SECONDS = 10.0
#: A connection that is open for longer is closed, in seconds. Notebooks give up after the same time.
CONNECTION_SECONDS = 30.0
_CLOSE = {"Connection": "close"}


def create_app(server: PlaybookServer, *, token: str = "", body_seconds: float = BODY_SECONDS) -> Starlette:
    """Return the ASGI application.

    Request bodies are never logged. Every answer to ``POST /v1/plan`` is JSON; ``GET /healthz`` needs no token.

    Args:
        server: The pipeline that answers.
        token: The bearer token that requests must carry; empty to serve without authentication.
        body_seconds: The time within which a request's body must arrive.
    """

    async def plan(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode("utf-8", "replace")
        if token and not hmac.compare_digest(given, f"Bearer {token}".encode()):
            return JSONResponse({"error": "a bearer token is needed"}, status_code=401)
        body = bytearray()
        try:
            async with asyncio.timeout(body_seconds):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > protocol.MAX_BYTES:
                        return JSONResponse({"error": "the request is too large"}, status_code=413, headers=_CLOSE)
        except TimeoutError:
            _LOG.info("refused a request whose body did not arrive within %.0f s", body_seconds)
            return JSONResponse({"error": "the request did not arrive in time"}, status_code=408, headers=_CLOSE)
        except ClientDisconnect:
            _LOG.info("a client disconnected before its request was complete")
            return Response(status_code=400)
        try:
            answer = await run_in_threadpool(server.handle, bytes(body))
        except CloudOpsError as error:
            _LOG.info("refused a request: %s", type(error).__name__)
            return JSONResponse({"error": str(error)}, status_code=422)
        return Response(answer, media_type=protocol.MEDIA_TYPE)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok", "protocol": protocol.VERSION})

    return Starlette(routes=[Route("/v1/plan", plan, methods=["POST"]), Route("/healthz", healthz)])


class ShortConnection(H11Protocol):
    """An HTTP connection that is closed after :data:`CONNECTION_SECONDS`, whatever its client does.

    It limits clients that send headers slowly or that do not read their answer; uvicorn limits neither. The server must
    close each connection after one answer, so that the limit ends no later request.
    """

    _limit: TimerHandle

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # asyncio makes a Transport, as uvicorn assumes
        """Start the time that the connection may be open for."""
        super().connection_made(transport)
        self._limit = self.loop.call_later(CONNECTION_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time, because the connection is closed."""
        self._limit.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        _LOG.info("closed a connection that was open for %.0f s", CONNECTION_SECONDS)
        self.transport.abort()
