"""The coverage table: how each resource type is read, which permissions that takes, and what it yields."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from cloudops_nb.scanner.inventory.least_privilege import iam_permission, scan_operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudops_nb.specs.model import ResourceSpec

#: The columns of a row, and their meanings.
COVERAGE_COLUMNS: Mapping[str, str] = {
    "type": "the resource type, as in filters and in `--service`",
    "CloudFormation": "its CloudFormation type, as in `--type`",
    "listed": "how often it is listed: once a region, or once an account",
    "needs": "the IAM actions that reading it takes; those in brackets only with every detail",
    "constraints": "the verbs for which it says whether they can be done, and why not",
    "facts": "what else an operator weighs",
    "relations": "what it is connected with",
    "verdicts": "how many IAM actions are judged for each resource",
}
_LISTED = {"regional": "region", "global": "account", "account": "account, for all regions"}


def coverage_rows(specs: Iterable[ResourceSpec]) -> list[dict[str, str]]:
    """Return one row per type with :data:`COVERAGE_COLUMNS`, sorted by service and type."""
    return [_coverage_row(spec) for spec in sorted(specs, key=lambda spec: (spec.service, spec.resource_type))]


def coverage_markdown(specs: Iterable[ResourceSpec]) -> str:
    """Return the table as Markdown, one section per service."""
    chosen = sorted(specs, key=lambda spec: (spec.service, spec.resource_type))
    services = len({spec.service for spec in chosen})
    lines = ["# What a scan reads", "", f"{len(chosen)} resource types of {services} services.", ""]
    lines += [f"- **{name}**: {meaning}" for name, meaning in COVERAGE_COLUMNS.items()]
    for service, of_service in groupby(chosen, key=lambda spec: spec.service):
        lines += [
            "",
            f"## {service}",
            "",
            f"| {' | '.join(COVERAGE_COLUMNS)} |",
            f"|{' --- |' * len(COVERAGE_COLUMNS)}",
        ]
        lines += [f"| {' | '.join(row.values())} |" for row in coverage_rows(of_service)]
    return "\n".join(lines) + "\n"


def _coverage_row(spec: ResourceSpec) -> dict[str, str]:
    rules = spec.constraints
    verbs = {"start": rules.can_start, "stop": rules.can_stop, "delete": rules.can_delete}
    relations = dict.fromkeys(f"{each.kind} {each.resource_type}".replace("_", " ", 1) for each in spec.relations)
    cells = [
        f"`{spec.resource_type}`",
        f"`{spec.cloudformation_type}`" if spec.cloudformation_type else "",
        _LISTED[spec.scope],
        _needed_actions(spec),
        ", ".join(verb for verb, decided in verbs.items() if decided),
        ", ".join(spec.facts),
        ", ".join(relations),
        str(len(spec.actions)) if spec.actions else "",
    ]
    return dict(zip(COVERAGE_COLUMNS, cells, strict=True))


def _needed_actions(spec: ResourceSpec) -> str:
    usual = dict.fromkeys(iam_permission(*call)[0] for call in scan_operations(spec))
    more = dict.fromkeys(iam_permission(*call)[0] for call in scan_operations(spec, every_detail=True))
    on_demand = [action for action in more if action not in usual]
    return ", ".join(usual) + (f" ({', '.join(on_demand)})" if on_demand else "")
