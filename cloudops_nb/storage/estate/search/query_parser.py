"""Reading a query: which of its words name structure (type, engine, environment, state, place, tag); what is left."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from cloudops_nb.storage.estate.lexicon import folded, lexicon, phrase, stem, words
from cloudops_nb.storage.estate.search.query_grammar import QuerySpan, resolve_heads
from cloudops_nb.understanding.environment import ENVIRONMENT_TAGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TOKEN = re.compile(r"[^\s,;\"'`?!()]+")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_REGION_START = re.compile(r"[a-z]{2}-[a-z]+")
_ACCOUNT_ID = re.compile(r"\d{12}")
_TAG = re.compile(r"([^=:]+)[=:]([^=:]+)")
#: A token with one of these is a name or an id, not a word of a language.
_IDENTIFYING = re.compile(r"[\d\-_./:]")
#: Several words of a type in one, as in "load-balancers"; in the singular they may be a name.
_HYPHENATED = re.compile(r"[a-z]+(-[a-z]+)+s")
_LONGEST_PHRASE = 4
#: The name of a type with another word inside is at least that of two words: "rds postgres instance".
_SHORTEST_PARTED = 3
#: How many words of a query a tag's key and its value may take, and how values of two words are written.
_LONGEST_KEY = _LONGEST_VALUE = 2
_JOINTS = ("-", " ", "_")

#: The kinds of structure, in the order in which hits mention them.
SLOTS = ("type", "engine", "environment", "state", "account", "region", "tag")


class Known(Protocol):
    """What an estate itself says about words; asked only where it matters."""

    def accounts(self) -> Sequence[str]:
        """Return the names and ids of its accounts."""

    def tag_keys(self) -> Mapping[str, Sequence[str]]:
        """Return its tag keys by the phrase that people type for them."""

    def tagged(self, pair: str) -> bool:
        """Return whether a resource has this tag, as ``key=value`` without case."""

    def has_word(self, word: str) -> bool:
        """Return whether the word stands in a name, a tag or a description."""


@dataclass(frozen=True)
class ParsedQuery:
    """A query in parts.

    ``tokens`` are all of it, as typed but for the capitals of known words; ``slots`` maps a kind of structure to the
    values it may have, folded; ``rest`` are the tokens that name no structure and are no filler; ``content`` are those
    and the ones that name structure; ``corrections`` maps a misspelt word to the one it was read as.
    """

    text: str
    tokens: Sequence[str]
    slots: Mapping[str, frozenset[str]]
    rest: Sequence[str] = ()
    content: Sequence[str] = ()
    corrections: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def rest_text(self) -> str:
        """What is left of the query, as one text."""
        return " ".join(self.rest)

    @cached_property
    def rest_words(self) -> list[str]:
        """The folded words of what is left."""
        return words(self.rest_text)

    @cached_property
    def content_words(self) -> list[str]:
        """The folded words of everything but filler."""
        return words(" ".join(self.content))

    @cached_property
    def structure_words(self) -> list[str]:
        """The folded words that name structure and nothing else."""
        left = set(self.rest_words)
        return [word for word in self.content_words if word not in left]

    @cached_property
    def meant_text(self) -> str:
        """The query as it is embedded: with its misspellings corrected."""
        return " ".join(self.corrections.get(token, token) for token in self.tokens)

    @cached_property
    def identifying(self) -> bool:
        """Whether what is left looks like a name or an id, so that letters matter and meaning does not."""
        return any(_IDENTIFYING.search(token) for token in self.rest)

    @cached_property
    def identifiers(self) -> frozenset[str]:
        """The texts that are meant as a whole id, name or ARN if they are one: all of it, and each name-like token."""
        named = (token for token in self.tokens if _IDENTIFYING.search(token))
        return frozenset(folded(text) for text in (self.text, *named) if text)

    @cached_property
    def names(self) -> frozenset[str]:
        """The texts that may be a whole id, name or ARN: :attr:`identifiers`, and what is left of the query."""
        return self.identifiers | {folded(self.rest_text)} - {""}


def parse_query(text: str, known: Known) -> ParsedQuery:
    """Read a query as one of this estate."""
    tokens = [_plainly(token.strip(".:")) for token in _TOKEN.findall(text)]
    tokens = [token for token in tokens if words(token)]
    return _assembled(text.strip(), tokens, resolve_heads(_Reader(tokens, known).spans()))


def _plainly(token: str) -> str:
    """Write a known word without inner capitals, which cut names into words: "DynamoDB", "VPCs"."""
    plain = folded(token)
    return plain if stem(plain) in lexicon().known else token


def _assembled(text: str, tokens: Sequence[str], spans: Sequence[QuerySpan]) -> ParsedQuery:
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
    return ParsedQuery(text, tuple(tokens), _narrowed(slots), tuple(rest), tuple(content), corrections)


class _Reader:
    """Reads one query, from left to right, the longest phrase first."""

    def __init__(self, tokens: Sequence[str], known: Known) -> None:
        self._tokens = tokens
        self._known = known
        self._accounts = {phrase(account): folded(account) for account in known.accounts()}
        self._tag_keys = known.tag_keys()
        self._corrected = [self._correction(token) or token for token in tokens]

    def spans(self) -> Iterator[QuerySpan]:
        place, end = self._opening(), self._end()
        while place < end:
            length, found = self._longest(place)
            span = slice(place, place + length)
            yield QuerySpan(self._tokens[span], self._corrected[span], found)
            place += length

    def _opening(self) -> int:
        """Skip how a query begins when it asks politely, unless that is all there is, or a name of this estate."""
        spoken = [folded(token) for token in self._tokens]
        openers = lexicon().openers
        polite = openers | lexicon().filler
        start = next((place for place, word in enumerate(spoken) if word not in polite), 0)
        opened = [word for word in spoken[:start] if word in openers]
        return start if opened and not any(map(self._known.has_word, opened)) else 0

    def _end(self) -> int:
        """Leave out what a question ends with, as in "where do the photos live"."""
        *others, last = [folded(token) for token in self._tokens] or [""]
        return len(self._tokens) - (last in lexicon().endings and not lexicon().auxiliaries.isdisjoint(others))

    def _correction(self, token: str) -> str:
        word = folded(token)
        if _IDENTIFYING.search(word) or word in lexicon().filler or phrase(word) in self._accounts:
            return ""
        corrected = lexicon().corrected(word)
        return "" if not corrected or self._known.has_word(word) else corrected

    def _longest(self, place: int) -> tuple[int, dict[str, frozenset[str]]]:
        """Read the longest phrase at a place that names structure; a single token that doesn't has length 1."""
        before = self._tokens[place - 1] if place else ""
        for length in range(min(_LONGEST_PHRASE, len(self._tokens) - place), 0, -1):
            span = self._corrected[place : place + length]
            if found := dict(self._structure(span, before)) or self._parted(span):
                return length, found
            if pair := self._tag(self._tokens[place : place + length]):
                return length, {"tag": frozenset([pair])}
        return 1, {}

    def _parted(self, span: Sequence[str]) -> dict[str, frozenset[str]]:
        """Read the name of a type with one word of other structure inside, as "api gateway prod stage"."""
        for inner in range(1, len(span) - 1) if len(span) >= _SHORTEST_PARTED else ():
            if types := lexicon().types.get(phrase(" ".join([*span[:inner], *span[inner + 1 :]]))):
                found = dict(self._structure(span[inner : inner + 1], span[inner - 1]))
                if found and "type" not in found:
                    return {**found, "type": types}
        return {}

    def _structure(self, span: Sequence[str], before: str) -> Iterator[tuple[str, frozenset[str]]]:
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
        if whole and _IDENTIFYING.search(whole) and not _is_said(whole):
            return  # "prod-db" is a name, whatever its parts mean
        for slot, group in (
            ("region", declared.regions),
            ("engine", declared.engines),
            ("environment", declared.environments),
            ("state", declared.states),
            ("type", declared.types),
        ):
            if spoken in group:
                yield slot, group[spoken]

    def _tag(self, span: Sequence[str]) -> str:
        """Read a tag: ``key=value``, or a known key beside a value that it has; an empty text if it is none."""
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
                            joined = dict.fromkeys(joint.join(value) for joint in _JOINTS)
                            yield from (f"{folded(name)}={folded(text)}" for text in joined)


def _is_said(word: str) -> bool:
    """Return whether a word that looks like a name is said of states or types, as "in-use", "ec2" or "nat-gateways"."""
    spoken = phrase(word)
    return (
        spoken in lexicon().states
        or stem(word) in lexicon().types
        or (spoken in lexicon().types and bool(_HYPHENATED.fullmatch(word)))
    )


def _narrowed(slots: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    """Let an engine say the type too: in "postgres database" both words speak of the same thing."""
    found = {slot: frozenset(values) for slot, values in slots.items()}
    if "engine" in found:
        of_engines = frozenset().union(*(lexicon().engine_types[engine] for engine in found["engine"]))
        found["type"] = (found.get("type", of_engines) & of_engines) or found["type"]
    return found
