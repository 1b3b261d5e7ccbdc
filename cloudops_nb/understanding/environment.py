"""Which environment class a resource belongs to, from its tags and its account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.understanding.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Tag keys (casefolded) that name an environment.
ENVIRONMENT_TAGS = ("environment", "env", "stage")


def environment_class(tags: Mapping[str, str], *account_words: str) -> str:
    """Return ``production``, ``staging``, ``development`` or ``unknown``.

    A value counts only if it is exactly a published environment word: a part of a name never decides, so that renaming
    a resource cannot change what is said about it. Where tags and account disagree, the most dangerous one wins.

    Args:
        tags: The resource's tags; keys are matched without case.
        account_words: The account's configured environment and its name.
    """
    values = [value for key, value in tags.items() if key.casefold() in ENVIRONMENT_TAGS]
    found = {vocabulary().environment_of(value) for value in (*values, *account_words)}
    return next((name for name in ("production", "staging", "development") if name in found), "unknown")
