"""Answers requests in words: resolve, build, gate, send, bind, prepare, remember."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudops_nb.answer import Answer
from cloudops_nb.errors import PlanError, PlaybookError
from cloudops_nb.frames import hits_frame, resources_frame
from cloudops_nb.request.bind import bind, reveal
from cloudops_nb.request.builder import build, preview, private_values
from cloudops_nb.request.egress import EgressGate
from cloudops_nb.request.resolve import Resolver
from cloudops_nb.understanding.environment import environment_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.model import BoundPlaybook, Resource
    from cloudops_nb.protocol import PlanRequest, PlanResponse
    from cloudops_nb.request.ports import Transport
    from cloudops_nb.request.resolve import Resolution
    from cloudops_nb.ssm.catalogue import Catalogue
    from cloudops_nb.storage.chat import Role
    from cloudops_nb.storage.service import StorageService

#: How many messages back a conversation is read; five exchanges are ten messages.
REMEMBERED = 10
#: How many rows an answer to a question holds.
ROWS = 50


@dataclass(frozen=True)
class Prepared:
    """A request as it would leave, with what must not stand in it and what it means on this host."""

    request: PlanRequest
    private: set[str]
    resolution: Resolution


class Assistant:
    """One conversation partner over one store; safe to use from several threads, as it keeps nothing between calls.

    Args:
        storage: The store on this host.
        catalogue: This host's playbooks.
        transport: Opens the way to the playbook server, on first use.
        prepare: Makes a plan of a bound playbook.
        environments: The configured environment of each account name.
    """

    def __init__(
        self,
        storage: StorageService,
        catalogue: Catalogue,
        transport: Callable[[], Transport],
        prepare: Callable[[BoundPlaybook], Plan],
        environments: Mapping[str, str],
    ) -> None:
        self._storage = storage
        self._catalogue = catalogue
        self._transport = transport
        self._prepare = prepare
        self._environments = environments
        self._resolver = Resolver(storage.estate, self.environment_of, catalogue.types_for)

    def environment_of(self, resource: Resource) -> str:
        """Return a resource's environment class, of its tags and its account."""
        configured = self._environments.get(resource.account_name, "")
        return environment_class(resource.tags, configured, resource.account_name)

    def preview(self, prompt: str) -> bytes:
        """Return exactly what ``ask`` would send, empty when it would be answered on this host; sends nothing."""
        resolution = self._resolver.resolve(prompt)
        if resolution.question or not resolution.intent.changes:
            return b""
        prepared = self._request(prompt, resolution, [])
        return preview(prepared.request, prepared.private)

    def ask(self, prompt: str, conversation: str) -> Answer:
        """Answer one request and remember both.

        Raises:
            CloudOpsError: The request cannot be read, sent or planned; the conversation keeps the request.
        """
        conversation = conversation or str(uuid.uuid4())
        history = self._storage.chat.history(conversation, limit=REMEMBERED)
        exchanges = [dict(message.metadata) for message in history if message.role == "user"]
        resolution = self._resolver.resolve(prompt, previous=self._last_targets(exchanges))
        self._remember(conversation, "user", prompt, _exchange(resolution))
        try:
            answer = self._answer(prompt, resolution, exchanges)
        except (PlanError, PlaybookError) as error:
            answer = Answer("refusal", str(error))
        kept = {"kind": answer.kind, "plan": answer.plan.id if answer.plan else "", "bytes_sent": answer.bytes_sent}
        self._remember(conversation, "assistant", answer.text, kept)
        return Answer(**{**vars(answer), "conversation": conversation})

    def _answer(self, prompt: str, resolution: Resolution, exchanges: Sequence[Mapping[str, Any]]) -> Answer:
        if resolution.question:
            return Answer("clarification", resolution.question, candidates=resources_frame(resolution.candidates))
        if not resolution.intent.changes:
            return self._inform(prompt, resolution)
        sent = [
            {"words": exchange["words"], "intent": exchange["intent"]} for exchange in exchanges if exchange["words"]
        ]
        prepared = self._request(prompt, resolution, sent)
        gate = EgressGate(self._transport(), self._storage.journal)
        response, size = gate.send(prepared.request, prepared.private)
        return self._bound(response, resolution, size)

    def _bound(self, response: PlanResponse, resolution: Resolution, size: int) -> Answer:
        text = reveal(response.text, resolution)
        if response.kind != "plan":
            return Answer(response.kind, text, bytes_sent=size)
        try:
            plan = self._prepare(bind(response, resolution, self._catalogue))
        except (PlanError, PlaybookError) as error:
            return Answer("refusal", str(error), bytes_sent=size)
        return Answer("plan", plan.explanation, plan=plan, bytes_sent=size)

    def _inform(self, prompt: str, resolution: Resolution) -> Answer:
        """Answer a question from the store alone."""
        if resolution.members:
            found = resolution.members[:ROWS]
            total = len(resolution.members)
            text = f"{total} resources fit." if total != 1 else "One resource fits."
            return Answer("information", text, frame=resources_frame(found))
        hits = self._storage.estate.search(prompt, limit=10)
        text = "The nearest in the estate." if hits else "The estate holds nothing that fits. Has it been scanned?"
        return Answer("information", text, frame=hits_frame(hits, scored=True))

    def _request(self, prompt: str, resolution: Resolution, exchanges: Sequence[Mapping[str, Any]]) -> Prepared:
        places = {
            place for field in ("account_id", "account_name", "region") for place in self._storage.estate.facets(field)
        }
        request = build(resolution, self.environment_of, history=exchanges)
        return Prepared(request, private_values(resolution, prompt, places), resolution)

    def _last_targets(self, exchanges: Sequence[Mapping[str, Any]]) -> list[Resource]:
        keys: Sequence[str] = next((exchange["targets"] for exchange in reversed(exchanges) if exchange["targets"]), [])
        found = [self._storage.estate.get(key) for key in keys]
        return [resource for resource in found if resource is not None]

    def _remember(self, conversation: str, role: Role, content: str, metadata: Mapping[str, Any]) -> None:
        self._storage.chat.append(conversation, role, content, metadata)


def _exchange(resolution: Resolution) -> dict[str, Any]:
    return {
        "words": list(resolution.words),
        "intent": resolution.intent.action,
        "targets": [member.canonical_key for member in resolution.members],
    }
