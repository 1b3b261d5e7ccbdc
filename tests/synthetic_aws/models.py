"""What botocore's models say of an operation: its shapes, its pages, the place of its list."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import UnknownServiceError
from botocore.model import StructureShape
from botocore.session import Session
from moto.core.model import ServiceModel

from cloudops_nb.aws.fast_botocore.door import data_loader

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from moto.core.model import OperationModel

#: What operations call the token of the next page, also those for which botocore declares no pages.
TOKEN_NAMES = (
    "NextToken", "nextToken", "next_token", "NextPageToken", "nextPageToken", "Marker", "NextMarker", "nextMarker",
    "position", "PaginationToken", "paginationToken", "pageToken",
)  # fmt: skip
_LIMIT_NAMES = ("MaxResults", "maxResults", "MaxRecords", "Limit", "limit", "PageSize", "MaxItems", "pageSize")


@dataclass(frozen=True)
class Paging:
    """How an operation pages: names of input tokens, selectors of output tokens, of a flag, and the limit's name."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    more: str = ""
    limit: str = ""


@cache
def loader() -> Loader:
    """Return the one loader of models."""
    return data_loader()


@cache
def session() -> Session:
    """Return a session of botocore's that uses the one loader."""
    made = Session()
    made.register_component("data_loader", loader())
    return made


@cache
def service_model(service: str) -> ServiceModel:
    """Return a service's model, of moto's class, so that moto's serializers take it."""
    return ServiceModel(loader().load_service_model(service, "service-2"), service)


def operation_model(service: str, operation: str) -> OperationModel:
    """Return an operation's model."""
    return service_model(service).operation_model(operation)


def output_shape(service: str, operation: str) -> StructureShape:
    """Return the shape of an operation's answer."""
    shape = operation_model(service, operation).output_shape
    assert shape, f"{service}:{operation} answers with nothing"
    return shape


def protocol(service: str) -> str:
    """Return the protocol that botocore speaks with a service."""
    return str(service_model(service).resolved_protocol)


@cache
def paging(service: str, operation: str) -> Paging | None:
    """Return how an operation pages, ``None`` if it answers in one piece.

    Some operations have tokens without a declaration in botocore; they page all the same.
    """
    rules = _paginators(service).get(operation)
    if rules is None:
        return _undeclared(service, operation)
    return Paging(
        tuple(_listed(rules["input_token"])),
        tuple(_listed(rules["output_token"])),
        rules.get("more_results", ""),
        rules.get("limit_key", ""),
    )


@cache
def list_path(service: str, operation: str) -> str:
    """Return the place of an operation's list: the paginator's, else the first list in the answer, else nothing."""
    rules = _paginators(service).get(operation)
    if rules:
        return str(_listed(rules["result_key"])[0])
    shape = operation_model(service, operation).output_shape
    members = shape.members if shape else {}
    found = [name for name, member in members.items() if member.type_name == "list"]
    found += [
        f"{name}.{inner}"
        for name, member in members.items()
        if isinstance(member, StructureShape)
        for inner, deep in member.members.items()
        if deep.type_name == "list"
    ]
    return found[0] if found else ""


def is_listing(service: str, operation: str) -> bool:
    """Return whether an operation answers with pages of items."""
    return operation in _paginators(service)


@cache
def _paginators(service: str) -> dict[str, Any]:
    try:
        rules: dict[str, Any] = loader().load_service_model(service, "paginators-1")["pagination"]
    except UnknownServiceError:
        return {}
    return rules


def _undeclared(service: str, operation: str) -> Paging | None:
    model = operation_model(service, operation)
    given = model.input_shape.members if model.input_shape else {}
    answered = model.output_shape.members if model.output_shape else {}
    places = {"": answered} | {
        f"{name}.": member.members for name, member in answered.items() if isinstance(member, StructureShape)
    }
    limit = next((name for name in _LIMIT_NAMES if name in given), "")
    for token in TOKEN_NAMES:
        for place, members in places.items():
            said = next((name for name in (token, f"Next{token}") if name in members), "")
            if token in given and said:
                return Paging((token,), (f"{place}{said}",), "", limit)
    return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
