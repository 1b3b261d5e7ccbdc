"""botocore's models of services, for questions about an API that need no call and no client.

botocore reads a service's whole model, which takes a while, so models are kept. The bundled playbooks ask for none.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from botocore.model import OperationModel, ServiceModel

_MOST_MODELS = 16


def operation_model(service: str, api: str) -> OperationModel | None:
    """Return the model of an API, ``None`` if botocore does not know it."""
    model = service_model(service)
    return model.operation_model(api) if model is not None and api in model.operation_names else None


@lru_cache(maxsize=_MOST_MODELS)
def service_model(service: str) -> ServiceModel | None:
    """Return the model of a service, ``None`` if botocore does not know it."""
    return _session().get_service_model(service) if service in service_names() else None


@cache
def service_names() -> Sequence[str]:
    """Return botocore's names of all services."""
    return tuple(_session().get_available_services())


@cache
def _session() -> Any:
    from botocore.session import Session

    return Session()
