"""The coverage table: how each resource type is listed, which permissions a scan of it needs, what the scan reports."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from cloudops_nb.scanner.inventory.least_privilege import iam_permission, scan_operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudops_nb.specs.model import ResourceSpec

#: The names of the columns, and their meanings.
COVERAGE_COLUMNS: Mapping[str, str] = {
    "type": "the resource type, as in filters and in `--service`",
    "CloudFormation": "its CloudFormation type, as in `--type`",
    "listed": "how often the list call is made: once per region or once per account",
    "needs": (
        "the IAM actions needed to read it; those in parentheses are needed only when the scan includes every detail"
    ),
    "constraints": (
        "the actions (start, stop, delete) for which the scan reports whether the resource allows them, and if not, why"
    ),
    "facts": "further properties to consider before a change",
    "relations": "the resource types it is connected to, and how",
    "verdicts": (
        "the number of IAM actions for which the scan evaluates the acting principal's permission on each resource"
    ),
}
_LISTED = {"regional": "region", "global": "account", "account": "account, for all regions"}


def coverage_rows(specs: Iterable[ResourceSpec]) -> list[dict[str, str]]:
    """Return one row per resource type, sorted by service and type; its keys are those of :data:`COVERAGE_COLUMNS`."""
    return [_coverage_row(spec) for spec in sorted(specs, key=lambda spec: (spec.service, spec.resource_type))]


def coverage_markdown(specs: Iterable[ResourceSpec]) -> str:
    """Return the coverage table as Markdown, with one section per service."""
    sorted_specs = sorted(specs, key=lambda spec: (spec.service, spec.resource_type))
    services = len({spec.service for spec in sorted_specs})
    lines = ["# What a scan reads", "", f"{len(sorted_specs)} resource types in {services} services.", ""]
    lines += [f"- **{name}**: {meaning}" for name, meaning in COVERAGE_COLUMNS.items()]
    for service, specs_of_service in groupby(sorted_specs, key=lambda spec: spec.service):
        lines += [
            "",
            f"## {service}",
            "",
            f"| {' | '.join(COVERAGE_COLUMNS)} |",
            f"|{' --- |' * len(COVERAGE_COLUMNS)}",
        ]
        lines += [f"| {' | '.join(row.values())} |" for row in coverage_rows(specs_of_service)]
    return "\n".join(lines) + "\n"


def _coverage_row(spec: ResourceSpec) -> dict[str, str]:
    rules = spec.constraints
    rules_by_verb = {"start": rules.can_start, "stop": rules.can_stop, "delete": rules.can_delete}
    relations = dict.fromkeys(f"{each.kind} {each.resource_type}".replace("_", " ", 1) for each in spec.relations)
    cells = [
        f"`{spec.resource_type}`",
        f"`{spec.cloudformation_type}`" if spec.cloudformation_type else "",
        _LISTED[spec.scope],
        _needed_actions(spec),
        ", ".join(verb for verb, verb_rules in rules_by_verb.items() if verb_rules),
        ", ".join(spec.facts),
        ", ".join(relations),
        str(len(spec.actions)) if spec.actions else "",
    ]
    return dict(zip(COVERAGE_COLUMNS, cells, strict=True))


def _needed_actions(spec: ResourceSpec) -> str:
    always = dict.fromkeys(iam_permission(*call)[0] for call in scan_operations(spec))
    with_every_detail = dict.fromkeys(iam_permission(*call)[0] for call in scan_operations(spec, every_detail=True))
    on_demand = [action for action in with_every_detail if action not in always]
    return ", ".join(always) + (f" ({', '.join(on_demand)})" if on_demand else "")
