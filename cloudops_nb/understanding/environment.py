"""The environment class of a resource: ``production``, ``staging``, ``development`` or ``unknown``.

Two functions give it. :func:`environment_class` uses everything that this host knows, and the most careful class wins:
search, card, level and approval use it. :func:`published_environment` uses only whole published words, so its result
may leave the host: it does not change if a resource or an account is renamed.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from cloudops_nb.understanding.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: Tag keys (casefolded) that name an environment.
ENVIRONMENT_TAGS = ("environment", "env", "stage")
UNKNOWN = "unknown"
PRODUCTION = "production"
#: The classes, the one that needs most care first.
_MOST_CAREFUL_FIRST = (PRODUCTION, "staging", "development")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATOR = re.compile(r"[^A-Za-z0-9]+")
_DIGITS = "0123456789"
_CACHED_NAMES = 65_536


def environment_class(
    *,
    label: str = "",
    account_name: str = "",
    tags: Mapping[str, str] | None = None,
    name: str = "",
    tags_are_old: bool = False,
) -> str:
    """Return the most careful class that a label, a tag or a word of a name gives.

    Args:
        label: The configured environment of the account.
        account_name: The account's name; each word of it counts, as in ``acme-prod``.
        tags: The resource's tags, of which those in :data:`ENVIRONMENT_TAGS` count, word by word.
        name: The resource's name, or its id if it has no name; each word of it counts.
        tags_are_old: Whether the tags are those of an earlier scan. Then they may make the class more careful only.
    """
    return _class_of(_every_word((label, account_name, name)), _every_word(_tagged(tags or {})), tags_are_old)


def published_environment(label: str, tags: Mapping[str, str], *, tags_are_old: bool = False) -> str:
    """Return the class that an account's label and the environment tags give if they are exactly published words.

    Args:
        label: The configured environment of the account.
        tags: The resource's tags.
        tags_are_old: As for :func:`environment_class`.
    """
    return _class_of((label,), _tagged(tags), tags_are_old)


def _class_of(words: Iterable[str], of_tags: Iterable[str], tags_are_old: bool) -> str:
    without = most_careful(vocabulary().environment_of(word) for word in words)
    found = most_careful((without, *(vocabulary().environment_of(word) for word in of_tags)))
    # An unknown class needs as much care as production, so a lesser class by an old tag would lower it.
    return UNKNOWN if tags_are_old and without == UNKNOWN and found != PRODUCTION else found


def _every_word(values: Iterable[str]) -> set[str]:
    return {word for value in values for word in (value, *_words(value))}


def most_careful(classes: Iterable[str]) -> str:
    """Return the class that needs most care; ``unknown`` if no class is known."""
    found = set(classes)
    return next((name for name in _MOST_CAREFUL_FIRST if name in found), UNKNOWN)


def _tagged(tags: Mapping[str, str]) -> Iterator[str]:
    yield from (value for key, value in tags.items() if key.casefold() in ENVIRONMENT_TAGS)


@lru_cache(maxsize=_CACHED_NAMES)
def _words(text: str) -> tuple[str, ...]:
    """Return the words of a name, as ``acme`` and ``prod`` of ``AcmeProd-2``; parts of random ids are no words."""
    tokens = _SEPARATOR.split(_CAMEL.sub(" ", unicodedata.normalize("NFKC", text)))
    return tuple(word for token in tokens if (word := token.strip(_DIGITS)).isalpha())
