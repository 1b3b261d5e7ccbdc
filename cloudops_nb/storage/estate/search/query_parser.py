"""Parses a query into slots (type, engine, environment, state, account, region, tag) and the remaining words."""

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
#: A type's words joined by hyphens, as in "load-balancers"; in the singular they may be a name.
_HYPHENATED = re.compile(r"[a-z]+(-[a-z]+)+s")
_LONGEST_PHRASE = 4
#: Length of the shortest type name with another word inside: "rds postgres instance".
_SHORTEST_PARTED = 3
#: Most words of a tag's key, and of its value, in a query; and the separators between two words of a value.
_LONGEST_KEY = _LONGEST_VALUE = 2
_SEPARATORS = ("-", " ", "_")

#: The slots of a query, in the order in which hits mention them.
SLOTS = ("type", "engine", "environment", "state", "account", "region", "tag")


@dataclass(frozen=True)
class ParsedQuery:
    """A query in parts.

    ``tokens`` is the whole query, as typed except for capitals inside known words. ``slots`` maps each named slot to
    its possible values, folded. ``rest`` holds the tokens without slot and filler; ``content`` holds those and the
    tokens that name slots. ``corrections`` maps each misspelt word to its correction.
    """

    text: str
    tokens: Sequence[str]
    slots: Mapping[str, frozenset[str]]
    rest: Sequence[str] = ()
    content: Sequence[str] = ()
    corrections: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def rest_text(self) -> str:
        """The remaining tokens as one text."""
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
        """The folded words that only name slots."""
        left = set(self.rest_words)
        return [word for word in self.content_words if word not in left]

    @cached_property
    def meant_text(self) -> str:
        """The query's text for the embedding, with corrected misspellings."""
        return " ".join(self.corrections.get(token, token) for token in self.tokens)

    @cached_property
    def identifying(self) -> bool:
        """Whether the remaining tokens look like a name or an id, so that their letters matter, not their meaning."""
        return any(_IDENTIFYING.search(token) for token in self.rest)

    @cached_property
    def identifiers(self) -> frozenset[str]:
        """The texts to compare with whole ids, names and ARNs: the query, and each token that looks like a name."""
        named = (token for token in self.tokens if _IDENTIFYING.search(token))
        return frozenset(folded(text) for text in (self.text, *named) if text)

    @cached_property
    def names(self) -> frozenset[str]:
        """The texts that may be a whole id, name or ARN: :attr:`identifiers`, and the remaining tokens."""
        return self.identifiers | {folded(self.rest_text)} - {""}


def parse_query(text: str, known: WordsAtGeneration) -> ParsedQuery:
    """Parse a query with the accounts, tags and words of an estate."""
    tokens = [_without_inner_capitals(token.strip(".:")) for token in _TOKEN.findall(text)]
    tokens = [token for token in tokens if words(token)]
    return _parsed_query(text.strip(), tokens, resolve_heads(_SpanReader(tokens, known).spans()))


def _without_inner_capitals(token: str) -> str:
    """Fold a known word, because its inner capitals would split it: "DynamoDB", "VPCs"."""
    plain = folded(token)
    return plain if stem(plain) in lexicon().known else token


def _parsed_query(text: str, tokens: Sequence[str], spans: Sequence[QuerySpan]) -> ParsedQuery:
    slots: defaultdict[str, set[str]] = defaultdict(set)
    rest: list[str] = []
    content: list[str] = []
    corrections: dict[str, str] = {}
    for span in spans:
        for slot, values in span.found.items():
            slots[slot] |= values
        if span.found:
            corrections.update((one, other) for one, other in zip(span.typed, span.read, strict=True) if one != other)
        elif not span.filler:
            rest += span.typed
        if not span.filler:
            content += span.read if span.found else span.typed
    return ParsedQuery(text, tuple(tokens), _with_engine_types(slots), tuple(rest), tuple(content), corrections)


class _SpanReader:
    """Splits one query into spans, from left to right, longest phrases first."""

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
            length, found = self._longest_phrase(position)
            span = slice(position, position + length)
            yield QuerySpan(self._tokens[span], self._corrected[span], found)
            position += length

    def _start_after_opening(self) -> int:
        """Skip a polite opening, unless it is the whole query or holds a word of this estate."""
        spoken = [folded(token) for token in self._tokens]
        openers = lexicon().openers
        polite = openers | lexicon().filler
        start = next((position for position, word in enumerate(spoken) if word not in polite), 0)
        opened = [word for word in spoken[:start] if word in openers]
        return start if opened and not any(map(self._known.has_word, opened)) else 0

    def _end_before_ending(self) -> int:
        """Leave out the final verb of a question, as in "where do the photos live"."""
        *others, last = [folded(token) for token in self._tokens] or [""]
        return len(self._tokens) - (last in lexicon().endings and not lexicon().auxiliaries.isdisjoint(others))

    def _correction(self, token: str) -> str:
        word = folded(token)
        if _IDENTIFYING.search(word) or word in lexicon().filler or phrase(word) in self._accounts:
            return ""
        corrected = lexicon().corrected(word)
        return "" if not corrected or self._known.has_word(word) else corrected

    def _longest_phrase(self, position: int) -> tuple[int, dict[str, frozenset[str]]]:
        """Return the longest phrase at a position that names slots, and the slots; length 1 and no slot otherwise."""
        before = self._tokens[position - 1] if position else ""
        for length in range(min(_LONGEST_PHRASE, len(self._tokens) - position), 0, -1):
            span = self._corrected[position : position + length]
            if found := dict(self._slots_of(span, before)) or self._slots_of_parted_type(span):
                return length, found
            if pair := self._tag(self._tokens[position : position + length]):
                return length, {"tag": frozenset([pair])}
        return 1, {}

    def _slots_of_parted_type(self, span: Sequence[str]) -> dict[str, frozenset[str]]:
        """Return the slots of a type's name with a word of another slot inside, as "api gateway prod stage"."""
        for inner in range(1, len(span) - 1) if len(span) >= _SHORTEST_PARTED else ():
            if types := self._types.get(phrase(" ".join([*span[:inner], *span[inner + 1 :]]))):
                found = dict(self._slots_of(span[inner : inner + 1], span[inner - 1]))
                if found and "type" not in found:
                    return {**found, "type": types}
        return {}

    def _slots_of(self, span: Sequence[str], before: str) -> Iterator[tuple[str, frozenset[str]]]:
        spoken, declared = phrase(" ".join(span)), lexicon()
        whole = folded(span[0]) if len(span) == 1 else ""
        asked_for = folded(before).removesuffix("s") == "account"
        if spoken in self._accounts and (asked_for or spoken not in declared.environments):
            yield "account", frozenset([self._accounts[spoken]])
            return
        if _REGION.fullmatch(whole):
            yield "region", frozenset([whole])
            return
        if _ACCOUNT_ID.fullmatch(whole):
            yield "account", frozenset([whole])
            return
        if _REGION_START.fullmatch(whole) and (regions := declared.regions_at(whole)):
            yield "region", regions
            return
        if whole and _IDENTIFYING.search(whole) and not _is_state_or_type(whole):
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
        """Return the tag that a span names, as ``key=value`` or a known key next to its value; empty otherwise."""
        if len(span) == 1:
            written = _TAG.fullmatch(folded(span[0]))
            pairs: Iterator[str] = iter([f"{written[1]}={written[2]}"] if written else [])
        else:
            pairs = self._spoken_pairs(span)
        return next((pair for pair in pairs if self._known.tagged(pair)), "")

    def _spoken_pairs(self, span: Sequence[str]) -> Iterator[str]:
        for size in range(1, min(_LONGEST_KEY, len(span) - 1) + 1):
            for key, value in ((span[:size], span[size:]), (span[-size:], span[:-size])):
                if len(value) <= _LONGEST_VALUE:
                    for name in self._tag_keys.get(phrase(" ".join(key)), ()):
                        if folded(name) not in ENVIRONMENT_TAGS:
                            joined = dict.fromkeys(separator.join(value) for separator in _SEPARATORS)
                            yield from (f"{folded(name)}={folded(text)}" for text in joined)


def _types_by_phrase(stored: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """Return the declared phrases for types, and for stored types without any the words of their names."""
    declared = lexicon()
    named = {words_of_type(name): frozenset([folded(name)]) for name in stored if name not in declared.type_nouns}
    return {**named, **declared.types} if named else declared.types


def _is_state_or_type(word: str) -> bool:
    """Return whether a word that looks like a name is a state or a type, as "in-use", "ec2" or "nat-gateways"."""
    spoken = phrase(word)
    return (
        spoken in lexicon().states
        or stem(word) in lexicon().types
        or (spoken in lexicon().types and bool(_HYPHENATED.fullmatch(word)))
    )


def _with_engine_types(slots: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    """Narrow the types to those that the engine can have: in "postgres database" both words mean one resource."""
    found = {slot: frozenset(values) for slot, values in slots.items()}
    if "engine" in found:
        of_engines = frozenset().union(*(lexicon().engine_types[engine] for engine in found["engine"]))
        found["type"] = (found.get("type", of_engines) & of_engines) or found["type"]
    return found
