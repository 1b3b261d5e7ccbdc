"""Names of services and APIs as botocore spells them.

Automation takes an API's name in more than one spelling: public documents write ``DescribeInstances``,
``describe_instances`` and ``describeInstances``. A document's names are brought into botocore's spelling once, when it
is loaded.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from cloudops_nb.errors import did_you_mean
from cloudops_nb.ssm.api_models import service_model, service_names
from cloudops_nb.ssm.effects import effects

if TYPE_CHECKING:
    from collections.abc import Mapping


def canonical_service(name: str) -> str:
    """Return botocore's name of a service, empty if it has none."""
    known = {service for service, _ in effects()}
    if name in known:
        return name
    return _services().get(_folded(name), "")


def canonical_api(service: str, name: str) -> str:
    """Return botocore's name of an API of a service that botocore knows, empty if it has none."""
    if (service, name) in effects():
        return name
    return _operations(service).get(_folded(name), "")


def nearest_service(name: str) -> str:
    """Return "did you mean …?" for an unknown service."""
    return did_you_mean(name.casefold(), _services().values())


def nearest_api(service: str, name: str) -> str:
    """Return "did you mean …?" for an unknown API."""
    return did_you_mean(name, _operations(service).values())


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()


@cache
def _services() -> Mapping[str, str]:
    return {_folded(name): name for name in service_names()}


@cache
def _operations(service: str) -> Mapping[str, str]:
    model = service_model(service)
    return {_folded(name): name for name in model.operation_names} if model else {}
