"""Finds mentions of an account in texts: the account's number, and the ids, ARNs and names of its resources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cloudops_nb.storage.estate.lexicon import folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudops_nb.model import Resource

#: A word: a run of characters that an id may contain.
_WORD = re.compile(r"[^\s\"'`<>()\[\]{},;|=!?]+")
#: A part of an ARN or of a path.
_PART = re.compile(r"[^:/]+")
#: A digit or punctuation, which a name has and a plain word does not.
_DISTINCT = re.compile(r"[\d\W_]")
#: Shorter ids and names are ignored, because they are more likely common words.
_SHORTEST_ID = 4


class AccountMentions:
    """Searches texts and nested data for mentions of one account, ignoring case.

    An id counts only as a whole word, or as a whole part of an ARN or path. The account's number also counts inside a
    word, as in the name of a bucket.

    Args:
        account_id: The account's number.
        resources: The account's resources.
        names: If true, the names of the resources and of the account also count as mentions, except names that are
            plain words, because texts use such words with other meanings.
    """

    def __init__(self, account_id: str, resources: Iterable[Resource], *, names: bool = False) -> None:
        self._number = re.compile(rf"(?<!\d){re.escape(folded(account_id))}(?!\d)")
        ids = set()
        for resource in resources:
            ids |= {resource.identifier, resource.arn}
            if names:
                ids |= {name for name in (resource.name, resource.account_name) if _DISTINCT.search(name)}
        self._ids = {folded(each) for each in ids if len(each) >= _SHORTEST_ID}
        # Ids with a space or a bracket are not single words, so each is searched for in the whole text; there are few.
        self._phrases = [each for each in self._ids if _WORD.fullmatch(each) is None]

    def within(self, value: Any) -> bool:
        """Return whether any text in the value, dictionary keys included, mentions the account or its resources."""
        return any(self._mentioned_in(folded(text)) for text in _texts_in(value))

    def _mentioned_in(self, text: str) -> bool:
        if self._number.search(text) or any(phrase in text for phrase in self._phrases):
            return True
        return any(not self._ids.isdisjoint(_possible_ids(word)) for word in _WORD.findall(text))


def _possible_ids(word: str) -> Iterator[str]:
    """Yield the possible ids in a word: the word with and without a final full stop or colon, and its ARN parts."""
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
