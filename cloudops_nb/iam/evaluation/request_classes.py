"""Classes of requests: those of one action of which a principal's policies say the same."""

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
#: What is remembered of an action, or of a test; it may look at a tag that is never the same twice.
_SIZE = 20_000


class ResultCache(Generic[T]):
    """Keeps results by what they depend on; begins anew when it is full. Thread-safe.

    Two threads may work out the same at once, since either result is right.

    Args:
        size: How many results to keep.
    """

    __slots__ = ("_kept", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[Hashable, T] = {}

    def get_or_compute(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the result for a key, worked out if it is not kept."""
        found = self._kept.get(key)
        if found is None:
            found = compute()
            if len(self._kept) >= self._size:
                self._kept.clear()
            self._kept[key] = found
        return found


class RequestClasses:
    """The requests of one action, by which patterns match and which tests hold, and what is remembered of each class.

    It is for requests of which nothing further is given, so that only the resource tells them apart.

    Attributes:
        layers: What the policies hold about the action.
        patterns: The resource patterns that tell requests apart.
        tests: The tests that do.
        sides: What the policies say, by class.
        verdicts: The verdicts on resources without a policy of their own, by class and by what else decides.
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
    """A test of which the outcome is remembered by what its keys hold."""

    __slots__ = ("_keys", "_truths", "test")

    def __init__(self, test: ConditionTest) -> None:
        self.test = test
        self._keys = tuple(key for key in test.keys if RequestContext.varies(key))
        self._truths: ResultCache[Truth] = ResultCache(_SIZE)

    def holds(self, context: RequestContext) -> Truth:
        """Return whether it holds."""
        states = tuple([context.state(key) for key in self._keys])
        return self._truths.get_or_compute(states, lambda: self.test.holds(context))
