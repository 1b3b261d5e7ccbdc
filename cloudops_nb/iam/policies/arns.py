"""Patterns of ARNs: of the ``Resource`` element, and of the ARN operators of conditions.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cloudops_nb.iam.policies.variables import Template, Variable, keys, resolved, template, without_variables
from cloudops_nb.iam.policies.wildcards import HOLE, Pieces, Wild, matcher, may_match
from cloudops_nb.iam.truth import Truth, Unknown, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.iam.context import Context
    from cloudops_nb.iam.policies.wildcards import Matches

SEGMENTS = 6


def segments(parts: Template) -> list[Template]:
    """Return the colon-separated segments of an ARN, six at the most: the last holds the rest."""
    found: list[list[str | Wild | Variable]] = [[]]
    for part in parts:
        if isinstance(part, str):
            first, *others = part.split(":", SEGMENTS - len(found))
            found[-1] += [first] if first else []
            found += [[text] if text else [] for text in others]
        else:
            found[-1].append(part)
    return [tuple(segment) for segment in found]


class ResourcePattern:
    """One value of a ``Resource`` or ``NotResource`` element.

    Args:
        text: The value.
        variables: Whether the policy's version has variables.
        valueless: What matching comes to if a variable in it has no value.
    """

    __slots__ = ("_compiled", "_template", "_valueless", "keys", "text")

    def __init__(self, text: str, *, variables: bool, valueless: Truth) -> None:
        self.text = text
        self._template = template(text, wildcards=True, variables=variables)
        self._valueless = valueless
        #: The condition keys that it depends on, in lower case.
        self.keys = frozenset(keys(self._template))
        self._compiled = None if self.keys else _compile(without_variables(self._template))

    @property
    def everything(self) -> bool:
        """Whether it matches whatever there is."""
        return self._compiled is not None and self._compiled.pieces == (Wild.ANY,)

    def match_plain(self, arn: str) -> Truth:
        """Return the same as :meth:`match`, for a pattern without keys."""
        return self._compiled.match(arn) if self._compiled else unknown("its variables")

    def match(self, arn: str, context: Context) -> Truth:
        """Return whether a resource, whose ARN may have holes, is meant."""
        compiled = self._compiled
        if compiled is None:
            early = segments(self._template)[: SEGMENTS - 1]
            if any(isinstance(part, Variable) for segment in early for part in segment):
                return unknown(f"{self.text} has a variable where AWS resolves none")
            found = resolved(self._template, context)
            if found is None or isinstance(found, Unknown):
                return self._valueless if found is None else found
            compiled = _compile(found)
        return compiled.match(arn)


@dataclass(frozen=True, slots=True)
class _CompiledResource:
    pieces: Pieces
    matches: Matches
    #: Set if a wildcard stands where it must not reach over a colon: then each segment has to match by itself.
    segments: tuple[Matches, ...]
    #: Set if segments are missing; whether AWS takes them for wildcards is not documented everywhere.
    completed: Matches | None

    def match(self, arn: str) -> Truth:
        if self.matches(arn):
            return self._within_segments(arn) if self.segments else True
        if HOLE in arn and self._may_match(arn):
            return unknown("which resource it is about is not known")
        if self.completed is not None and self.completed(arn):
            return unknown("its resource is no whole ARN")
        return False

    def _may_match(self, arn: str) -> bool:
        wanted, parts = segments(self.pieces), arn.split(":", SEGMENTS - 1)
        if len(parts) != SEGMENTS:
            return may_match(self.pieces, arn)
        # What is not known of an ARN lies within its segments, of which the last may hold colons; a wildcard of the
        # pattern may reach over them.
        return may_match(self.pieces, arn, without=":") or (
            len(wanted) == SEGMENTS
            and all(may_match(without_variables(part), text) for part, text in zip(wanted, parts, strict=True))
        )

    def _within_segments(self, arn: str) -> Truth:
        parts = arn.split(":", SEGMENTS - 1)
        alike = len(parts) == len(self.segments)
        if alike and all(one(part) for one, part in zip(self.segments, parts, strict=True)):
            return True
        return unknown("a wildcard in its resource would have to reach over a colon")


@lru_cache(maxsize=4096)
def _compile(found: Pieces) -> _CompiledResource:
    split = [without_variables(segment) for segment in segments(found)]
    strict = any(Wild.ONE in part or Wild.ANY in part[:-1] for part in split[: SEGMENTS - 1])
    missing = SEGMENTS - len(split) if found != (Wild.ANY,) else 0
    rest: Pieces = (":", Wild.ANY) * missing
    return _CompiledResource(
        found,
        matcher(found),
        tuple(matcher(part) for part in split) if strict else (),
        matcher(found + rest) if missing else None,
    )


def arn_like(found: Pieces) -> Callable[[str], Truth]:
    """Return what tells whether an ARN matches as the ARN operators compare: each of its six segments by itself."""
    wanted = [matcher(without_variables(part)) for part in segments(found)]

    def matches(value: str) -> Truth:
        parts = value.split(":", SEGMENTS - 1)
        if len(parts) != SEGMENTS:
            return False
        if len(wanted) != SEGMENTS:
            return unknown("a condition compares an ARN with what is none")
        return all(one(text) for one, text in zip(wanted, parts, strict=True))

    return matches
