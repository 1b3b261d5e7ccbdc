"""Reading a query: which of its words name structure (type, engine, environment, state, place), and what is left."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cloudops_nb.storage.lexicon import folded, lexicon, phrase, words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_TOKEN = re.compile(r"[^\s,;\"'`?!()]+")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_ACCOUNT_ID = re.compile(r"\d{12}")
#: A token with one of these is a name or an id, not a word of a language.
_IDENTIFYING = re.compile(r"[\d\-_./:]")
_LONGEST_PHRASE = 4

#: The kinds of structure, in the order in which hits mention them.
SLOTS = ("type", "engine", "environment", "state", "account", "region")


@dataclass(frozen=True)
class ParsedQuery:
    """A query in parts.

    ``tokens`` are all of it; ``slots`` maps a kind of structure to the values it may have, folded; ``rest`` are the
    tokens that name no structure and are no filler, as typed.
    """

    text: str
    tokens: Sequence[str]
    slots: Mapping[str, frozenset[str]]
    rest: Sequence[str] = ()

    @cached_property
    def rest_text(self) -> str:
        """What is left of the query, as one text."""
        return " ".join(self.rest)

    @cached_property
    def rest_words(self) -> list[str]:
        """The folded words of what is left."""
        return words(self.rest_text)

    @cached_property
    def identifying(self) -> bool:
        """Whether what is left looks like a name or an id, so that letters matter and meaning does not."""
        return any(_IDENTIFYING.search(token) for token in self.rest)

    @cached_property
    def names(self) -> list[str]:
        """The texts that may be a whole id, name or ARN: all of it, what is left of it, and each name-like token."""
        named = (token for token in self.tokens if _IDENTIFYING.search(token))
        return list(dict.fromkeys(filter(None, (self.text, self.rest_text, *named))))


def parse_query(text: str, accounts: Collection[str] = ()) -> ParsedQuery:
    """Read a query; ``accounts`` are the names and ids of the estate's accounts."""
    tokens = [token.strip(".:") for token in _TOKEN.findall(text)]
    tokens = [token for token in tokens if words(token)]
    slots: defaultdict[str, set[str]] = defaultdict(set)
    rest: list[str] = []
    names = {phrase(account): folded(account) for account in accounts}
    place = 0
    while place < len(tokens):
        length, found = _longest(tokens, place, names)
        for slot, values in found.items():
            slots[slot] |= values
        if not found and folded(tokens[place]) not in lexicon().filler:
            rest.append(tokens[place])
        place += length
    return ParsedQuery(text.strip(), tuple(tokens), _narrowed(slots), tuple(rest))


def _longest(tokens: Sequence[str], place: int, names: Mapping[str, str]) -> tuple[int, dict[str, frozenset[str]]]:
    """Read the longest phrase at a place that names structure; a single token that doesn't has length 1."""
    for length in range(min(_LONGEST_PHRASE, len(tokens) - place), 0, -1):
        span = tokens[place : place + length]
        if found := dict(_structure(span, names, after=tokens[place - 1] if place else "")):
            return length, found
    return 1, {}


def _structure(span: Sequence[str], names: Mapping[str, str], after: str) -> Iterator[tuple[str, frozenset[str]]]:
    spoken, declared = phrase(" ".join(span)), lexicon()
    whole = folded(span[0]) if len(span) == 1 else ""
    asked_for = folded(after).removesuffix("s") == "account"
    if spoken in names and (asked_for or spoken not in declared.environments):
        yield "account", frozenset([names[spoken]])
        return
    if _REGION.fullmatch(whole):
        yield "region", frozenset([whole])
    elif _ACCOUNT_ID.fullmatch(whole):
        yield "account", frozenset([whole])
    elif whole and _IDENTIFYING.search(whole) and spoken not in declared.states:
        return  # "prod-db" is a name, whatever its parts mean
    for slot, group in (
        ("region", declared.regions),
        ("engine", declared.engines),
        ("environment", declared.environments),
        ("state", declared.states),
        ("type", declared.types),
    ):
        if spoken in group and not (slot == "region" and whole and _REGION.fullmatch(whole)):
            yield slot, group[spoken]


def _narrowed(slots: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    """Let an engine say the type too: in "postgres database" both words speak of the same thing."""
    found = {slot: frozenset(values) for slot, values in slots.items()}
    if "engine" in found:
        of_engines = frozenset().union(*(lexicon().engine_types[engine] for engine in found["engine"]))
        found["type"] = (found.get("type", of_engines) & of_engines) or found["type"]
    return found
