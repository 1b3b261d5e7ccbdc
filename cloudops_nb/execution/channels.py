"""The channels through which decisions on plans arrive, and what each channel may approve.

The channel guards against accident, and against an automated caller that follows the rules. It does not guard against
hostile code in the same kernel, which can do whatever the card does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.errors import ApprovalRefusedError
from cloudops_nb.execution.plan import Channel, Effect

if TYPE_CHECKING:
    from cloudops_nb.execution.plan import Plan

_PERSONAL = (Channel.CARD, Channel.TERMINAL)
_ON_CARD_OR_TERMINAL = "Approve it on its card, or in a terminal with cloudops-nb approve."


class PersonChannel:
    """Records the decisions of a person who sees the plan on a card or in a terminal.

    Only the code that shows plans to persons holds such an object. Public methods take the channel ``api`` as a text,
    and every other channel only as an object of this class.

    Raises:
        ValueError: No person decides through the channel.
    """

    __slots__ = ("channel",)

    def __init__(self, channel: Channel) -> None:
        if channel not in _PERSONAL:
            raise ValueError(f"no person decides through the channel {channel}")
        self.channel = channel


def recorded_channel(given: PersonChannel | str) -> Channel:
    """Return the channel to record for a decision: that of a :class:`PersonChannel`, or ``api``.

    Raises:
        ApprovalRefusedError: ``given`` is anything else, such as the text ``card``.
    """
    if type(given) is PersonChannel:
        return given.channel
    if isinstance(given, str) and given == Channel.API:
        return Channel.API
    raise ApprovalRefusedError(
        "the channel is not accepted", "code can only decide through the channel api", _ON_CARD_OR_TERMINAL
    )


def require_channel(plan: Plan, channel: Channel) -> None:
    """Check that a channel may approve a plan: only a person approves production and destructive plans.

    An unknown environment may be production, so it counts as production.

    Raises:
        ApprovalRefusedError: The channel may not approve the plan.
    """
    if channel in _PERSONAL:
        return
    if channel is not Channel.API:
        # No code verifies signatures, so an approval with one proves nothing.
        raise ApprovalRefusedError("signatures cannot be verified", fix=_ON_CARD_OR_TERMINAL)
    if plan.production:
        why = "the plan acts on production"
    elif plan.effect is Effect.DESTRUCTIVE:
        why = "the plan is destructive"
    elif plan.of_unknown_environment:
        why = f"the environment of account {plan.account_name or plan.account_id} is not known, so it may be production"
        fix = f"{_ON_CARD_OR_TERMINAL} Or set the account's environment in config.toml, scan, and ask again."
        raise ApprovalRefusedError("an approval from code is not enough", why, fix)
    else:
        return
    raise ApprovalRefusedError("an approval from code is not enough", why, _ON_CARD_OR_TERMINAL)
