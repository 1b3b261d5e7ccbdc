"""Finding out, on the host, which resources a prompt means.

What reaches the wire rests on exact and literal matches only: an id, a name, an ARN, a fragment of a name, a tag word,
and the structural words of the vocabulary. Similarity in meaning never picks a target, it only suggests candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloudops_nb.errors import PromptError
from cloudops_nb.model import ResourceFilter
from cloudops_nb.protocol import MAX_VALUES, MAX_WORDS
from cloudops_nb.request.candidates import Conditions, matches_word
from cloudops_nb.understanding.intent import Intent, classify
from cloudops_nb.understanding.tokens import Token, ValueType, tokenize, value_type
from cloudops_nb.understanding.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.request.ports import Estate

#: A name may hold spaces; longer runs of words are not tried as one name.
LONGEST_NAME = 4
#: How many candidates a clarification shows.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a prompt means on this host.

    ``words`` is the prompt as it may travel; ``members`` the resources behind handle ``r1``; ``values`` the text behind
    each ``v`` slot and ``types`` its type. ``question`` is set when nothing may be sent: then ``candidates`` are what
    could be meant. ``where`` is what the structural words were taken for.
    """

    intent: Intent
    words: Sequence[str] = ()
    members: Sequence[Resource] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, ValueType] = field(default_factory=dict)
    question: str = ""
    candidates: Sequence[Resource] = ()
    where: Conditions = field(default_factory=Conditions)


@dataclass(slots=True)
class _Reading:
    """The tokens of one prompt and the role of each: ``word``, ``target``, ``place``, ``value``, or still ``open``."""

    tokens: list[Token]
    roles: list[str]

    def open_places(self) -> list[int]:
        return [place for place, role in enumerate(self.roles) if role == "open"]


class Resolver:
    """Resolves prompts against one estate; holds no state between calls.

    Args:
        estate: The estate on this host.
        environment_of: Returns a resource's environment class.
        types_for: Returns the resource types that the catalogue's playbooks for an intent act on.
    """

    def __init__(
        self,
        estate: Estate,
        environment_of: Callable[[Resource], str],
        types_for: Callable[[str], Collection[str]],
    ) -> None:
        self._estate = estate
        self._environment_of = environment_of
        self._types_for = types_for

    def resolve(self, prompt: str, *, previous: Sequence[Resource] = ()) -> Resolution:
        """Return what the prompt means.

        Args:
            prompt: The request in words.
            previous: The targets of the conversation's last request, which "it" and "them" mean.

        Raises:
            PromptError: The prompt is empty or longer than a request may be.
        """
        reading = _read(prompt)
        words = [token.folded for token, role in zip(reading.tokens, reading.roles, strict=True) if role == "word"]
        intent = classify(words)
        named = self._exact(reading, intent)
        where = self._conditions(reading, words, intent)
        if named:
            members = self._narrow([hit for hits in named for hit in hits], where)
        elif where.names_something or reading.open_places():
            members = self._described(reading, where, intent)
        elif vocabulary().pronouns & set(words):
            members = list(previous)
        else:
            members = []
        if question := self._question(intent, members, words, named=len(named), where=where):
            shown = members or ([] if where.names_something else self._suggestions(prompt, intent))
            return Resolution(intent, question=question, candidates=tuple(shown[:SHOWN]), where=where)
        return _finish(reading, intent, members, where)

    def _exact(self, reading: _Reading, intent: Intent) -> list[Sequence[Resource]]:
        """Mark the spans that equal an id, a name or an ARN, longest first, and return what each names."""
        found: list[Sequence[Resource]] = []
        for length in range(min(LONGEST_NAME, len(reading.tokens)), 0, -1):
            for start in range(len(reading.tokens) - length + 1):
                span = range(start, start + length)
                roles = {reading.roles[place] for place in span}
                if "open" not in roles or not roles <= {"open", "word"}:
                    continue
                hits = self._estate.lookup(" ".join(reading.tokens[place].text for place in span))
                if hits:
                    for place in span:
                        reading.roles[place] = "target"
                    found.append(self._fitting(hits, intent))
        return found

    def _fitting(self, hits: Sequence[Resource], intent: Intent) -> Sequence[Resource]:
        """Prefer what the action can act on: a volume may carry its instance's name."""
        types = self._types_for(intent.action) if intent.changes else ()
        return [hit for hit in hits if hit.resource_type in types] or hits

    def _conditions(self, reading: _Reading, words: Sequence[str], intent: Intent) -> Conditions:
        """Read places, tags and the vocabulary's structural words as conditions on the target."""
        language = vocabulary()
        accounts = {**self._folded("account_id"), **self._folded("account_name")}
        regions = self._folded("region")
        found = Conditions(
            types={language.resource_types[word] for word in words if word in language.resource_types},
            engines={language.engines[word] for word in words if word in language.engines},
            environments={language.environments[word] for word in words if word in language.environments},
            states={word for word in words if word in language.states},
        )
        for place in reading.open_places():
            text = reading.tokens[place].folded
            if text in accounts:
                found.accounts.add(accounts[text])
            elif text in regions:
                found.regions.add(regions[text])
            elif "=" in text and intent.action != "tag" and self._tag_exists(reading.tokens[place].text):
                key, _, value = reading.tokens[place].text.partition("=")
                found.tags[key] = value
                reading.roles[place] = "target"
                continue
            elif value_type(text) == "text":
                continue
            reading.roles[place] = "place" if text in accounts or text in regions else "value"
        return found

    def _folded(self, facet: str) -> dict[str, str]:
        return {value.casefold(): value for value in self._estate.facets(facet) if value}

    def _tag_exists(self, text: str) -> bool:
        key, _, value = text.partition("=")
        return bool(self._estate.resources(ResourceFilter(tags={key: value}), limit=1))

    def _narrow(self, named: Sequence[Resource], where: Conditions) -> list[Resource]:
        """Apply the conditions to exact matches, unless they would leave nothing: then the person must be asked."""
        members = list({member.canonical_key: member for member in named}.values())
        return [member for member in members if where.admits(member, self._environment_of(member))] or members

    def _described(self, reading: _Reading, where: Conditions, intent: Intent) -> list[Resource]:
        """Return what passes the conditions and holds every open word; a word that nothing holds is no description.

        A quoted span may be a value instead (a new snapshot's name), a bare one may not: "stop the payments database"
        must not stop another database because no name has "payments" in it.
        """
        types = where.types or (set(self._types_for(intent.action)) if intent.changes else set())
        hits = [hit.resource for kind in sorted(types) or [""] for hit in self._estate.resources(where.filter(kind))]
        members = [hit for hit in hits if where.admits(hit, self._environment_of(hit))]
        matched = False
        for place in reading.open_places():
            token = reading.tokens[place]
            narrowed = [member for member in members if matches_word(member, token.folded)]
            if narrowed:
                members, matched = narrowed, True
                reading.roles[place] = "target"
            elif not token.quoted:
                return []
        return members if matched or where.names_something else []

    def _suggestions(self, prompt: str, intent: Intent) -> list[Resource]:
        types = self._types_for(intent.action) if intent.changes else ()
        hits = [hit.resource for hit in self._estate.search(prompt, limit=SHOWN)]
        return [hit for hit in hits if hit.resource_type in types] or hits

    def _question(
        self,
        intent: Intent,
        members: Sequence[Resource],
        words: Sequence[str],
        *,
        named: int,
        where: Conditions,
    ) -> str:
        """Return what has to be asked before anything is sent, empty when intent and target are settled."""
        if not intent.changes:
            return ""
        if intent.negated:
            return f"The request says not to {intent.action}. Say what to do instead."
        if others := [other for other in intent.others if other not in vocabulary().reading]:
            return f"One change at a time: {intent.action}, or {' or '.join(others)}?"
        if not members:
            return f"Nothing in the estate fits what to {intent.action}. Name it by id or name."
        if named and not all(where.admits(member, self._environment_of(member)) for member in members):
            return "What is named does not fit the other words (state, environment, type or place). Which is meant?"
        return _which(intent, members, words, named)


def _which(intent: Intent, members: Sequence[Resource], words: Sequence[str], named: int) -> str:
    """Return the question that several fitting resources raise, empty when all of them are meant."""
    if len({member.resource_type for member in members}) > 1:
        return f"More than one type of resource fits. Which should I {intent.action}?"
    meant = (vocabulary().quantifiers | vocabulary().pronouns) & set(words)
    if len(members) > 1 and not meant and len(members) != named:
        return f"{len(members)} resources fit. Which should I {intent.action}? Say 'all' if all are meant."
    return ""


def _read(prompt: str) -> _Reading:
    tokens = tokenize(prompt)
    if not tokens:
        raise PromptError("the request is empty", "", "Say what to do and to what, as in: stop jenkins")
    if len(tokens) > MAX_WORDS:
        raise PromptError("the request is too long", f"{len(tokens)} words, the most is {MAX_WORDS}", "Ask in parts.")
    public = vocabulary().words
    return _Reading(tokens, ["word" if t.folded in public and not t.quoted else "open" for t in tokens])


def _finish(reading: _Reading, intent: Intent, members: Sequence[Resource], where: Conditions) -> Resolution:
    """Write the prompt as it may travel: public words, one handle, typed slots."""
    words: list[str] = []
    values: dict[str, str] = {}
    types: dict[str, ValueType] = {}
    for token, role in zip(reading.tokens, reading.roles, strict=True):
        if role == "word":
            words.append(token.folded)
        elif role == "target":
            if "r1" not in words:
                words.append("r1")
        else:
            slot = next((known for known, text in values.items() if text == token.text), f"v{len(values) + 1}")
            values[slot] = token.text
            types[slot] = "place" if role == "place" else value_type(token.text)
            words.append(slot)
    if len(values) > MAX_VALUES:
        raise PromptError(
            "the request holds too many values", f"{len(values)}, the most is {MAX_VALUES}", "Ask in parts."
        )
    if members and "r1" not in words:
        words.append("r1")
    return Resolution(intent, tuple(words), tuple(members), values, types, where=where)
