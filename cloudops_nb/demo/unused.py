"""Answers for services that the company does not use and moto does not simulate: there is nothing in them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader
from moto.core.model import ServiceModel
from moto.core.serialize import get_serializer_class

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.demo.requests import form, signed_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cloudops_nb.demo.requests import Application


def answer_unused(application: Application) -> Application:
    """Wrap moto's application so that the listings in ``unused.yaml`` are answered, as AWS does, with empty ones."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked = _asked(environ)
        if asked is None:
            return application(environ, start_response)
        body, content_type = _empty(*asked)
        start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def _asked(environ: dict[str, Any]) -> tuple[str, str] | None:
    """Return the service and the operation of a request for one of the listings."""
    found = _by_signature().get(signed_for(environ))
    if found is None:
        return None
    service, by_wire = found
    target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    action = form(environ).get("Action", [""])[0]
    place = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
    operation = next((by_wire[name] for name in (target, action, place) if name in by_wire), None)
    return None if operation is None else (service, operation)


@cache
def _listings() -> Mapping[str, Mapping[str, str]]:
    listings: dict[str, dict[str, str]] = bundled_table(__package__, "unused.yaml")
    return listings


@cache
def _by_signature() -> Mapping[str, tuple[str, Mapping[str, str]]]:
    """Return, by the name that requests are signed for, the service, and its operations by how a request names them."""
    return {_model(service).signing_name: (service, _by_wire(service)) for service in _listings()}


def _by_wire(service: str) -> Mapping[str, str]:
    model = _model(service)
    if not str(model.resolved_protocol).startswith("rest"):
        return {operation: operation for operation in _listings()[service]}
    https = {operation: model.operation_model(operation).http for operation in _listings()[service]}
    return {f"{http['method']} {http['requestUri']}": operation for operation, http in https.items()}


@cache
def _model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


@cache
def _empty(service: str, operation: str) -> tuple[bytes, str]:
    model = _model(service)
    serializer = get_serializer_class(service, str(model.resolved_protocol))(model.operation_model(operation))
    written = serializer.serialize({_listings()[service][operation]: []})
    body = written["body"]
    return body.encode() if isinstance(body, str) else body, str(written["headers"].get("Content-Type", ""))
