"""Groups the requests for one action into classes, and caches results per class.

A principal's policies treat all requests of a class alike.
"""

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
#: Maximum number of results per cache. A condition test on a tag that differs on every resource would fill the cache
#: without end.
_SIZE = 20_000


class ResultCache(Generic[T]):
    """A thread-safe cache that is emptied when it is full. A cache key must contain all that its result depends on.

    Two threads may compute the same result at once. That is harmless, because both results are equal.

    Args:
        size: The maximum number of results.
    """

    __slots__ = ("_kept", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[Hashable, T] = {}

    def get_or_compute(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the cached result for a cache key; if it is missing, compute and cache it."""
        found = self._kept.get(key)
        if found is None:
            found = compute()
            if len(self._kept) >= self._size:
                self._kept.clear()
            self._kept[key] = found
        return found


class RequestClasses:
    """The classes of the requests for one action, and the cached results of each class.

    Two requests are in the same class if each resource pattern and each condition test gives the same result for both.
    A class is valid only for requests whose ``context`` is empty, because it does not include the keys in ``context``.

    Attributes:
        layers: The principal's policies, with only the statements that cover the action.
        patterns: The resource patterns whose result can differ between requests.
        tests: The condition tests whose result can differ between requests.
        sides: What the principal's policies say about a request: which kinds of policy deny it and which allow it. The
            cache key is the class.
        verdicts: The verdicts on resources that have no policy of their own. The cache key is the class, the account of
            the resource, and a flag that is true if AWS requires such a policy, as for KMS keys.
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
        """Return the class of a request: the result of each pattern and each test."""
        return (
            tuple([pattern.match(request.arn, context) for pattern in self.patterns]),
            tuple([test.holds(context) for test in self.tests]),
        )


class CachedTest:
    """A condition test with cached results. The cache key is the ``KeyState`` of each condition key that can vary."""

    __slots__ = ("_keys", "_truths", "test")

    def __init__(self, test: ConditionTest) -> None:
        self.test = test
        self._keys = tuple(key for key in test.keys if RequestContext.varies(key))
        self._truths: ResultCache[Truth] = ResultCache(_SIZE)

    def holds(self, context: RequestContext) -> Truth:
        """Return whether the test holds for a request."""
        states = tuple([context.state(key) for key in self._keys])
        return self._truths.get_or_compute(states, lambda: self.test.holds(context))
