"""botocore's models of services, cut down to the operations that a scan calls, and to what it reads of their answers.

A client costs time and memory for every operation of its service, of which EC2 has hundreds, and a scan makes hundreds
of clients.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import UnknownServiceError

from cloudops_nb.aws.fast_botocore.answer_shapes import narrowed, narrowed_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from botocore.loaders import Loader

    from cloudops_nb.aws.fast_botocore.answer_shapes import Reading

_SERVICE, _PAGINATORS = "service-2", "paginators-1"
_BESIDE = ("endpoint-rule-set-1", _PAGINATORS)
#: Marks the operation by which botocore asks for a service's endpoint.
_ENDPOINTS = "endpointoperation"
#: Of these botocore makes clients by itself at any time, to get or renew credentials, and needs other operations.
_OF_CREDENTIALS = frozenset({"sts", "sso", "sso-oidc", "signin"})


class NarrowModels:
    """Stands in for botocore's loader, with fewer operations; thread-safe.

    Args:
        loader: The loader of whole models.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._expected: defaultdict[str, dict[str, Reading | None]] = defaultdict(dict)
        self._editions: defaultdict[str, int] = defaultdict(int)
        self._narrow: dict[str, dict[str, Any]] = {}

    def expect(
        self, operations: Iterable[tuple[str, str]], readings: Mapping[tuple[str, str], Reading] | None = None
    ) -> None:
        """Have operations in the models from now on, save those of services by which one gets credentials.

        Args:
            operations: Services and operations.
            readings: What is read of the answers of some; whoever else reads the same answer gets that as well, and one
                that is expected without this is read whole.
        """
        with self._lock:
            for service, operation in operations:
                if service in _OF_CREDENTIALS:
                    continue
                expected = self._expected[service]
                read = (readings or {}).get((service, operation))
                if operation in expected:
                    before = expected[operation]
                    read = before | read if before and read else None
                if operation not in expected or expected[operation] != read:
                    expected[operation] = read
                    self._editions[service] += 1
                    self._narrow.pop(service, None)

    def edition(self, service: str, operation: str) -> int:
        """Return the number of a service's present model if it has an operation, else zero."""
        with self._lock:
            return self._editions[service] if operation in self._expected.get(service, ()) else 0

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """Return a model, as botocore's loader does."""
        # Threads that need the same file at the same time would each read it.
        with self._loading:
            model = self._loader.load_service_model(service_name, type_name, api_version)
        if type_name != _SERVICE:
            return model
        with self._lock:
            if service_name not in self._expected:
                return model
            if service_name not in self._narrow:
                self._narrow[service_name] = self._narrowed(service_name, model)
            return self._narrow[service_name]

    def read(self, service: str) -> None:
        """Read what a client and a paginator of a service are made from; of a service that nobody knows, nothing."""
        with suppress(UnknownServiceError):
            for type_name in (_SERVICE, *_BESIDE):
                self.load_service_model(service, type_name)

    def _narrowed(self, service: str, model: Mapping[str, Any]) -> dict[str, Any]:
        expected = self._expected.get(service, {})
        operations = {
            name: operation
            for name, operation in model["operations"].items()
            if name in expected or operation.get(_ENDPOINTS)
        }
        shapes = dict(model["shapes"])
        for name in expected.keys() & operations.keys():
            reading, output = expected[name], operations[name].get("output")
            if reading and output:
                shapes |= narrowed(model, name, reading, self._paging(service, name))
                operations[name] = {
                    **operations[name],
                    "output": {**output, "shape": narrowed_name(output["shape"], name)},
                }
        return {**model, "operations": operations, "shapes": shapes}

    def _paging(self, service: str, operation: str) -> Mapping[str, Any]:
        try:
            rules: Mapping[str, Mapping[str, Any]] = self._loader.load_service_model(service, _PAGINATORS)["pagination"]
        except UnknownServiceError:
            return {}
        return rules.get(operation, {})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
