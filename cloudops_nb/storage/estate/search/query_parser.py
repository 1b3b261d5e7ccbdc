"""Parses a query into slots and remaining words.

A slot is a property that words of the query name: a type, engine, environment, state, account, region or tag. Filler
words such as "the" are ignored; all other words remain, and are searched for.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from cloudops_nb.storage.estate.lexicon import folded, lexicon, phrase, stem, words, words_of_type
from cloudops_nb.storage.estate.search.query_grammar import QuerySpan, resolve_heads
from cloudops_nb.understanding.environment import ENVIRONMENT_TAGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudops_nb.storage.estate.search.estate_words import WordsAtGeneration

_TOKEN = re.compile(r"[^\s,;\"'`?!()]+")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_REGION_START = re.compile(r"[a-z]{2}-[a-z]+")
_ACCOUNT_ID = re.compile(r"\d{12}")
_TAG = re.compile(r"([^=:]+)[=:]([^=:]+)")
#: A token with one of these characters is a name or an id, not a plain word.
_IDENTIFYING = re.compile(r"[\d\-_./:]")
#: A plural with hyphens, such as "load-balancers", which may be a type; the singular "load-balancer" may be a name.
_HYPHENATED = re.compile(r"[a-z]+(-[a-z]+)+s")
#: Largest number of words in a phrase that names a slot.
_LONGEST_PHRASE = 4
#: Smallest number of words in a phrase for a type with another word inside, such as "rds postgres instance".
_SHORTEST_INTERRUPTED = 3
#: Largest number of words in a tag's key, and in a tag's value.
_LONGEST_KEY = _LONGEST_VALUE = 2
#: The texts that may join the words of a tag's value.
_SEPARATORS = ("-", " ", "_")

#: The names of the slots, in the order in which the reasons for a hit and the interpretation of a query list them.
SLOTS = ("type", "engine", "environment", "state", "account", "region", "tag")


@dataclass(frozen=True)
class ParsedQuery:
    """A query in parts.

    Attributes:
        text: The whole query.
        tokens: All tokens (words, names and ids without surrounding punctuation) as typed; only a declared word with
            capitals inside is folded (lower case).
        slots: Each slot that the query names, with its possible values, folded.
        rest: The tokens that name no slot and are not filler.
        content: The tokens that are not filler, in the order of the query; misspelt tokens that name a slot are
            corrected.
        corrections: Each misspelt word that names a slot, with its correction.
    """

    text: str
    tokens: Sequence[str]
    slots: Mapping[str, frozenset[str]]
    rest: Sequence[str] = ()
    content: Sequence[str] = ()
    corrections: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def rest_text(self) -> str:
        """The remaining tokens (``rest``), joined by blanks."""
        return " ".join(self.rest)

    @cached_property
    def rest_words(self) -> list[str]:
        """The folded words of the remaining tokens."""
        return words(self.rest_text)

    @cached_property
    def content_words(self) -> list[str]:
        """The folded words of all tokens except filler."""
        return words(" ".join(self.content))

    @cached_property
    def structure_words(self) -> list[str]:
        """The folded words that name slots and are not among the remaining words."""
        remaining = set(self.rest_words)
        return [word for word in self.content_words if word not in remaining]

    @cached_property
    def corrected_text(self) -> str:
        """The text that is embedded: all tokens, with corrected misspellings."""
        return " ".join(self.corrections.get(token, token) for token in self.tokens)

    @cached_property
    def identifying(self) -> bool:
        """Whether a remaining token looks like a name or an id, so that its letters matter, not its meaning."""
        return any(_IDENTIFYING.search(token) for token in self.rest)

    @cached_property
    def identifiers(self) -> frozenset[str]:
        """The folded texts that surely mean a whole id, name or ARN: the query, and each name-like token."""
        named = (token for token in self.tokens if _IDENTIFYING.search(token))
        return frozenset(folded(text) for text in (self.text, *named) if text)

    @cached_property
    def names(self) -> frozenset[str]:
        """The folded texts that may mean a whole id, name or ARN: :attr:`identifiers`, and :attr:`rest_text`."""
        return self.identifiers | {folded(self.rest_text)} - {""}


def parse_query(text: str, known: WordsAtGeneration) -> ParsedQuery:
    """Parse a query; ``known`` gives the accounts, types, tags and words that the estate has."""
    tokens = [_without_inner_capitals(token.strip(".:")) for token in _TOKEN.findall(text)]
    tokens = [token for token in tokens if words(token)]
    return _parsed_query(text.strip(), tokens, resolve_heads(_SpanReader(tokens, known).spans()))


def _without_inner_capitals(token: str) -> str:
    """Fold a declared word such as "DynamoDB" or "VPCs", which would otherwise be split at its capitals."""
    word = folded(token)
    return word if stem(word) in lexicon().known else token


def _parsed_query(text: str, tokens: Sequence[str], spans: Sequence[QuerySpan]) -> ParsedQuery:
    slots: defaultdict[str, set[str]] = defaultdict(set)
    rest: list[str] = []
    content: list[str] = []
    corrections: dict[str, str] = {}
    for span in spans:
        for slot, values in span.slots.items():
            slots[slot] |= values
        if span.slots:
            corrections.update((one, other) for one, other in zip(span.typed, span.read, strict=True) if one != other)
        elif not span.filler:
            rest += span.typed
        if not span.filler:
            content += span.read if span.slots else span.typed
    return ParsedQuery(text, tuple(tokens), _with_engine_types(slots), tuple(rest), tuple(content), corrections)


class _SpanReader:
    """Splits the tokens of one query into spans: each is the longest phrase that names a slot, or else one token."""

    def __init__(self, tokens: Sequence[str], known: WordsAtGeneration) -> None:
        self._tokens = tokens
        self._known = known
        self._accounts = {phrase(account): folded(account) for account in known.accounts()}
        self._types = _types_by_phrase(known.types())
        self._tag_keys = known.tag_keys()
        self._corrected = [self._correction(token) or token for token in tokens]

    def spans(self) -> Iterator[QuerySpan]:
        position, end = self._start_after_opening(), self._end_before_ending()
        while position < end:
            length, slots = self._longest_phrase(position)
            span = slice(position, position + length)
            yield QuerySpan(self._tokens[span], self._corrected[span], slots)
            position += length

    def _start_after_opening(self) -> int:
        """Return the position after a polite opening such as "show me the".

        The position is 0, so that nothing is skipped, if the opening is the whole query, or if a resource has a verb of
        the opening ("show") in its words.
        """
        query_words = [folded(token) for token in self._tokens]
        openers = lexicon().openers
        skippable = openers | lexicon().filler
        start = next((position for position, word in enumerate(query_words) if word not in skippable), 0)
        opening = [word for word in query_words[:start] if word in openers]
        return start if opening and not any(map(self._known.has_word, opening)) else 0

    def _end_before_ending(self) -> int:
        """Return the end of the tokens to read: before the final verb of a question ("where do the photos live")."""
        *others, last = [folded(token) for token in self._tokens] or [""]
        return len(self._tokens) - (last in lexicon().endings and not lexicon().auxiliaries.isdisjoint(others))

    def _correction(self, token: str) -> str:
        """Return the declared word of which a token is a misspelling; empty if there is none.

        Names, filler and words that the estate has are never misspellings.
        """
        word = folded(token)
        if _IDENTIFYING.search(word) or word in lexicon().filler or phrase(word) in self._accounts:
            return ""
        corrected = lexicon().corrected(word)
        return "" if not corrected or self._known.has_word(word) else corrected

    def _longest_phrase(self, position: int) -> tuple[int, dict[str, frozenset[str]]]:
        """Return the length of the longest phrase at a position that names slots, and these slots.

        If no phrase names a slot, the length is 1.
        """
        before = self._tokens[position - 1] if position else ""
        for length in range(min(_LONGEST_PHRASE, len(self._tokens) - position), 0, -1):
            span = self._corrected[position : position + length]
            if slots := dict(self._slots_of(span, before)) or self._slots_of_interrupted_type(span):
                return length, slots
            if pair := self._tag(self._tokens[position : position + length]):
                return length, {"tag": frozenset([pair])}
        return 1, {}

    def _slots_of_interrupted_type(self, span: Sequence[str]) -> dict[str, frozenset[str]]:
        """Return the slots of a phrase for a type with a word for another slot inside: "api gateway prod stage"."""
        for inner in range(1, len(span) - 1) if len(span) >= _SHORTEST_INTERRUPTED else ():
            if types := self._types.get(phrase(" ".join([*span[:inner], *span[inner + 1 :]]))):
                slots = dict(self._slots_of(span[inner : inner + 1], span[inner - 1]))
                if slots and "type" not in slots:
                    return {**slots, "type": types}
        return {}

    def _slots_of(self, span: Sequence[str], before: str) -> Iterator[tuple[str, frozenset[str]]]:
        """Yield the slots that a phrase names; ``before`` is the token before the phrase."""
        spoken, declared = phrase(" ".join(span)), lexicon()
        word = folded(span[0]) if len(span) == 1 else ""
        # In "account production" the word means an account with this name, elsewhere the environment.
        after_account = folded(before).removesuffix("s") == "account"
        if spoken in self._accounts and (after_account or spoken not in declared.environments):
            yield "account", frozenset([self._accounts[spoken]])
            return
        if _REGION.fullmatch(word):
            yield "region", frozenset([word])
            return
        if _ACCOUNT_ID.fullmatch(word):
            yield "account", frozenset([word])
            return
        if _REGION_START.fullmatch(word) and (regions := declared.regions_at(word)):
            yield "region", regions
            return
        if word and _IDENTIFYING.search(word) and not _is_state_or_type(word):
            return  # "prod-db" is a name, even though its parts name slots
        for slot, group in (
            ("region", declared.regions),
            ("engine", declared.engines),
            ("environment", declared.environments),
            ("state", declared.states),
            ("type", self._types),
        ):
            if spoken in group:
                yield slot, group[spoken]

    def _tag(self, span: Sequence[str]) -> str:
        """Return the tag that a span names, as ``key=value``; empty if no resource has such a tag.

        The span is ``key=value``, ``key:value``, or the words of a tag key before or after the words of the value.
        """
        if len(span) == 1:
            written = _TAG.fullmatch(folded(span[0]))
            pairs: Iterator[str] = iter([f"{written[1]}={written[2]}"] if written else [])
        else:
            pairs = self._spoken_pairs(span)
        return next((pair for pair in pairs if self._known.tagged(pair)), "")

    def _spoken_pairs(self, span: Sequence[str]) -> Iterator[str]:
        """Yield the possible tags (``key=value``) of a span: a tag key at one end, and the value as the rest."""
        for size in range(1, min(_LONGEST_KEY, len(span) - 1) + 1):
            for key, value in ((span[:size], span[size:]), (span[-size:], span[:-size])):
                if len(value) <= _LONGEST_VALUE:
                    for name in self._tag_keys.get(phrase(" ".join(key)), ()):
                        if folded(name) not in ENVIRONMENT_TAGS:
                            joined = dict.fromkeys(separator.join(value) for separator in _SEPARATORS)
                            yield from (f"{folded(name)}={folded(text)}" for text in joined)


def _types_by_phrase(stored: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """Return each phrase for types, with the types; the phrase of a stored type that is not declared is its name."""
    declared = lexicon()
    named = {words_of_type(name): frozenset([folded(name)]) for name in stored if name not in declared.type_nouns}
    return {**named, **declared.types} if named else declared.types


def _is_state_or_type(word: str) -> bool:
    """Return whether a name-like word is in fact a state or a type, such as "in-use", "ec2" or "nat-gateways"."""
    spoken = phrase(word)
    return (
        spoken in lexicon().states
        or stem(word) in lexicon().types
        or (spoken in lexicon().types and bool(_HYPHENATED.fullmatch(word)))
    )


def _with_engine_types(slots: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    """Narrow the types to those that can have the engine: "postgres database" means no Neptune cluster."""
    frozen = {slot: frozenset(values) for slot, values in slots.items()}
    if "engine" in frozen:
        possible = frozenset().union(*(lexicon().engine_types[engine] for engine in frozen["engine"]))
        frozen["type"] = (frozen.get("type", possible) & possible) or frozen["type"]
    return frozen
