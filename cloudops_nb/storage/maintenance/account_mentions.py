"""Finding an account in whatever was said: its number, or the id or ARN of one of its resources, and their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cloudops_nb.storage.estate.lexicon import folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudops_nb.model import Resource

#: What an id may hold inside; everything else ends a word.
_WORD = re.compile(r"[^\s\"'`<>()\[\]{},;|=!?]+")
_PART = re.compile(r"[^:/]+")
#: What makes a name more than a plain word.
_DISTINCT = re.compile(r"[\d\W_]")
#: A shorter id is a common word before it is a resource.
_SHORTEST_ID = 4


class AccountMentions:
    """Looks for one account in texts and nested data, without regard to case.

    An id must be a whole word; the account's number may be part of one, as in the name of a bucket.

    Args:
        account_id: The account's number.
        resources: Its resources.
        names: Whether the resources' names and the account's count too: those that are more than a plain word, which
            people say without meaning them.
    """

    def __init__(self, account_id: str, resources: Iterable[Resource], *, names: bool = False) -> None:
        self._number = re.compile(rf"(?<!\d){re.escape(folded(account_id))}(?!\d)")
        named = set()
        for resource in resources:
            named |= {resource.identifier, resource.arn}
            if names:
                named |= {name for name in (resource.name, resource.account_name) if _DISTINCT.search(name)}
        self._names = {folded(name) for name in named if len(name) >= _SHORTEST_ID}
        # Ids with a space or a bracket in them are no words, and few.
        self._phrases = [name for name in self._names if _WORD.fullmatch(name) is None]

    def within(self, value: Any) -> bool:
        """Whether any text in the value, keys included, names the account or a resource of it."""
        return any(self._named(folded(text)) for text in _texts(value))

    def _named(self, text: str) -> bool:
        if self._number.search(text) or any(phrase in text for phrase in self._phrases):
            return True
        return any(not self._names.isdisjoint(_spellings(word)) for word in _WORD.findall(text))


def _spellings(word: str) -> Iterator[str]:
    """Yield what may be an id of a word: all of it, without the sentence's end, and the parts of an ARN or a path."""
    bare = word.rstrip(".:")
    yield from (word, bare)
    for part in _PART.findall(bare):
        yield from (part, part.rstrip("."))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
