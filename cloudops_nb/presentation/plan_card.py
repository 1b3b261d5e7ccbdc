"""Makes the sections of a plan's approval card, from which renderers make HTML, plain text and Markdown.

The texts in the sections are not escaped; each renderer escapes them for its own format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.execution.plan import Effect, Level
from cloudops_nb.presentation.secrecy import Redactor
from cloudops_nb.presentation.section import Badge, Section, TableRow, Tone, utc_text, value_text
from cloudops_nb.understanding.environment import PRODUCTION, UNKNOWN

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
    """Return the card's sections, in the order in which a careful operator checks them.

    Args:
        plan: The plan; the values of its secret parameters do not appear in the sections.
        kernel_user: The operating system's user that runs the notebook kernel or the command.
        now: The current time, to compute the age of the live state that the plan was made from.
        bytes_sent: The size of the request that left the host for the plan; ``None`` if unknown.
    """
    hide = Redactor.of(plan)
    return [
        _where_section(plan, kernel_user),
        _what_section(plan, hide),
        _steps_section(plan, hide),
        _difference_section(plan, hide, now),
        _blast_radius_section(plan, hide),
        _permission_section(plan, hide),
        _rollback_section(plan, hide),
        _checks_section(plan, hide),
        _binding_section(plan, bytes_sent),
    ]


def environment_badge(plan: Plan) -> Badge:
    """Return a badge with the plan's environment, such as ``production``, or with ``environment not labelled``."""
    environment = PRODUCTION if plan.production else plan.environment.replace(UNKNOWN, "")
    return Badge(environment or "environment not labelled", _ENVIRONMENT_TONES.get(environment, Tone.PLAIN))


def headline(plan: Plan) -> str:
    """Return the plan's title and number of resources; the title alone if it names the plan's only resource."""
    count = len(plan.target_states)
    if not count or (count == 1 and plan.target_states[0].identifier in plan.title):
        return plan.title
    return f"{plan.title} · {count} resource{'' if count == 1 else 's'}"


def _where_section(plan: Plan, kernel_user: str) -> Section:
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


def _what_section(plan: Plan, hide: Callable[[str], str]) -> Section:
    return Section(
        "what",
        headline(plan),
        badges=(
            Badge(plan.effect, _EFFECT_TONES[plan.effect]),
            Badge(f"{plan.level} risk", _LEVEL_TONES[plan.level]),
            _reversibility_badge(plan),
        ),
        lines=[hide(plan.explanation)],
        items=[hide(reason) for reason in plan.reasons],
        facts=(
            ("Playbook", f"{plan.playbook.id} {plan.playbook.version}"),
            *((f"Runs at {each.path}", f"{each.playbook.id} {each.playbook.version}") for each in plan.nested),
            *(
                (f"Parameter Store {each.name}", hide(f"{each.value} (version {each.version})"))
                for each in plan.store_parameters
            ),
        ),
    )


def _reversibility_badge(plan: Plan) -> Badge:
    if plan.effect is Effect.READ:
        return Badge("changes nothing", Tone.GOOD)
    if plan.rollback.playbook:
        return Badge("reversible", Tone.GOOD)
    return Badge("not reversible", Tone.DANGER if plan.effect is Effect.DESTRUCTIVE else Tone.CAUTION)


def _steps_section(plan: Plan, hide: Callable[[str], str]) -> Section:
    targets = {key: target for target in plan.target_states for key in (target.identifier, target.arn) if key}
    # A document of one's own is recognised by the names of its steps, a bundled playbook by its operations.
    named = plan.once or any("/" in step.name for step in plan.steps)
    rows = [_step_row(step, targets.get(step.target), hide, named=named) for step in plan.steps]
    numbered = [TableRow((str(n), *row.cells), row.command) for n, row in enumerate(rows, start=1)]
    return Section("steps", "Steps", head=("#", "Operation", "Resource", "State now → expected"), rows=numbered)


def _step_row(step: Step, target: Target | None, hide: Callable[[str], str], *, named: bool) -> TableRow:
    states = ""
    if target is not None and step.effect is not Effect.READ:
        states = f"{target.state or 'no state'} → {target.expected_state or 'not predicted'}"
    elif step.expects:
        states = f"expects {step.expects}" if step.api else step.expects
    resource = target_label(target) if target else step.target
    often = f"up to {step.at_most:,} times " if step.at_most > 1 else ""
    operation = f"{step.name}: {often}{operation_label(step)}" if named else f"{often}{operation_label(step)}"
    return TableRow((operation, resource, hide(states)), command=hide(step.cli))


def operation_label(step: Step) -> str:
    """Return a step's AWS operation, such as ``rds:StopDBInstance``, else its action, such as ``aws:sleep``."""
    return f"{step.service}:{step.api}" if step.api else step.action


def target_label(target: Target) -> str:
    """Return a target's identifier, or its name followed by the identifier if the two differ."""
    other = target.name and target.name != target.identifier
    return f"{target.name} ({target.identifier})" if other else target.identifier


def _difference_section(plan: Plan, hide: Callable[[str], str], now: datetime) -> Section:
    rest = "unchanged" if plan.effect is Effect.READ else "not predicted"
    rows = [row for target in plan.target_states for row in _field_rows(target, hide, rest)]
    rows += [
        TableRow((each.call, each.selector, hide(each.text), f"checked first: {hide(each.wanted)}"))
        for each in plan.observations
    ]
    age = max(0, round((now - plan.created).total_seconds()))
    title = f"Change against live state, as of {age} s ago ({utc_text(plan.created)})"
    return Section("diff", title, head=("Resource", "Field", "Now", "After"), rows=rows)


def _field_rows(target: Target, hide: Callable[[str], str], rest: str) -> Iterator[TableRow]:
    """Yield a row for the state and for each other field of a target.

    A playbook declares at most the new state, so ``rest`` is shown as the new value of everything else.
    """
    same = target.expected_state == target.state
    after = ("unchanged" if same else hide(target.expected_state)) if target.expected_state else rest
    when = "state" if target.fingerprint else "state at the last scan"
    yield TableRow((target_label(target), when, hide(target.state) or "none", after))
    for field, value in _field_values(target.fingerprint):
        if field != "state":
            yield TableRow(("", field, hide(value), rest), muted=True)


def _field_values(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field, value in sorted(data.items()):
        yield field, value_text(value)


def _blast_radius_section(plan: Plan, hide: Callable[[str], str]) -> Section:
    facts = [
        (label, ", ".join(hide(name) for name in names) or "none found")
        for target in plan.target_states
        for label, names in _related_resources(target, alone=len(plan.target_states) == 1)
    ]
    unknown = "; ".join(hide(item) for item in plan.not_checked) or "none known"
    return Section("blast", "Blast radius", facts=(*facts, ("Not checked", unknown)))


def _related_resources(target: Target, *, alone: bool) -> Iterator[tuple[str, Sequence[str]]]:
    of_target = "" if alone else f" of {target_label(target)}"
    yield f"Dependents{of_target}", target.dependents
    yield f"Controllers{of_target}", target.managed_by


def _permission_section(plan: Plan, hide: Callable[[str], str]) -> Section:
    # Steps with the same operation, IAM verdict (allowed, denied or unknown) and reason share a row, because a plan
    # repeats its operations for each target.
    steps: dict[tuple[str, str, str], list[str]] = {}
    for number, step in enumerate(plan.steps, start=1):
        if step.api:
            steps.setdefault((operation_label(step), step.iam_reason, step.iam), []).append(str(number))
    rows = [
        TableRow(
            (", ".join(numbers), name, hide(reason) or "no statement decided it"), badges=(_verdict_badge(verdict),)
        )
        for (name, reason, verdict), numbers in steps.items()
    ]
    return Section("iam", "Permission", head=("Steps", "Operation", "Decided by", "Verdict"), rows=rows)


def _verdict_badge(verdict: str) -> Badge:
    return Badge(verdict, _VERDICT_TONES.get(verdict, Tone.CAUTION))


def _rollback_section(plan: Plan, hide: Callable[[str], str]) -> Section:
    note = hide(plan.rollback.note)
    if plan.rollback.playbook:
        way_back = f"{plan.rollback.playbook}, as a plan of its own that needs approval"
    elif plan.effect is Effect.DESTRUCTIVE:
        way_back = "none: data is lost"
    else:
        way_back = "none" if plan.effect is Effect.MODIFY else "not needed"
    return Section("rollback", "Way back", lines=[f"{way_back}. {note}" if note else f"{way_back}."])


def _checks_section(plan: Plan, hide: Callable[[str], str]) -> Section:
    rows: list[TableRow] = []
    when = ""
    for check in plan.checks:
        # Of consecutive checks that run at the same time, only the first shows when they run.
        first = "" if check.when == when else check.when.capitalize()
        when = check.when
        rows.append(TableRow((first, hide(check.what), hide(check.outcome) or "runs with the plan")))
    return Section("checks", "Checks", head=("When", "Check", "Outcome"), rows=rows)


def _valid_minutes(plan: Plan) -> str:
    return f"{(plan.expires - plan.created).total_seconds() / 60:g} min"


def _binding_section(plan: Plan, bytes_sent: int | None) -> Section:
    facts = [
        ("Plan", plan.id),
        ("Hash", plan.hash),
        ("Expires", f"{utc_text(plan.expires)}, {_valid_minutes(plan)} after the plan was created"),
        ("Approvals", "one needed; valid for one run of exactly this plan"),
    ]
    if bytes_sent is not None:
        facts.append(("Left this host", f"{bytes_sent:,} bytes; %cloudops_ledger shows them"))
    if plan.replaces:
        facts.append(("Replaces", plan.replaces))
    return Section("binding", "What an approval binds", facts=facts)
