"""Finds mentions of an account in texts: its number, and the ids, ARNs and names of its resources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cloudops_nb.storage.estate.lexicon import folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudops_nb.model import Resource

#: A word: the characters that an id may contain; any other character ends it.
_WORD = re.compile(r"[^\s\"'`<>()\[\]{},;|=!?]+")
_PART = re.compile(r"[^:/]+")
#: A digit or a sign, which distinguishes a name from a plain word.
_DISTINCT = re.compile(r"[\d\W_]")
#: A shorter id is more likely a common word than a resource.
_SHORTEST_ID = 4


class AccountMentions:
    """Searches texts and nested data for one account, ignoring case.

    An id must be a whole word; the account's number may be part of one, as in the name of a bucket.

    Args:
        account_id: The account's number.
        resources: The account's resources.
        names: Whether the names of the resources and the account count, too. Plain words do not count, because texts
            use them with other meanings.
    """

    def __init__(self, account_id: str, resources: Iterable[Resource], *, names: bool = False) -> None:
        self._number = re.compile(rf"(?<!\d){re.escape(folded(account_id))}(?!\d)")
        named = set()
        for resource in resources:
            named |= {resource.identifier, resource.arn}
            if names:
                named |= {name for name in (resource.name, resource.account_name) if _DISTINCT.search(name)}
        self._names = {folded(name) for name in named if len(name) >= _SHORTEST_ID}
        # Ids that contain a space or a bracket are not words; there are few.
        self._phrases = [name for name in self._names if _WORD.fullmatch(name) is None]

    def within(self, value: Any) -> bool:
        """Whether any text in the value, keys included, mentions the account or one of its resources."""
        return any(self._mentioned_in(folded(text)) for text in _texts_in(value))

    def _mentioned_in(self, text: str) -> bool:
        if self._number.search(text) or any(phrase in text for phrase in self._phrases):
            return True
        return any(not self._names.isdisjoint(_possible_ids(word)) for word in _WORD.findall(text))


def _possible_ids(word: str) -> Iterator[str]:
    """Yield the possible ids in a word: the word, also without a full stop or colon at its end, and its ARN parts."""
    bare = word.rstrip(".:")
    yield from (word, bare)
    for part in _PART.findall(bare):
        yield from (part, part.rstrip("."))


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts_in(key)
            yield from _texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts_in(inner)
