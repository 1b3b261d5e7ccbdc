"""Answers prompts, which a person writes in plain words.

A question is answered from the store. For a change, :class:`Assistant` finds the resources that the prompt names, and
sends the playbook server a request without private values. The server's response names a playbook, and a plan is made
from this host's own copy of that playbook.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from cloudops_nb.client.answer import Answer
from cloudops_nb.client.frames import hits_frame, resources_frame
from cloudops_nb.client.intact_estate import ReadFailures, require_intact
from cloudops_nb.errors import PlanError, PlaybookError, StoreCorruptedError
from cloudops_nb.request.bind import bind, reveal
from cloudops_nb.request.builder import build, private_values
from cloudops_nb.request.egress import EgressGate, checked_bytes
from cloudops_nb.request.resolve import Resolver
from cloudops_nb.understanding.environment import environment_class, published_environment

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

#: The number of a conversation's last messages that are context for the next prompt: five prompts and their answers.
CONTEXT_MESSAGES = 10
_LEFT_OUT = "Rows were left out, because they could not be decrypted ({times} failures); a scan writes them again."
_ALTERED = "The answer may be incomplete: {difference}."
#: The largest number of resources that an answer to a question shows.
LARGEST_ANSWER = 50


@dataclass(frozen=True)
class PreparedRequest:
    """A request to the playbook server, and the private values that the request must not contain."""

    request: PlanRequest
    private: set[str]


@dataclass(frozen=True)
class ConversationContext:
    """The context of a conversation's next prompt.

    Attributes:
        sent: The words and the intent of each earlier request that the playbook server received.
        targets: The targets of the previous prompt, even if no request was sent for it; "them" in the next prompt means
            these resources.
    """

    sent: Sequence[Mapping[str, Any]] = ()
    targets: Sequence[Resource] = ()


class Assistant:
    """Answers prompts about the resources of one store; threads may share it, because it keeps no state between calls.

    Args:
        storage: The store on this host.
        catalogue: The playbooks on this host.
        transport: Returns the transport to the playbook server.
        prepare: Makes a plan from a bound playbook, which is a playbook with its targets and parameters.
        environments: The configured environments, such as ``production``, by account name.
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
        """A new resolver for the current estate; it is not kept, because a restore replaces the estate object."""
        return Resolver(self._storage.estate, self.environment_of, self._catalogue)

    def environment_of(self, resource: Resource) -> str:
        """Return a resource's environment class, such as ``production``, from all that this host knows."""
        return environment_class(
            label=self._label_of(resource),
            account_name=resource.account_name,
            tags=resource.tags,
            name=resource.name or resource.identifier,
            tags_are_old=resource.tags_are_old,
        )

    def _published_environment_of(self, resource: Resource) -> str:
        """Return the environment class that may leave this host."""
        return published_environment(self._label_of(resource), resource.tags, tags_are_old=resource.tags_are_old)

    def _label_of(self, resource: Resource) -> str:
        return self._environments.get(resource.account_name, "")

    def preview(self, prompt: str, conversation: str) -> bytes:
        """Return the bytes that :meth:`ask` would send; empty if it would send no request.

        Only the random request id differs from the one that :meth:`ask` sends.
        """
        context = self._context(conversation)
        resolution, left_out = self._resolved(prompt, context)
        prepared = self._prepared_request(prompt, resolution, context, left_out)
        return b"" if prepared is None else checked_bytes(prepared.request, prepared.private)

    def ask(self, prompt: str, conversation: str) -> Answer:
        """Answer one prompt, and keep the prompt and the answer in the conversation.

        Raises:
            PromptError: The prompt is empty or too long; the conversation does not keep it.
            CloudOpsError: The prompt was understood but not answered, for example because the estate was altered; the
                conversation keeps the prompt.
        """
        conversation = conversation or str(uuid.uuid4())
        context = self._context(conversation)
        resolution, left_out = self._resolved(prompt, context)
        # Store the prompt before answering it, so that the conversation also keeps a prompt that cannot be answered.
        self._remember(conversation, "user", prompt, _request_metadata(resolution))
        answer = self._answer(prompt, resolution, context, left_out)
        metadata = {"kind": answer.kind, "plan": answer.plan.id if answer.plan else "", "bytes_sent": answer.bytes_sent}
        self._remember(conversation, "assistant", answer.text, metadata)
        return Answer(**{**vars(answer), "conversation": conversation})

    def _resolved(self, prompt: str, context: ConversationContext) -> tuple[Resolution, int]:
        """Return the resolved prompt, and how often a row that it may mean could not be decrypted."""
        # A damaged index could hide one of two resources with the same name.
        self._storage.estate.integrity.mend_indexes()
        failures = ReadFailures(self._storage)
        resolution = self._resolver.resolve(prompt, previous=context.targets)
        return resolution, failures.count

    def _answer(self, prompt: str, resolution: Resolution, context: ConversationContext, left_out: int) -> Answer:
        prepared = self._prepared_request(prompt, resolution, context, left_out)
        if resolution.question:
            return Answer("clarification", resolution.question, candidates=resources_frame(resolution.candidates))
        if prepared is None:
            return self._with_notes(self._inform(prompt, resolution), left_out)
        gate = EgressGate(self._transport(), self._storage.journal)
        response, size = gate.send(prepared.request, prepared.private)
        return self._answer_from(response, resolution, size)

    def _with_notes(self, answer: Answer, left_out: int) -> Answer:
        """Return an answer from the store with notes of rows that are missing in it, or may be."""
        notes = [_LEFT_OUT.format(times=left_out)] if left_out else []
        differences = self._storage.estate.integrity.check(again=False).warnings()
        notes += [_ALTERED.format(difference=difference) for difference in differences]
        return Answer(**{**vars(answer), "text": " ".join([answer.text, *notes])})

    def _answer_from(self, response: PlanResponse, resolution: Resolution, size: int) -> Answer:
        text = reveal(response.text, resolution)
        if response.kind != "plan":
            return Answer(response.kind, text, bytes_sent=size)
        try:
            plan = self._prepare(bind(response, resolution, self._catalogue))
        except (PlanError, PlaybookError, StoreCorruptedError) as error:
            # The request has left the host, so return an answer with the number of bytes sent, instead of raising.
            return Answer("refusal", str(error), bytes_sent=size)
        return Answer("plan", plan.explanation, plan=plan, bytes_sent=size)

    def _inform(self, prompt: str, resolution: Resolution) -> Answer:
        """Answer a question from the store, without the playbook server."""
        if resolution.members:
            shown = resolution.members[:LARGEST_ANSWER]
            total = len(resolution.members)
            text = f"{total} resources match." if total != 1 else "One resource matches."
            return Answer("information", text, frame=resources_frame(shown))
        hits = self._storage.estate.search(prompt, limit=10)
        text = "The closest matches in the estate." if hits else "No resource in the estate matches. Was it scanned?"
        return Answer("information", text, frame=hits_frame(hits, scored=True))

    def _prepared_request(
        self, prompt: str, resolution: Resolution, context: ConversationContext, left_out: int
    ) -> PreparedRequest | None:
        """Return the request to send for a prompt; ``None`` if this host answers the prompt or asks back.

        Raises:
            StoreCorruptedError: The prompt asks for a change, and the estate was altered, or a row that the prompt may
                mean could not be decrypted (``left_out`` is not 0).
        """
        if not resolution.intent.changes:
            return None
        require_intact(self._storage, left_out, "a stored resource that the prompt may mean", again=False)
        if resolution.question:
            return None
        # EgressGate refuses a request that contains a private value. The accounts and regions of all resources are
        # private values, not only those of the targets, because a prompt may mention any of them.
        facets = self._storage.estate.facets
        accounts_and_regions = {value for field in ("account_id", "account_name", "region") for value in facets(field)}
        request = build(resolution, self._published_environment_of, history=context.sent)
        return PreparedRequest(request, private_values(resolution, prompt, accounts_and_regions))

    def _context(self, conversation: str) -> ConversationContext:
        """Return the context of a conversation's next prompt; empty for a new conversation."""
        if not conversation:
            return ConversationContext()
        messages = self._storage.chat.history(conversation, limit=CONTEXT_MESSAGES)
        pairs = [(each, after) for each, after in zip_longest(messages, messages[1:]) if each.role == "user"]
        sent = tuple(
            {"words": each.metadata["words"], "intent": each.metadata["intent"]}
            for each, after in pairs
            # If the answer says that 0 bytes were sent, the server has received no request for this prompt.
            if after is not None and after.role == "assistant" and after.metadata["bytes_sent"]
        )
        keys = pairs[-1][0].metadata["targets"] if pairs else []
        found = [resource for key in keys if (resource := self._storage.estate.get(key)) is not None]
        # If a target no longer exists, return no targets: the remaining ones are not the "them" that the person saw.
        return ConversationContext(sent, tuple(found) if len(found) == len(keys) else ())

    def _remember(self, conversation: str, role: Role, content: str, metadata: Mapping[str, Any]) -> None:
        self._storage.chat.append(conversation, role, content, metadata)


def _request_metadata(resolution: Resolution) -> dict[str, Any]:
    return {
        "words": list(resolution.words),
        "intent": resolution.intent.action,
        "targets": [member.canonical_key for member in resolution.members],
    }
