"""Answers requests in words: resolve, build, gate, send, bind, prepare, remember."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from cloudops_nb.client.answer import Answer
from cloudops_nb.client.frames import hits_frame, resources_frame
from cloudops_nb.errors import PlanError, PlaybookError
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
    from cloudops_nb.storage.facade import StorageService

#: How many messages back a conversation is read; five exchanges are ten messages.
REMEMBERED = 10
#: How many rows an answer to a question holds.
ROWS = 50


@dataclass(frozen=True)
class Prepared:
    """A request as it would leave, with what must not stand in it."""

    request: PlanRequest
    private: set[str]


@dataclass(frozen=True)
class Past:
    """What a conversation brings to the next request: the exchanges that really left, and the last one's targets."""

    sent: Sequence[Mapping[str, Any]] = ()
    targets: Sequence[Resource] = ()


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

    @property
    def _resolver(self) -> Resolver:
        """Over the estate that is open now: a restore puts another one in its place."""
        return Resolver(self._storage.estate, self.environment_of, self._catalogue)

    def environment_of(self, resource: Resource) -> str:
        """Return a resource's environment class, of its tags and its account."""
        configured = self._environments.get(resource.account_name, "")
        return environment_class(resource.tags, configured, resource.account_name)

    def preview(self, prompt: str, conversation: str) -> bytes:
        """Return exactly what ``ask`` would send, empty when it would be answered on this host; sends nothing."""
        past = self._past(conversation)
        resolution = self._resolver.resolve(prompt, previous=past.targets)
        if resolution.question or not resolution.intent.changes:
            return b""
        prepared = self._request(prompt, resolution, past)
        return preview(prepared.request, prepared.private)

    def ask(self, prompt: str, conversation: str) -> Answer:
        """Answer one request and remember both.

        Raises:
            CloudOpsError: The request cannot be read or sent; the conversation keeps the request.
        """
        conversation = conversation or str(uuid.uuid4())
        past = self._past(conversation)
        resolution = self._resolver.resolve(prompt, previous=past.targets)
        self._remember(conversation, "user", prompt, _exchange(resolution))
        answer = self._answer(prompt, resolution, past)
        kept = {"kind": answer.kind, "plan": answer.plan.id if answer.plan else "", "bytes_sent": answer.bytes_sent}
        self._remember(conversation, "assistant", answer.text, kept)
        return Answer(**{**vars(answer), "conversation": conversation})

    def _answer(self, prompt: str, resolution: Resolution, past: Past) -> Answer:
        if resolution.question:
            return Answer("clarification", resolution.question, candidates=resources_frame(resolution.candidates))
        if not resolution.intent.changes:
            return self._inform(prompt, resolution)
        prepared = self._request(prompt, resolution, past)
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

    def _request(self, prompt: str, resolution: Resolution, past: Past) -> Prepared:
        places = {
            place for field in ("account_id", "account_name", "region") for place in self._storage.estate.facets(field)
        }
        request = build(resolution, self.environment_of, history=past.sent)
        return Prepared(request, private_values(resolution, prompt, places))

    def _past(self, conversation: str) -> Past:
        """Return what a conversation's earlier requests mean for the next one."""
        if not conversation:
            return Past()
        messages = self._storage.chat.history(conversation, limit=REMEMBERED)
        pairs = [(each, after) for each, after in zip_longest(messages, messages[1:]) if each.role == "user"]
        sent = tuple(
            {"words": each.metadata["words"], "intent": each.metadata["intent"]}
            for each, after in pairs
            if after is not None and after.role == "assistant" and after.metadata["bytes_sent"]
        )
        keys = pairs[-1][0].metadata["targets"] if pairs else []
        found = [resource for key in keys if (resource := self._storage.estate.get(key)) is not None]
        # If one of them is gone, "them" no longer means what it meant.
        return Past(sent, tuple(found) if len(found) == len(keys) else ())

    def _remember(self, conversation: str, role: Role, content: str, metadata: Mapping[str, Any]) -> None:
        self._storage.chat.append(conversation, role, content, metadata)


def _exchange(resolution: Resolution) -> dict[str, Any]:
    return {
        "words": list(resolution.words),
        "intent": resolution.intent.action,
        "targets": [member.canonical_key for member in resolution.members],
    }
