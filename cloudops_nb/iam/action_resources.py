"""The resources on which AWS authorises an action.

Most actions are authorised only on the resource that the call is about. ``action_resources.yaml`` lists the exceptions.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.iam.policies.wildcards import HOLE
from cloudops_nb.iam.principal import ARN_PARTS

_ActionName = Annotated[str, Field(pattern=r"^[a-z0-9-]+:[A-Za-z]+$")]


class _TableModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FurtherAuthorisation(_TableModel):
    """An additional authorisation that an action needs; comments in ``action_resources.yaml`` explain the fields."""

    action: _ActionName | None = None
    arn: str | None = None
    created: bool = False
    own_policy: bool = False
    unless: str = ""
    context: dict[str, str] = {}

    def is_needed_for(self, arn: str) -> bool:
        """Return whether the action on the resource ``arn`` needs this authorisation; true if the ARN is incomplete."""
        parts = arn.split(":", ARN_PARTS - 1)
        return not self.unless or len(parts) != ARN_PARTS or not parts[-1].startswith(self.unless)

    def resource_arn(self, *, partition: str, region: str, account_id: str) -> str:
        """Return the ARN that this authorisation is about, with a ``HOLE`` for each part that is not known."""
        known = {"partition": partition, "region": region, "account_id": account_id}
        return str(self.arn).replace("*", HOLE).format(**{name: text or HOLE for name, text in known.items()})


class ActionResources(_TableModel):
    """The resources on which AWS authorises one action; comments in ``action_resources.yaml`` explain the fields."""

    resource: Literal["", "*", "other"] = ""
    also: tuple[FurtherAuthorisation, ...] = ()


_RESOURCE_ONLY = ActionResources()


def action_resources(action: str) -> ActionResources:
    """Return the table's entry for an action, whose name may be in any case.

    An action that the table does not list is authorised only on the resource that the call is about.
    """
    return action_resource_table().get(action.lower(), _RESOURCE_ONLY)


@cache
def action_resource_table() -> dict[str, ActionResources]:
    """Return the whole table as a dictionary; its keys are actions in lower case."""
    rows = TypeAdapter(dict[_ActionName, ActionResources]).validate_python(
        bundled_table(__package__, "action_resources.yaml")
    )
    return {action.lower(): row for action, row in rows.items()}
