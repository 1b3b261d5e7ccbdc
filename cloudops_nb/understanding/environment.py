"""Which environment class a resource belongs to, from its tags and its account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.understanding.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Tag keys (casefolded) that name an environment, the most telling first.
ENVIRONMENT_TAGS = ("environment", "env", "stage")


def environment_class(tags: Mapping[str, str], *account_words: str) -> str:
    """Return ``production``, ``staging``, ``development`` or ``unknown``.

    A value counts only if it is exactly a published environment word: a part of a name never decides, so that renaming
    a resource cannot change what is said about it. If a tag and the account disagree, the more dangerous one wins.

    Args:
        tags: The resource's tags; keys are matched without case.
        account_words: The account's configured environment and its name.
    """
    folded = {key.casefold(): value for key, value in tags.items()}
    words = vocabulary()
    found = {
        words.environment_of(*(folded[key] for key in ENVIRONMENT_TAGS if key in folded)),
        words.environment_of(*account_words),
    }
    return next((name for name in ("production", "staging", "development") if name in found), "unknown")
