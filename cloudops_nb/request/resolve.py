"""Finding out, on the host, which resources a prompt means.

What reaches the wire rests on exact and literal matches only: an id, a name, an ARN, a fragment of a name, a tag word,
and the structural words of the vocabulary. Similarity in meaning never picks a target, it only suggests candidates.
And a change is asked back unless every word of it was understood: what falls away could have been "except".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloudops_nb.model import ResourceFilter
from cloudops_nb.request.candidates import Conditions, matches_word
from cloudops_nb.request.questions import Found, question_about
from cloudops_nb.request.reading import Reading
from cloudops_nb.understanding.intent import Intent, classify
from cloudops_nb.understanding.tokens import ValueType, value_type
from cloudops_nb.understanding.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.request.ports import Abilities, Estate

#: How many candidates a clarification shows.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a prompt means on this host.

    ``words`` is the prompt as it may travel; ``members`` the resources behind handle ``r1``; ``values`` the text behind
    each ``v`` slot and ``types`` its type. ``question`` is set when nothing may be sent: then ``candidates`` are what
    could be meant.
    """

    intent: Intent
    words: Sequence[str] = ()
    members: Sequence[Resource] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, ValueType] = field(default_factory=dict)
    question: str = ""
    candidates: Sequence[Resource] = ()


class Resolver:
    """Resolves prompts against one estate; holds no state between calls.

    Args:
        estate: The estate on this host.
        environment_of: Returns a resource's environment class.
        abilities: What the playbooks of this host can do.
    """

    def __init__(self, estate: Estate, environment_of: Callable[[Resource], str], abilities: Abilities) -> None:
        self._estate = estate
        self._environment_of = environment_of
        self._abilities = abilities

    def resolve(self, prompt: str, *, previous: Sequence[Resource] = ()) -> Resolution:
        """Return what the prompt means.

        Args:
            prompt: The request in words.
            previous: The targets of the conversation's last request, which "it" and "them" mean.

        Raises:
            PromptError: The prompt is empty or longer than a request may be.
        """
        reading = Reading.of(prompt)
        intent = classify(reading.words)
        named = self._named(reading, intent)
        where = self._conditions(reading, intent)
        found = self._found(reading, intent, named, where, previous)
        self._take_values(reading, intent)
        if intent.changes and (
            question := question_about(reading, intent, found, self._named_by_words(reading, found))
        ):
            shown = found.members or self._suggestions(prompt, intent)
            return Resolution(intent, question=question, candidates=tuple(shown[:SHOWN]))
        words, values, types = reading.travelling(with_target=bool(found.members))
        return Resolution(intent, words, tuple(found.members), values, types)

    def _named(self, reading: Reading, intent: Intent) -> list[list[Resource]]:
        """Mark the spans that equal an id, a name or an ARN, longest first, and return what each names."""
        found: list[list[Resource]] = []
        for span in reading.spans():
            roles = {reading.roles[place] for place in span}
            if "open" in roles and roles <= {"open", "word"} and (hits := self._estate.lookup(reading.text(span))):
                for place in span:
                    reading.roles[place] = "target"
                found.append(self._fitting(hits, intent))
        return _intersected(found)

    def _fitting(self, hits: Sequence[Resource], intent: Intent) -> list[Resource]:
        """Prefer what the action can act on: a volume may carry its instance's name."""
        types = self._abilities.types_for(intent.action) if intent.changes else ()
        return [hit for hit in hits if hit.resource_type in types] or list(hits)

    def _conditions(self, reading: Reading, intent: Intent) -> Conditions:
        """Read places, tags and the vocabulary's structural words as conditions on the target."""
        language, words = vocabulary(), reading.words
        found = Conditions(
            types={language.resource_types[word] for word in words if word in language.resource_types},
            engines={language.engines[word] for word in words if word in language.engines},
            environments={language.environments[word] for word in words if word in language.environments},
            states={word for word in words if word in language.states},
        )
        accounts, regions = self._folded("account_id") | self._folded("account_name"), self._folded("region")
        for place in reading.places("open"):
            token = reading.tokens[place]
            if token.folded in accounts:
                found.accounts.add(accounts[token.folded])
                reading.roles[place] = "place"
            elif token.folded in regions:
                found.regions.add(regions[token.folded])
                reading.roles[place] = "place"
            elif "=" in token.text and intent.action != "tag" and self._tag_exists(token.text):
                key, _, value = token.text.partition("=")
                found.tags[key] = value
                reading.roles[place] = "target"
        return found

    def _folded(self, facet: str) -> dict[str, str]:
        return {value.casefold(): value for value in self._estate.facets(facet) if value}

    def _tag_exists(self, text: str) -> bool:
        key, _, value = text.partition("=")
        return bool(self._estate.resources(ResourceFilter(tags={key: value}), limit=1))

    def _found(
        self,
        reading: Reading,
        intent: Intent,
        named: Sequence[Sequence[Resource]],
        where: Conditions,
        previous: Sequence[Resource],
    ) -> Found:
        """Return the target: what is named, else what a pronoun refers to, else what is described."""
        pronouns = vocabulary().pronouns & set(reading.words)
        if named:
            narrowed = [[hit for hit in hits if self._admits(where, hit)] for hits in named]
            members = {hit.canonical_key: hit for hits in narrowed for hit in hits}
            settled = all(len(hits) == 1 for hits in narrowed)
            return Found(list(members.values()), settled=settled, contradicted=not all(narrowed))
        if pronouns:
            members_before = [resource for resource in previous if self._admits(where, resource)]
            plural = bool(pronouns & vocabulary().plural_pronouns)
            return Found(members_before, settled=plural or len(members_before) == 1)
        described = self._described(reading, where, intent)
        return Found(described, settled=len(described) == 1)

    def _admits(self, where: Conditions, resource: Resource) -> bool:
        return where.admits(resource, self._environment_of(resource))

    def _described(self, reading: Reading, where: Conditions, intent: Intent) -> list[Resource]:
        """Return what passes the conditions and holds every open word that any of it holds."""
        types = where.types or (set(self._abilities.types_for(intent.action)) if intent.changes else set())
        hits = [hit.resource for kind in sorted(types) or [""] for hit in self._estate.resources(where.filter(kind))]
        members = [hit for hit in hits if self._admits(where, hit)]
        matched = False
        for place in reading.places("open"):
            token = reading.tokens[place]
            if value_type(token.text) != "text" or reading.follows_naming(place):
                continue
            if narrowed := [member for member in members if matches_word(member, token.folded)]:
                members, matched = narrowed, True
                reading.roles[place] = "target"
        return members if matched or where.names_something else []

    def _take_values(self, reading: Reading, intent: Intent) -> None:
        """Mark what can be a value of the action; a bare word is one only where the request says that it is a name."""
        taken = self._abilities.value_types_for(intent.action)
        for place in reading.places("open"):
            token = reading.tokens[place]
            kind = value_type(token.text)
            stated = kind != "text" or token.quoted or reading.follows_naming(place)
            if kind in taken and stated:
                reading.roles[place] = "value"

    def _named_by_words(self, reading: Reading, found: Found) -> list[str]:
        """Return runs of published words that are also the name of a resource outside the target."""
        inside = {member.canonical_key for member in found.members}
        return [
            reading.text(span)
            for span in reading.spans()
            if {reading.roles[place] for place in span} == {"word"}
            and any(hit.canonical_key not in inside for hit in self._estate.lookup(reading.text(span)))
        ]

    def _suggestions(self, prompt: str, intent: Intent) -> list[Resource]:
        types = self._abilities.types_for(intent.action)
        hits = [hit.resource for hit in self._estate.search(prompt, limit=SHOWN)]
        return [hit for hit in hits if hit.resource_type in types] or hits


def _intersected(named: Sequence[list[Resource]]) -> list[list[Resource]]:
    """Let a span that names fewer decide within one that names more: "web (i-0abc)" means the one web with that id."""
    keys = [{hit.canonical_key for hit in hits} for hits in named]
    kept = []
    for hits, own in zip(named, keys, strict=True):
        within = set().union(*(other for other in keys if other < own))
        kept.append([hit for hit in hits if not within or hit.canonical_key in within])
    return kept
