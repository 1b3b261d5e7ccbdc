"""Groups requests for one action into classes that a principal's policies treat alike, and caches results per class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from cloudops_nb.iam.context import RequestContext

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from cloudops_nb.iam.context import AuthorisationRequest
    from cloudops_nb.iam.evaluation.layers import PrincipalLayers
    from cloudops_nb.iam.evaluation.verdict import PrincipalSide, Verdict
    from cloudops_nb.iam.policies.conditions import ConditionTest
    from cloudops_nb.iam.truth import Truth

T = TypeVar("T")
#: Number of results per cache. The limit matters for condition tests of tags that differ on every resource.
_SIZE = 20_000


class ResultCache(Generic[T]):
    """A thread-safe cache that is emptied when it is full; a key holds everything that its result depends on.

    Two threads may compute the same result at once. That is harmless, because both results are equal.

    Args:
        size: The maximum number of results.
    """

    __slots__ = ("_kept", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[Hashable, T] = {}

    def get_or_compute(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the cached result for a key; compute and cache a missing result."""
        found = self._kept.get(key)
        if found is None:
            found = compute()
            if len(self._kept) >= self._size:
                self._kept.clear()
            self._kept[key] = found
        return found


class RequestClasses:
    """Classes of requests for one action, by which patterns match and which tests hold, and cached results per class.

    They are valid only for requests without further context, because a class does not include further condition keys.

    Attributes:
        layers: The layers with the statements about the action.
        patterns: The resource patterns whose match can differ between requests.
        tests: The tests whose result can differ between requests.
        sides: The findings of the principal's policies, by class.
        verdicts: The verdicts on resources without a policy of their own, by class, account and whether AWS requires
            such a policy.
    """

    __slots__ = ("layers", "patterns", "sides", "tests", "verdicts")

    def __init__(self, layers: PrincipalLayers) -> None:
        self.layers = layers
        self.sides: ResultCache[PrincipalSide] = ResultCache(_SIZE)
        self.verdicts: ResultCache[Verdict] = ResultCache(_SIZE)
        statements = [statement for layer in layers for statement in layer.statements]
        patterns = (pattern for statement in statements for pattern in statement.patterns if not pattern.everything)
        tests = (
            test for statement in statements for test in statement.tests if any(map(RequestContext.varies, test.keys))
        )
        self.patterns = tuple(dict.fromkeys(patterns))
        self.tests = tuple(CachedTest(test) for test in dict.fromkeys(tests))

    def class_of(self, request: AuthorisationRequest, context: RequestContext) -> Hashable:
        """Return the class of a request."""
        return (
            tuple([pattern.match(request.arn, context) for pattern in self.patterns]),
            tuple([test.holds(context) for test in self.tests]),
        )


class CachedTest:
    """A condition test whose results are cached by the states of its keys."""

    __slots__ = ("_keys", "_truths", "test")

    def __init__(self, test: ConditionTest) -> None:
        self.test = test
        self._keys = tuple(key for key in test.keys if RequestContext.varies(key))
        self._truths: ResultCache[Truth] = ResultCache(_SIZE)

    def holds(self, context: RequestContext) -> Truth:
        """Return whether the test holds for a request."""
        states = tuple([context.state(key) for key in self._keys])
        return self._truths.get_or_compute(states, lambda: self.test.holds(context))
