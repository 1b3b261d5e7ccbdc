"""The reviewed table of the APIs that may be executed: ``effects.yaml``.

A plan's steps are judged by what their API does, not by what a playbook says about itself. An API that the table lacks
counts as destructive and unreviewed.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from cloudops_nb.declarations.tables import bundled_table


class ApiEffect(BaseModel):
    """One API and what executing it means.

    Attributes:
        service: botocore's service name.
        api: The operation, as ``StopDBInstance``.
        iam_action: The action that IAM authorises the call by; often another name than the operation's.
        effect: ``read``, ``modify`` (can be undone or loses nothing) or ``destructive``.
        runs_code: Whether it makes somebody's code run or decides which code runs; refused by name.
        returns_secrets: Whether its answer holds credentials or stored secrets; refused by name.
        idempotent: Whether a second identical call, answered or not, succeeds and leaves the state of the first.
        dry_run: Whether the API itself can check permission and parameters without changing anything.
        refused_parameters: Parameters by which an otherwise accepted API would run code or carry a secret.
        reviewed: False for what the table lacks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    service: str
    api: str
    iam_action: Annotated[str, Field(pattern=r"^[a-z0-9-]+:[A-Za-z0-9]+$")]
    effect: Literal["read", "modify", "destructive"]
    runs_code: bool = False
    returns_secrets: bool = False
    idempotent: bool = False
    dry_run: bool = False
    refused_parameters: list[str] = []
    reviewed: bool = True

    @property
    def refused(self) -> bool:
        """Whether no plan may hold it, whoever approves."""
        return self.runs_code or self.returns_secrets


def effect_of(service: str, api: str) -> ApiEffect:
    """Return the table's row on an API, or one that says destructive and unreviewed."""
    try:
        return effects()[service, api]
    except KeyError:
        # model_construct, because a made-up name need not look like an action.
        return ApiEffect.model_construct(
            service=service, api=api, iam_action=f"{service}:{api}", effect="destructive", reviewed=False
        )


@cache
def effects() -> dict[tuple[str, str], ApiEffect]:
    """Return every row of the table by service and API."""
    rows = TypeAdapter(list[ApiEffect]).validate_python(bundled_table(__package__, "effects.yaml"))
    return {(row.service, row.api): row for row in rows}


@cache
def iam_actions() -> frozenset[str]:
    """Return the IAM actions of every API that a plan may hold."""
    return frozenset(row.iam_action for row in effects().values() if not row.refused)
