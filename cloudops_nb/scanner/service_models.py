"""botocore's models of services, cut down to the operations that a scan calls.

A client costs time and memory for every operation of its service, of which EC2 has hundreds, and a scan makes hundreds
of clients.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from botocore.loaders import Loader

_SERVICE = "service-2"
#: Marks the operation by which botocore asks for a service's endpoint.
_ENDPOINTS = "endpointoperation"


class NarrowModels:
    """Stands in for botocore's loader, with fewer operations; thread-safe.

    Args:
        loader: The loader of whole models.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._lock = threading.Lock()
        self._expected: defaultdict[str, set[str]] = defaultdict(set)
        self._narrow: dict[str, dict[str, Any]] = {}

    def expect(self, operations: Iterable[tuple[str, str]]) -> None:
        """Have operations, by service and name, in the models from now on."""
        with self._lock:
            for service, operation in operations:
                if operation not in self._expected[service]:
                    self._expected[service].add(operation)
                    self._narrow.pop(service, None)

    def expects(self, service: str, operation: str) -> bool:
        """Return whether a service's model has an operation."""
        with self._lock:
            return operation in self._expected.get(service, ())

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """Return a model, as botocore's loader does."""
        model = self._loader.load_service_model(service_name, type_name, api_version)
        if type_name != _SERVICE:
            return model
        with self._lock:
            if service_name not in self._narrow:
                wanted = self._expected.get(service_name, set())
                kept = {
                    name: operation
                    for name, operation in model["operations"].items()
                    if name in wanted or operation.get(_ENDPOINTS)
                }
                self._narrow[service_name] = {**model, "operations": kept}
            return self._narrow[service_name]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
