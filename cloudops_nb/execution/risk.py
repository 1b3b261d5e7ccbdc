"""How much could go wrong: the host's own level, never below what the server or the playbook says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.execution.plan import EFFECT_ORDER, LEVEL_ORDER, Effect, Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudops_nb.execution.plan import Target
    from cloudops_nb.ssm.metadata import PlaybookMetadata

#: From this many targets on, a mistake is more than a mistake about one resource.
MANY_TARGETS = 5
_LEAST: dict[Effect, Level] = {
    Effect.READ: Level.LOW,
    Effect.MODIFY: Level.LOW,
    Effect.DESTRUCTIVE: Level.HIGH,
}


def highest_effect(effects: Iterable[Effect]) -> Effect:
    """Return the strongest of the effects, ``read`` for none."""
    return max(effects, key=EFFECT_ORDER.index, default=Effect.READ)


def highest_level(levels: Iterable[Level]) -> Level:
    """Return the highest of the levels, ``low`` for none."""
    return max(levels, key=LEVEL_ORDER.index, default=Level.LOW)


def assess(
    metadata: PlaybookMetadata,
    effect: Effect,
    targets: Sequence[Target],
    *,
    production: bool,
) -> tuple[Level, list[str]]:
    """Return the level and a sentence for each thing that decided it.

    The playbook's own level and the least level of the effect give the base; production, many targets and a change that
    cannot be undone each raise it by one. What only reads stays at the base.
    """
    level = highest_level((Level(metadata.level), _LEAST[effect]))
    reasons: list[str] = []
    if effect is Effect.READ:
        return level, reasons
    raising = [
        (production, "it acts on production"),
        (len(targets) >= MANY_TARGETS, f"it acts on {len(targets)} resources at once"),
        (not metadata.reversible, f"it cannot be undone: {metadata.rollback.note}"),
        (not metadata.reviewed, "the document is not reviewed"),
    ]
    for applies, reason in raising:
        if applies:
            level = LEVEL_ORDER[min(LEVEL_ORDER.index(level) + 1, len(LEVEL_ORDER) - 1)]
            reasons.append(reason)
    reasons += [
        f"{target.name or target.identifier} is managed by {', '.join(target.managed_by)}"
        for target in targets
        if target.managed_by
    ]
    reasons += [
        f"{target.name or target.identifier} is used by {', '.join(target.dependents)}"
        for target in targets
        if target.dependents
    ]
    return level, reasons
