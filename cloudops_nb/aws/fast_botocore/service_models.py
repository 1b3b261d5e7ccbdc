"""botocore's service models, reduced to the operations that a scan calls and the response fields that a scan reads.

A client takes time and memory for every operation in its service's model. EC2 has hundreds of operations, and a scan
creates hundreds of clients.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import UnknownServiceError

from cloudops_nb.aws.fast_botocore.answer_shapes import narrowed_shape_name, narrowed_shapes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from botocore.loaders import Loader

    from cloudops_nb.aws.answer_fields import AnswerFields

_SERVICE, _PAGINATORS = "service-2", "paginators-1"
_CLIENT_DATA = ("endpoint-rule-set-1", _PAGINATORS)
#: Marks the operation that botocore calls to discover a service's endpoint. A narrow model keeps that operation.
_ENDPOINT_OPERATION = "endpointoperation"
#: Services that botocore itself calls to get or renew credentials. The operations that it calls are not declared.
_CREDENTIAL_SERVICES = frozenset({"sts", "sso", "sso-oidc", "signin"})


class NarrowModels:
    """Replaces botocore's loader, and returns service models with only the expected operations and fields; thread-safe.

    :meth:`expect` declares them. A service without expected operations keeps its complete model.

    Args:
        loader: The loader of complete models.
        keep_complete: Whether to ignore all declarations, so that every model stays complete.
    """

    def __init__(self, loader: Loader, *, keep_complete: bool = False) -> None:
        self._loader = loader
        self._keep_complete = keep_complete
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._expected: defaultdict[str, dict[str, AnswerFields | None]] = defaultdict(dict)
        self._editions: defaultdict[str, int] = defaultdict(int)
        self._narrow_models: dict[str, dict[str, Any]] = {}

    def expect(
        self, operations: Iterable[tuple[str, str]], fields: Mapping[tuple[str, str], AnswerFields] | None = None
    ) -> None:
        """Declare operations that clients will call, so that the services' narrow models contain them.

        Services that botocore calls for credentials keep their complete models.

        Args:
            operations: Pairs of service and operation.
            fields: The fields that are read from an operation's response. If an operation is declared several times,
                the fields are combined; if it was ever declared without fields, it keeps its complete response.
        """
        if self._keep_complete:
            return
        with self._lock:
            for service, operation in operations:
                if service in _CREDENTIAL_SERVICES:
                    continue
                expected = self._expected[service]
                read = (fields or {}).get((service, operation))
                if operation in expected:
                    earlier = expected[operation]
                    read = earlier | read if earlier and read else None
                if operation not in expected or expected[operation] != read:
                    expected[operation] = read
                    self._editions[service] += 1
                    self._narrow_models.pop(service, None)

    def edition(self, service: str, operation: str) -> int:
        """Return the number of a service's current narrow model; 0 if the operation needs the complete model.

        The number increases whenever a declaration changes the narrow model.
        """
        with self._lock:
            return self._editions[service] if operation in self._expected.get(service, ()) else 0

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """Return a data file of a service, as botocore's loader does; narrow a service model to what is expected."""
        # botocore caches a file after it has read it. Without the lock, several threads would read the file.
        with self._loading:
            model = self._loader.load_service_model(service_name, type_name, api_version)
        if type_name != _SERVICE:
            return model
        with self._lock:
            if service_name not in self._expected:
                return model
            if service_name not in self._narrow_models:
                self._narrow_models[service_name] = self._narrowed_model(service_name, model)
            return self._narrow_models[service_name]

    def preload(self, service: str) -> None:
        """Load the data files that a service's clients and paginators need; ignore a service that botocore lacks."""
        with suppress(UnknownServiceError):
            for type_name in (_SERVICE, *_CLIENT_DATA):
                self.load_service_model(service, type_name)

    def _narrowed_model(self, service: str, model: Mapping[str, Any]) -> dict[str, Any]:
        expected = self._expected.get(service, {})
        operations = {
            name: operation
            for name, operation in model["operations"].items()
            if name in expected or operation.get(_ENDPOINT_OPERATION)
        }
        shapes = dict(model["shapes"])
        for name in expected.keys() & operations.keys():
            answer_fields, output = expected[name], operations[name].get("output")
            if answer_fields and output:
                shapes |= narrowed_shapes(model, name, answer_fields, self._page_rules(service, name))
                operations[name] = {
                    **operations[name],
                    "output": {**output, "shape": narrowed_shape_name(output["shape"], name)},
                }
        return {**model, "operations": operations, "shapes": shapes}

    def _page_rules(self, service: str, operation: str) -> Mapping[str, Any]:
        try:
            rules: Mapping[str, Mapping[str, Any]] = self._loader.load_service_model(service, _PAGINATORS)["pagination"]
        except UnknownServiceError:
            return {}
        return rules.get(operation, {})

    # botocore calls further methods of its loader, for example to list API versions. Their results need no narrowing.
    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
