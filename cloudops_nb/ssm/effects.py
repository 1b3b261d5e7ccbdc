"""The reviewed table of the APIs that may be executed: ``effects.yaml``.

A plan's steps are judged by what their API does, not by what a playbook says about itself. An API that the table lacks
is unreviewed: it counts as a read if AWS publishes the access level List or Read for it, else as destructive.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.iam.access_levels import api_actions, api_level

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        refused_values: Values of parameters by which it would, such as an attribute that holds a secret.
        reviewed: False for an API that the table lacks.
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
    refused_values: dict[str, list[str]] = {}
    reviewed: bool = True

    @property
    def refused(self) -> bool:
        """Whether no plan may hold it, whoever approves."""
        return self.runs_code or self.returns_secrets

    def plainly_reads(self, parameters: Mapping[str, Any]) -> bool:
        """Return whether a call only reads, and neither runs code nor asks for a secret."""
        return self.effect == "read" and not self.refused and not self.refused_among(parameters)

    def refused_among(self, parameters: Mapping[str, Any], *, resolved: bool = True) -> list[str]:
        """Return the names of the parameters by which the call would run code, or carry or ask for a secret.

        Args:
            parameters: The call's parameters.
            resolved: Whether the document's parameters are filled in. Then a value that refers to the output of another
                step counts, because it may become a refused one. Otherwise only literal values are judged.
        """
        by_value = [
            name
            for name, refused in self.refused_values.items()
            if name in parameters and _is_among(parameters[name], refused, resolved=resolved)
        ]
        return sorted({*by_value, *(set(self.refused_parameters) & parameters.keys())})


def _is_among(value: Any, refused: list[str], *, resolved: bool) -> bool:
    if isinstance(value, list):
        # A list of one item is sent as the item, where the API takes no list.
        return any(_is_among(item, refused, resolved=resolved) for item in value)
    text = str(value)
    return (resolved and "{{" in text) or text.casefold() in map(str.casefold, refused)


def effect_of(service: str, api: str) -> ApiEffect:
    """Return the table's row on an API, or an unreviewed one by the access level that AWS publishes for it."""
    try:
        return effects()[service, api]
    except KeyError:
        actions = api_actions(service, api)
        # model_construct, because a made-up name need not look like an action.
        return ApiEffect.model_construct(
            service=service,
            api=api,
            iam_action=actions[0] if actions else f"{service}:{api}",
            effect="read" if api_level(service, api).only_reads else "destructive",
            reviewed=False,
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
