"""Answers some list operations that moto lacks with an empty list, because the company has no such resources."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader
from moto.core.model import ServiceModel
from moto.core.serialize import get_serializer_class

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.demo.wsgi_layers import form_fields, signed_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cloudops_nb.demo.wsgi_layers import Application


def answer_unused(application: Application) -> Application:
    """Wrap moto's application so that the list operations in ``unused_services.yaml`` return empty lists."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        requested = _requested_listing(environ)
        if requested is None:
            return application(environ, start_response)
        body, content_type = _empty_listing(*requested)
        start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def _requested_listing(environ: dict[str, Any]) -> tuple[str, str] | None:
    """Return the service and the operation of a request; ``None`` if ``unused_services.yaml`` lacks the operation."""
    found = _listings_by_signing_name().get(signed_service(environ))
    if found is None:
        return None
    service, operations = found
    target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    action = form_fields(environ).get("Action", [""])[0]
    method_and_path = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
    operation = next((operations[name] for name in (target, action, method_and_path) if name in operations), None)
    return None if operation is None else (service, operation)


@cache
def _listing_table() -> Mapping[str, Mapping[str, str]]:
    listings: dict[str, dict[str, str]] = bundled_table(__package__, "unused_services.yaml")
    return listings


@cache
def _listings_by_signing_name() -> Mapping[str, tuple[str, Mapping[str, str]]]:
    """Map the service name in a request's signature to botocore's name of the service and to its operations.

    The operations are a mapping too, from the text that identifies an operation in a request (the operation's name, or
    ``METHOD path``) to the operation's name.
    """
    return {
        _service_model(service).signing_name: (service, _operations_by_wire_name(service))
        for service in _listing_table()
    }


def _operations_by_wire_name(service: str) -> Mapping[str, str]:
    model = _service_model(service)
    if not str(model.resolved_protocol).startswith("rest"):
        return {operation: operation for operation in _listing_table()[service]}
    https = {operation: model.operation_model(operation).http for operation in _listing_table()[service]}
    return {f"{http['method']} {http['requestUri']}": operation for operation, http in https.items()}


@cache
def _service_model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


@cache
def _empty_listing(service: str, operation: str) -> tuple[bytes, str]:
    model = _service_model(service)
    serializer = get_serializer_class(service, str(model.resolved_protocol))(model.operation_model(operation))
    response = serializer.serialize({_listing_table()[service][operation]: []})
    body = response["body"]
    return body.encode() if isinstance(body, str) else body, str(response["headers"].get("Content-Type", ""))
