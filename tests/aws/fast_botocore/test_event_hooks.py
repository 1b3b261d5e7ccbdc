"""The faster event hooks behave as botocore's own."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from botocore.hooks import EventAliaser, HierarchicalEmitter
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.aws.fast_botocore.event_hooks import QuickAliaser, QuickEmitter, QuickSession

pytestmark = pytest.mark.fast

_PARTS = ("before-call", "ec2", "s3", "*", "DescribeInstances")
_NAMES = st.lists(st.sampled_from(_PARTS), min_size=1, max_size=3).map(".".join)
_WAYS = ("register", "register_first", "register_last")


def _handler(number: int) -> Any:
    return lambda **_: number


def _raised(function: Any, *arguments: Any) -> type[Exception] | None:
    try:
        function(*arguments)
    except AttributeError as error:  # botocore's own, where handlers stand only deeper than the name
        return type(error)
    return None


_HANDLERS = [_handler(number) for number in range(4)]
_STEPS = st.lists(
    st.tuples(
        st.sampled_from([*_WAYS, *_WAYS, "unregister", "copy", "emit"]),
        st.integers(0, 7),
        _NAMES,
        st.integers(0, len(_HANDLERS) - 1),
        st.sampled_from(["", "", "", "once"]),
    ),
    max_size=40,
)


@given(_STEPS)
def test_copies_behave_as_botocores_do_while_other_copies_change(steps: Any) -> None:
    pairs = [(QuickEmitter(), HierarchicalEmitter())]
    for step, which, name, number, unique in steps:
        pair = pairs[which % len(pairs)]
        if step == "copy":
            pairs.append((copy.copy(pair[0]), copy.copy(pair[1])))
            continue
        if step != "emit":
            ours, theirs = (_raised(getattr(each, step), name, _HANDLERS[number], unique or None) for each in pair)
            assert ours == theirs
        for quick, plain in pairs:
            for asked in (name, "before-call.ec2.DescribeInstances"):
                assert quick.emit(asked) == plain.emit(asked)


@pytest.mark.parametrize("step", ["register", "unregister"])
@pytest.mark.parametrize("changed", [0, 1])
def test_a_change_after_a_copy_does_not_reach_the_other(step: str, changed: int) -> None:
    first = QuickEmitter()
    for handler in _HANDLERS[:2]:
        first.register("before-call.ec2", handler)
    both = [first, copy.copy(first)]
    getattr(both[changed], step)("before-call.ec2", _HANDLERS[2 if step == "register" else 0])
    answers = [[answer for _, answer in each.emit("before-call.ec2")] for each in both]
    assert answers[changed] == ([0, 1, 2] if step == "register" else [1])
    assert answers[1 - changed] == [0, 1]


def test_clients_share_the_handlers_and_names_of_their_session() -> None:
    session: Any = QuickSession()
    nodes, names = [], []
    for service in ("sqs", "sns"):
        events: Any = session.create_client(service, region_name="eu-west-1").meta.events
        events.emit("provide-client-params.sqs.ListQueues")
        nodes.append(events._emitter._handlers._root["children"]["before-endpoint-resolution"])
        names.append(events._alias_name_cache)
    assert nodes[0] is nodes[1] is session._events._emitter._handlers._root["children"]["before-endpoint-resolution"]
    assert names[0] is names[1] is session._events._alias_name_cache


def test_a_handler_that_takes_no_keywords_is_refused() -> None:
    with pytest.raises(ValueError, match="keyword"):
        QuickEmitter().register("before-call", lambda: None)


def test_a_handler_that_is_no_plain_function_is_checked_by_botocore() -> None:
    class Handler:
        def __call__(self, **_: Any) -> str:
            return "called"

        def method(self, **_: Any) -> str:
            return "method"

    emitter = QuickEmitter()
    handlers: tuple[Any, ...] = (Handler(), Handler().method)  # which answer, though the stubs say they do not
    for handler in handlers:
        emitter.register("before-call", handler)
    assert [answer for _, answer in emitter.emit("before-call")] == ["called", "method"]


def _known(session: Session, service: str) -> dict[str, list[str]]:
    client = session.create_client(
        service, region_name="eu-west-1", aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x"
    )
    operation = next(iter(client.meta.service_model.operation_names))
    events = (
        "before-parameter-build", "before-call", "request-created", "choose-signer", "before-sign", "before-send",
        "needs-retry", "after-call", "before-parse", "provide-client-params", "creating-client-class",
    )  # fmt: skip
    names = [f"{event}.{service}.{operation}" for event in events]
    hooks: Any = client.meta.events
    handlers = hooks._emitter._handlers
    return {name: [_called(each) for each in handlers.prefix_search(hooks._alias_event_name(name))] for name in names}


def _called(handler: Any) -> str:
    return str(getattr(handler, "__qualname__", type(handler).__qualname__))


@pytest.mark.parametrize("service", ["ec2", "s3", "lambda", "rds", "route53", "elbv2"])
def test_a_client_has_the_handlers_that_botocore_gives_it(service: str) -> None:
    assert _known(QuickSession(), service) == _known(Session(), service)


def test_event_names_are_translated_as_botocore_does() -> None:
    # Private methods are compared, which the stubs leave out.
    quick: Any = QuickAliaser(QuickEmitter())
    plain: Any = EventAliaser(HierarchicalEmitter())
    olds = [*plain._event_aliases, "ec2", "before-call.elasticloadbalancing.DescribeLoadBalancers"]
    for old in olds:
        for name in (old, f"before-call.{old}.Operation", f"needs-retry.{old}"):
            assert quick._alias_event_name(name) == plain._alias_event_name(name)
            assert copy.copy(quick)._alias_event_name(name) == plain._alias_event_name(name)
