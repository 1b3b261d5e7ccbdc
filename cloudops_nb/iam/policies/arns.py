"""ARN patterns in policies: the values of ``Resource`` elements, and of the ARN operators in conditions.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cloudops_nb.iam.policies.variables import (
    Template,
    Variable,
    parse_template,
    resolve_variables,
    variable_keys,
    without_variables,
)
from cloudops_nb.iam.policies.wildcards import HOLE, Pieces, Wildcard, may_match, pattern_matcher
from cloudops_nb.iam.principal import ARN_PARTS
from cloudops_nb.iam.truth import Truth, Unknown, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.iam.context import RequestContext
    from cloudops_nb.iam.policies.wildcards import TextMatcher


def arn_segments(parts: Template) -> list[Template]:
    """Split an ARN or an ARN pattern at its colons into at most six segments; the sixth segment may contain colons."""
    found: list[list[str | Wildcard | Variable]] = [[]]
    for part in parts:
        if isinstance(part, str):
            first, *others = part.split(":", ARN_PARTS - len(found))
            found[-1] += [first] if first else []
            found += [[text] if text else [] for text in others]
        else:
            found[-1].append(part)
    return [tuple(segment) for segment in found]


#: The results for an incomplete ARN. For the first one, the ARN matches if AWS adds ``*`` for each missing segment.
_MATCHES_IF_COMPLETED = unknown("its Resource is not a complete ARN")
_INCOMPLETE = unknown("its Resource is not a complete ARN, and may match only in part")


class ResourcePattern:
    """One value of a ``Resource`` or ``NotResource`` element.

    Args:
        text: The element's value.
        variables: Whether the policy's version supports variables.
        valueless: The result of matching if a variable in ``text`` has no value.
    """

    __slots__ = ("_compiled", "_template", "_valueless", "keys", "text")

    def __init__(self, text: str, *, variables: bool, valueless: Truth) -> None:
        self.text = text
        self._template = parse_template(text, wildcards=True, variables=variables)
        self._valueless = valueless
        #: The condition keys of the pattern's variables, in lower case.
        self.keys = frozenset(variable_keys(self._template))
        self._compiled = None if self.keys else _compile_resource(without_variables(self._template))

    @property
    def everything(self) -> bool:
        """Whether the pattern is ``*``, which matches every resource."""
        return self._compiled is not None and self._compiled.pieces == (Wildcard.ANY,)

    def match_plain(self, arn: str) -> Truth:
        """Return what :meth:`match` returns for a pattern without variables; unknown for a pattern with variables."""
        return self._compiled.match(arn) if self._compiled else unknown("the values of its variables are not known")

    def match(self, arn: str, context: RequestContext) -> Truth:
        """Return whether the pattern matches the resource ``arn``, in which a ``HOLE`` marks each unknown part."""
        compiled = self._compiled
        if compiled is None:
            leading = arn_segments(self._template)[: ARN_PARTS - 1]
            if any(isinstance(part, Variable) for segment in leading for part in segment):
                return unknown(f"{self.text} has a variable where AWS does not resolve variables")
            resolved = resolve_variables(self._template, context)
            if resolved is None or isinstance(resolved, Unknown):
                return self._valueless if resolved is None else resolved
            compiled = _compile_resource(resolved)
        return compiled.match(arn)

    def match_completed(self, arn: str, context: RequestContext) -> Truth:
        """Return whether the pattern matches as the ``Resource`` of an identity policy.

        AWS completes an ARN of fewer than six segments there, by adding ``*`` for each missing segment.
        """
        truth = self.match(arn, context)
        return True if truth == _MATCHES_IF_COMPLETED else truth


@dataclass(frozen=True, slots=True)
class _CompiledResource:
    pieces: Pieces
    matches: TextMatcher
    #: A matcher for each segment; empty unless one of the first five segments contains ``?``, or ``*`` before its end.
    #: AWS documents only for ``*`` at the end of a segment that it can match colons. With other wildcards, a match is
    #: therefore certain only if each segment matches by itself.
    segments: tuple[TextMatcher, ...]
    #: The pattern with ``*`` for each missing segment; ``None`` if the pattern is complete or is ``*``. AWS documents
    #: only for the ``Resource`` of identity policies that it completes ARNs like this.
    completed: _CompiledResource | None

    def match(self, arn: str) -> Truth:
        as_written = self._match_as_written(arn)
        if self.completed is None:
            return as_written
        completed = self.completed.match(arn)
        if as_written is completed:
            return as_written
        first = self.pieces[0] if self.pieces else ""
        if completed is True and isinstance(first, str) and first.startswith("arn:"):
            return _MATCHES_IF_COMPLETED
        return as_written if isinstance(as_written, Unknown) else _INCOMPLETE

    def _match_as_written(self, arn: str) -> Truth:
        if self.matches(arn):
            return self._within_segments(arn) if self.segments else True
        if HOLE in arn and self._may_match(arn):
            return unknown("the ARN of the resource is not fully known")
        return False

    def _may_match(self, arn: str) -> bool:
        segments, parts = arn_segments(self.pieces), arn.split(":", ARN_PARTS - 1)
        if len(parts) != ARN_PARTS:
            return may_match(self.pieces, arn)
        # Only a hole in the last segment of the ARN can contain a colon. The first test lets wildcards of the pattern
        # match colons, but assumes that no hole contains one. The second test compares segment by segment.
        return may_match(self.pieces, arn, without=":") or (
            len(segments) == ARN_PARTS
            and all(may_match(without_variables(segment), part) for segment, part in zip(segments, parts, strict=True))
        )

    def _within_segments(self, arn: str) -> Truth:
        parts = arn.split(":", ARN_PARTS - 1)
        same_length = len(parts) == len(self.segments)
        if same_length and all(matches(part) for matches, part in zip(self.segments, parts, strict=True)):
            return True
        return unknown("a wildcard in its Resource would have to match a colon")


@lru_cache(maxsize=4096)
def _compile_resource(pieces: Pieces) -> _CompiledResource:
    segments = [without_variables(segment) for segment in arn_segments(pieces)]
    strict = any(Wildcard.ONE in segment or Wildcard.ANY in segment[:-1] for segment in segments[: ARN_PARTS - 1])
    missing = ARN_PARTS - len(segments) if pieces != (Wildcard.ANY,) else 0
    completion: Pieces = (":", Wildcard.ANY) * missing
    return _CompiledResource(
        pieces,
        pattern_matcher(pieces),
        tuple(pattern_matcher(segment) for segment in segments) if strict else (),
        _compile_resource(pieces + completion) if missing else None,
    )


def arn_matcher(pieces: Pieces) -> Callable[[str], Truth]:
    """Return a matcher for the ARN operators of conditions, which compare each of the six segments by itself."""
    segment_matchers = [pattern_matcher(without_variables(segment)) for segment in arn_segments(pieces)]

    def matches(value: str) -> Truth:
        parts = value.split(":", ARN_PARTS - 1)
        if len(parts) != ARN_PARTS or parts[0] != "arn":
            return unknown(f"{value[:80]!r} in the request is not an ARN")
        if len(segment_matchers) != ARN_PARTS:
            return unknown("a condition compares an ARN with a value that is not an ARN")
        return all(matcher(part) for matcher, part in zip(segment_matchers, parts, strict=True))

    return matches
