"""The stand-alone service over HTTP."""

from __future__ import annotations

import json

import httpx
import pytest

from cloudops_nb import protocol
from cloudops_nb.server.app import create_app
from cloudops_nb.server.pipeline import PlaybookServer
from cloudops_nb.ssm.catalogue import Catalogue

pytestmark = pytest.mark.fast
BODY = json.dumps({"protocol": protocol.VERSION, "request_id": "0" * 32, "words": ["stop", "the", "database"]}).encode()


async def post(body, **headers):
    app = create_app(PlaybookServer(Catalogue.bundled()), token="right")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
        return await client.post("/v1/plan", content=body, headers=headers)


def run(coroutine):
    import asyncio

    return asyncio.run(coroutine)


def test_it_answers_in_the_protocol():
    answer = run(post(BODY, authorization="Bearer right"))
    assert answer.headers["content-type"] == protocol.MEDIA_TYPE
    assert protocol.PlanResponse.model_validate_json(answer.content).kind == "clarification"


@pytest.mark.parametrize(
    ("body", "token", "status"),
    [(BODY, "wrong", 401), (b"{}", "right", 422), (b" " * (protocol.MAX_BYTES + 1), "right", 413)],
)
def test_it_refuses_with_a_status_and_a_line(body, token, status):
    answer = run(post(body, authorization=f"Bearer {token}"))
    assert answer.status_code == status
    assert answer.json()["error"]
