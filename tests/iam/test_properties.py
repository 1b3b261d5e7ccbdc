"""Properties of every verdict, for random policies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cloudops_nb.iam import Evaluator, Policy, PrincipalKind, Unreadable
from cloudops_nb.iam.evaluation.verdict import Decision
from cloudops_nb.iam.policies.policy import PolicyError
from tests.iam.strategies import (
    ACCOUNT,
    ACTIONS,
    CONTEXT_VALUES,
    PRINCIPALS,
    UNREADABLE,
    layers,
    policy,
    principal_policies,
    requests,
    resources,
    statements,
    tags,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.iam.evaluation.verdict import Verdict

many = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
principals = st.sampled_from(PRINCIPALS)
own_tags = st.one_of(st.none(), tags)
NAMES = ("identity", "boundary", "session", "service_control", "resource_control", "resource_policy")
#: Layers that are lists of levels.
LEVELLED = ("service_control", "resource_control")
DENIED = (Decision.DENIED_EXPLICIT, Decision.DENIED_IMPLICIT)


def judge(data: Mapping[str, Any], principal: Any, tags_of: Any, request: Mapping[str, Any], **how: bool) -> Verdict:
    evaluator = Evaluator(principal_policies(data, principal, tags_of), **how)
    return evaluator.verdict(**request, resource_policy=policy(data["resource_policy"]))


@many
@given(
    data=layers, principal=principals, tags_of=own_tags, request=requests, where=st.sampled_from(NAMES), drawn=st.data()
)
def test_adding_a_deny_never_makes_anything_allowed(
    *, data: dict[str, Any], principal: Any, tags_of: Any, request: dict[str, Any], where: str, drawn: Any
) -> None:
    assume(data[where] is not None)
    named = where.startswith("resource")
    deny = drawn.draw(statements(effect="Deny", named=named))
    layer = data[where]
    more = [*layer[:-1], [*layer[-1], deny]] if where in LEVELLED else [*layer, deny]
    before = judge(data, principal, tags_of, request)
    after = judge({**data, where: more}, principal, tags_of, request)
    assert after.decision is not Decision.ALLOWED or before.decision is Decision.ALLOWED
    assert before.decision is not Decision.DENIED_EXPLICIT or after.decision is Decision.DENIED_EXPLICIT


@many
@given(data=layers, principal=principals, tags_of=own_tags, request=requests, drawn=st.data())
def test_the_order_of_statements_never_matters(
    data: dict[str, Any], principal: Any, tags_of: Any, request: dict[str, Any], drawn: Any
) -> None:
    def shuffled(name: str, layer: Any) -> Any:
        if layer is None:
            return None
        if name in LEVELLED:
            return [drawn.draw(st.permutations(level)) for level in layer]
        return drawn.draw(st.permutations(layer))

    other = {name: shuffled(name, layer) for name, layer in data.items()}
    assert judge(data, principal, tags_of, request).decision == judge(other, principal, tags_of, request).decision


@many
@given(data=layers, principal=principals, tags_of=own_tags, request=requests, where=st.sampled_from(NAMES))
def test_a_layer_that_is_not_readable_never_leaves_anything_allowed(
    data: dict[str, Any], principal: Any, tags_of: Any, request: dict[str, Any], where: str
) -> None:
    # The root user has no identity policies.
    assume(not (where == "identity" and principal.kind is PrincipalKind.ROOT))
    verdict = judge({**data, where: UNREADABLE}, principal, tags_of, request)
    assert verdict.decision is not Decision.ALLOWED


@many
@given(data=layers, principal=principals, tags_of=own_tags, request=requests, hidden=st.sets(st.sampled_from(NAMES)))
def test_what_is_settled_without_a_layer_stays_so_whatever_the_layer_is(
    data: dict[str, Any], principal: Any, tags_of: Any, request: dict[str, Any], hidden: set[str]
) -> None:
    known = judge(data, principal, tags_of, request)
    less = judge({**data, **dict.fromkeys(hidden, UNREADABLE)}, principal, tags_of, request)
    assert_consistent(less, known)


@many
@given(
    data=layers,
    principal=principals,
    request=requests,
    team=tags,
    resource_team=tags,
    context=st.fixed_dictionaries(
        {
            key: st.lists(st.sampled_from(CONTEXT_VALUES), max_size=1)
            for key in ("aws:SourceIp", "sqs:mode", "aws:PrincipalOrgID")
        }
    ),
)
def test_what_is_settled_without_a_key_stays_so_whatever_the_key_holds(
    *,
    data: dict[str, Any],
    principal: Any,
    request: dict[str, Any],
    team: dict[str, str],
    resource_team: dict[str, str],
    context: dict[str, list[str]],
) -> None:
    known = judge(data, principal, team, {**request, "tags": resource_team, "context": context})
    less = judge(data, principal, None, {**request, "tags": None, "context": {}})
    assert_consistent(less, known)


@many
@given(data=layers, tags_of=own_tags, request=requests, hidden=st.sampled_from(("session", "note", "arn")))
def test_what_is_settled_of_a_role_stays_so_whatever_its_path_and_session(
    data: dict[str, Any], tags_of: Any, request: dict[str, Any], hidden: str
) -> None:
    role = PRINCIPALS[1]
    less = {
        "session": replace(role, session=""),
        "note": replace(role, note="its path is not known"),
        "arn": replace(role, arn=""),
    }
    assert_consistent(judge(data, less[hidden], tags_of, request), judge(data, role, tags_of, request))


def assert_consistent(less: Verdict, known: Verdict) -> None:
    """With less known, a decision may become unknown, but never a different one."""
    if less.decision is Decision.ALLOWED:
        assert known.decision is Decision.ALLOWED
    if less.decision is Decision.DENIED_EXPLICIT:
        assert known.decision is Decision.DENIED_EXPLICIT
    if less.decision is Decision.DENIED_IMPLICIT:
        assert known.decision in DENIED


@many
@given(data=layers, principal=principals, tags_of=own_tags, asked=st.lists(requests, min_size=2, max_size=4))
def test_an_evaluator_that_remembers_says_what_one_that_does_not_says(
    data: dict[str, Any], principal: Any, tags_of: Any, asked: list[dict[str, Any]]
) -> None:
    policies = principal_policies(data, principal, tags_of)
    remembering, forgetful = Evaluator(policies), Evaluator(policies, remember=False)
    own = policy(data["resource_policy"])
    for request in asked * 2:
        fresh = forgetful.verdict(**request, resource_policy=own)
        assert remembering.verdict(**request, resource_policy=own) == fresh


@many
@given(
    data=layers,
    principal=principals,
    tags_of=own_tags,
    asked=st.lists(resources, min_size=2, max_size=5),
    actions=st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=4, unique=True),
)
def test_actions_that_are_judged_together_come_out_as_each_by_itself(
    data: dict[str, Any], principal: Any, tags_of: Any, asked: list[dict[str, Any]], actions: list[str]
) -> None:
    policies = principal_policies(data, principal, tags_of)
    remembering, forgetful = Evaluator(policies), Evaluator(policies, remember=False)
    for resource in asked * 2:
        found = remembering.permissions(actions, **resource)
        each = {action: forgetful.verdict(action, **resource) for action in actions}
        assert found.reasons == {action: verdict.by for action, verdict in each.items()}
        assert set(found.allowed) == {action for action, verdict in each.items() if verdict.decision == "allowed"}
        assert set(found.unknown) == {action for action, verdict in each.items() if verdict.decision == "unknown"}


@many
@given(data=layers, principal=principals, tags_of=own_tags, request=requests)
def test_what_is_settled_without_the_resource_stays_so_whatever_it_is(
    data: dict[str, Any], principal: Any, tags_of: Any, request: dict[str, Any]
) -> None:
    # Keys have rules of their own, which an action of theirs on another service's resource would escape.
    assume(not request["action"].startswith("kms:") or ":kms:" in request["resource_arn"])
    less = judge(data, principal, tags_of, {**request, "resource_arn": ""})
    assert_consistent(less, judge(data, principal, tags_of, request))


@many
@given(data=layers, principal=principals, tags_of=own_tags, request=requests, hidden=st.sets(st.sampled_from(LEVELLED)))
def test_what_the_account_allows_is_unknown_and_is_allowed_without_an_organization(
    data: dict[str, Any], principal: Any, tags_of: Any, request: dict[str, Any], hidden: set[str]
) -> None:
    verdict = judge({**data, **dict.fromkeys(hidden, UNREADABLE)}, principal, tags_of, request)
    alone = judge({**data, **dict.fromkeys(LEVELLED)}, principal, tags_of, request)
    if verdict.allowed_by_account:
        assert verdict.decision is Decision.UNKNOWN
        assert "allowed unless the organisation denies" in verdict.by
        assert alone.decision is Decision.ALLOWED or alone.allowed_by_account
        assert alone.decision is Decision.ALLOWED or request["account_id"] != ACCOUNT
    elif verdict.decision is Decision.UNKNOWN and hidden:
        assert alone.decision is not Decision.ALLOWED


TAGGED = st.sampled_from(
    (
        ("sqs:PurgeQueue", f"arn:aws:sqs:eu-west-1:{ACCOUNT}:red"),
        ("ec2:DeleteVolume", f"arn:aws:ec2:eu-west-1:{ACCOUNT}:volume/vol-1"),
        ("s3:DeleteBucket", "arn:aws:s3:::red"),
        ("iam:DeleteGroup", f"arn:aws:iam::{ACCOUNT}:group/red"),
        ("ec2:DeleteVolume", f"arn:aws:ec2:eu-west-1:{ACCOUNT}:instance/i-1"),
    )
)


@many
@given(data=layers, principal=principals, tags_of=own_tags, request=requests, about=TAGGED, values=st.data())
def test_what_is_settled_by_tags_is_settled_alike_when_the_request_says_whether_it_has_them(
    *, data: dict[str, Any], principal: Any, tags_of: Any, request: dict[str, Any], about: tuple[str, str], values: Any
) -> None:
    action, arn = about
    asked = {**request, "action": action, "resource_arn": arn, "context": {}}
    # A key that AWS does not document, or that a service may hide, is in the request with any value, or absent.
    carried = values.draw(st.sampled_from(([], ["red"], ["blue"])))
    if action.startswith(("sqs:", "s3:")) or arn.endswith("vol-1"):
        carried = [asked["tags"]["team"]] if asked["tags"] and "team" in asked["tags"] else []
        if action.startswith("s3:") and values.draw(st.booleans()):
            carried = []
        asked["tags"] = asked["tags"] or {}
    told = {**asked, "context": {"aws:ResourceTag/team": carried}}
    assert_consistent(judge(data, principal, tags_of, asked), judge(data, principal, tags_of, told))


@many
@given(data=layers, principal=principals, tags_of=own_tags, request=requests, value=st.sampled_from(("7", "perhaps")))
def test_a_value_that_cannot_be_read_leaves_nothing_allowed_that_depends_on_it(
    *, data: dict[str, Any], principal: Any, tags_of: Any, request: dict[str, Any], value: str
) -> None:
    request = {**request, "context": {"x:flag": [value], "x:arn": [value]}}
    for test in ({"Bool": {"x:flag": "true"}}, {"ArnNotEquals": {"x:arn": "arn:aws:sns:*:*:*"}}):
        deny = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": test}
        closed = {**data, "identity": [*data["identity"], deny], "resource_control": None}
        assume(principal.kind is not PrincipalKind.ROOT)
        assert judge(closed, principal, tags_of, request).decision is not Decision.ALLOWED


@many
@given(
    data=layers,
    principal=principals,
    tags_of=own_tags,
    request=requests,
    text=st.sampled_from(("arn:aws:sqs", "arn:aws:sqs:eu-west-1", "arn:aws:ec2:*", "arn:aws:e*")),
    effect=st.sampled_from(("Allow", "Deny")),
)
def test_an_incomplete_arn_of_an_identity_policy_is_the_completed_one(
    *, data: dict[str, Any], principal: Any, tags_of: Any, request: dict[str, Any], text: str, effect: str
) -> None:
    def with_resource(resource: str) -> dict[str, Any]:
        statement = {"Effect": effect, "Action": "*", "Resource": resource}
        return {**data, "identity": [*data["identity"], statement]}

    written = judge(with_resource(text), principal, tags_of, request)
    completed = judge(with_resource(text + ":*" * (5 - text.count(":"))), principal, tags_of, request)
    assert_consistent(written, completed)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
#: Data that has the outline of a policy, so that the inner parts are reached.
outlines = st.fixed_dictionaries(
    {
        "Statement": st.lists(
            st.dictionaries(
                st.sampled_from(("Effect", "Action", "NotAction", "Resource", "Principal", "Condition", "Sid")),
                st.one_of(anything, st.sampled_from(("Allow", "Deny", "*"))),
                max_size=6,
            ),
            max_size=3,
        )
    },
    optional={"Version": st.one_of(anything, st.just("2012-10-17"))},
)


@many
@given(document=st.one_of(anything, outlines, st.text(), st.dictionaries(st.text(), anything)))
def test_any_document_is_a_policy_or_a_policy_error(document: Any) -> None:
    try:
        parsed = Policy.parse(document, name="P")
    except PolicyError:
        return
    policies = principal_policies({**dict.fromkeys(NAMES), "identity": []}, PRINCIPALS[0], {})
    queue = "arn:aws:sqs:eu-west-1:123456789012:red"
    Evaluator(policies).verdict("sqs:PurgeQueue", queue, account_id="1", region="", tags={}, resource_policy=parsed)


@many
@given(data=layers, principal=principals, request=requests)
def test_every_verdict_says_what_decided_in_one_line(
    data: dict[str, Any], principal: Any, request: dict[str, Any]
) -> None:
    verdict = judge({**data, "session": Unreadable("not read")}, principal, {}, request)
    assert verdict.by.strip()
    assert "\n" not in verdict.by
    assert "\uffff" not in verdict.by
