"""What the approval card says, in its order, apart from how it looks: HTML, text and Markdown are drawn from this.

Texts in here are as they came; each renderer escapes them for its own medium.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.execution.plan import Effect, Level
from cloudops_nb.presentation.secrecy import Secrecy
from cloudops_nb.presentation.section import Badge, Row, Section, Tone, utc, value_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from cloudops_nb.execution.plan import Plan, Step, Target


_ENVIRONMENT_TONES = {"production": Tone.DANGER, "staging": Tone.CAUTION, "": Tone.MUTED}
_EFFECT_TONES = {Effect.READ: Tone.GOOD, Effect.MODIFY: Tone.CAUTION, Effect.DESTRUCTIVE: Tone.DANGER}
_LEVEL_TONES = {
    Level.LOW: Tone.GOOD,
    Level.MEDIUM: Tone.CAUTION,
    Level.HIGH: Tone.DANGER,
    Level.CRITICAL: Tone.DANGER,
}
_VERDICT_TONES = {"allowed": Tone.GOOD, "denied": Tone.DANGER}


def card_sections(plan: Plan, *, kernel_user: str, now: datetime, bytes_sent: int | None = None) -> list[Section]:
    """Return the card's sections in the order in which a careful operator asks.

    Args:
        plan: The plan; its secret parameter values don't reach the sections.
        kernel_user: The operating system's user whose kernel would act.
        now: The time of showing, from which ages are counted.
        bytes_sent: The size of what left the host to make the plan, ``None`` where it isn't known.
    """
    hide = Secrecy.of(plan)
    return [
        _where(plan, kernel_user),
        _what(plan, hide),
        _steps(plan, hide),
        _difference(plan, hide, now),
        _blast_radius(plan, hide),
        _iam(plan, hide),
        _rollback(plan, hide),
        _checks(plan, hide),
        _binding(plan, bytes_sent),
    ]


def environment_badge(plan: Plan) -> Badge:
    """Return production, or whatever the environment is, as a word and a tone."""
    environment = "production" if plan.production else plan.environment
    return Badge(environment or "environment not labelled", _ENVIRONMENT_TONES.get(environment, Tone.PLAIN))


def headline(plan: Plan) -> str:
    """Return what would be done and to how many resources; a title that names the only one says enough."""
    count = len(plan.target_states)
    if count == 1 and plan.target_states[0].identifier in plan.title:
        return plan.title
    return f"{plan.title} · {count} resource{'' if count == 1 else 's'}"


def _where(plan: Plan, kernel_user: str) -> Section:
    account = f"{plan.account_name} ({plan.account_id})" if plan.account_name else plan.account_id
    return Section(
        "where",
        "Where",
        badges=(environment_badge(plan),),
        facts=(
            ("Account", account),
            ("Region", plan.region),
            ("Acts as", plan.principal),
            ("Kernel of", f"{kernel_user}, also for others in a shared notebook"),
        ),
    )


def _what(plan: Plan, hide: Callable[[str], str]) -> Section:
    return Section(
        "what",
        headline(plan),
        badges=(
            Badge(plan.effect, _EFFECT_TONES[plan.effect]),
            Badge(f"{plan.level} risk", _LEVEL_TONES[plan.level]),
            _reversibility(plan),
        ),
        lines=[hide(plan.explanation)],
        items=[hide(reason) for reason in plan.reasons],
        facts=(("Playbook", f"{plan.playbook.id} {plan.playbook.version}"),),
    )


def _reversibility(plan: Plan) -> Badge:
    if plan.effect is Effect.READ:
        return Badge("changes nothing", Tone.GOOD)
    if plan.rollback.playbook:
        return Badge("reversible", Tone.GOOD)
    return Badge("not reversible", Tone.DANGER if plan.effect is Effect.DESTRUCTIVE else Tone.CAUTION)


def _steps(plan: Plan, hide: Callable[[str], str]) -> Section:
    targets = {key: target for target in plan.target_states for key in (target.identifier, target.arn) if key}
    rows = [_step_row(step, targets.get(step.target), hide) for step in plan.steps]
    numbered = [Row((str(n), *row.cells), row.command) for n, row in enumerate(rows, start=1)]
    return Section("steps", "Steps", head=("#", "Operation", "Resource", "State now → expected"), rows=numbered)


def _step_row(step: Step, target: Target | None, hide: Callable[[str], str]) -> Row:
    states = ""
    if target is not None and step.effect is not Effect.READ:
        states = f"{target.state or 'no state'} → {target.expected_state or 'unchanged'}"
    elif step.expects:
        states = f"expects {step.expects}"
    resource = named(target) if target else step.target
    return Row((operation(step), resource, hide(states)), command=hide(step.cli))


def operation(step: Step) -> str:
    """Return the AWS operation of a step, or its kind of action where it calls nothing."""
    return f"{step.service}:{step.api}" if step.api else step.action


def named(target: Target) -> str:
    """Return a target's identifier, with its name where that is another one."""
    other = target.name and target.name != target.identifier
    return f"{target.name} ({target.identifier})" if other else target.identifier


def _difference(plan: Plan, hide: Callable[[str], str], now: datetime) -> Section:
    rest = "unchanged" if plan.effect is Effect.READ else "not predicted"
    rows = [row for target in plan.target_states for row in _changes(target, hide, rest)]
    age = max(0, round((now - plan.created).total_seconds()))
    title = f"Change against live state, as of {age} s ago ({utc(plan.created)})"
    return Section("diff", title, head=("Resource", "Field", "Now", "After"), rows=rows)


def _changes(target: Target, hide: Callable[[str], str], rest: str) -> Iterator[Row]:
    """Yield a row a field: what a playbook promises is a state, so of the other fields we say what ``rest`` says."""
    changes = bool(target.expected_state) and target.expected_state != target.state
    yield Row(
        (named(target), "state", hide(target.state) or "none", hide(target.expected_state) if changes else "unchanged")
    )
    for field, value in _flat(target.fingerprint):
        if field != "state":
            yield Row(("", field, hide(value), rest), muted=True)


def _flat(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field, value in sorted(data.items()):
        yield field, value_words(value)


def _blast_radius(plan: Plan, hide: Callable[[str], str]) -> Section:
    facts = [
        (label, ", ".join(hide(name) for name in names) or "none found")
        for target in plan.target_states
        for label, names in _neighbours(target, alone=len(plan.target_states) == 1)
    ]
    unknown = "; ".join(hide(item) for item in plan.not_checked) or "nothing known of"
    return Section("blast", "Blast radius", facts=(*facts, ("Not checked", unknown)))


def _neighbours(target: Target, *, alone: bool) -> Iterator[tuple[str, Sequence[str]]]:
    of_which = "" if alone else f" of {named(target)}"
    yield f"Dependents{of_which}", target.dependents
    yield f"Controllers{of_which}", target.managed_by


def _iam(plan: Plan, hide: Callable[[str], str]) -> Section:
    steps: dict[tuple[str, str, str], list[str]] = {}
    for number, step in enumerate(plan.steps, start=1):
        if step.api:
            steps.setdefault((operation(step), step.iam_reason, step.iam), []).append(str(number))
    rows = [
        Row((", ".join(numbers), called, hide(reason) or "no statement decided it"), badges=(_verdict(verdict),))
        for (called, reason, verdict), numbers in steps.items()
    ]
    return Section("iam", "Permission", head=("Steps", "Operation", "Decided by", "Verdict"), rows=rows)


def _verdict(verdict: str) -> Badge:
    return Badge(verdict, _VERDICT_TONES.get(verdict, Tone.CAUTION))


def _rollback(plan: Plan, hide: Callable[[str], str]) -> Section:
    note = hide(plan.rollback.note)
    if plan.rollback.playbook:
        way_back = f"{plan.rollback.playbook}, as a plan of its own that needs approval"
    elif plan.effect is Effect.DESTRUCTIVE:
        way_back = "none: data is lost"
    else:
        way_back = "none" if plan.effect is Effect.MODIFY else "not needed"
    return Section("rollback", "Way back", lines=[f"{way_back}. {note}" if note else f"{way_back}."])


def _checks(plan: Plan, hide: Callable[[str], str]) -> Section:
    rows: list[Row] = []
    when = ""
    for check in plan.checks:
        first = "" if check.when == when else check.when.capitalize()
        when = check.when
        rows.append(Row((first, hide(check.what), hide(check.outcome) or "runs with the plan")))
    return Section("checks", "Checks", head=("When", "Check", "Outcome"), rows=rows)


def _minutes(plan: Plan) -> str:
    return f"{(plan.expires - plan.created).total_seconds() / 60:g} min"


def _binding(plan: Plan, bytes_sent: int | None) -> Section:
    facts = [
        ("Plan", plan.id),
        ("Hash", plan.hash),
        ("Expires", f"{utc(plan.expires)}, {_minutes(plan)} after it was made"),
        ("Approvals", "one needed; good for one run of exactly this plan"),
    ]
    if bytes_sent is not None:
        facts.append(("Left this host", f"{bytes_sent:,} bytes; %cloudops_ledger shows them"))
    if plan.replaces:
        facts.append(("Replaces", plan.replaces))
    return Section("binding", "What an approval binds", facts=facts)
