from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.model import ListShape, MapShape, StructureShape

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape

SCALARS: dict[str, Any] = {
    "boolean": True,
    "integer": 5,
    "long": 5,
    "float": 1.5,
    "double": 1.5,
    "timestamp": datetime(2026, 1, 2, tzinfo=UTC),
    "blob": b"bytes",
}


@pytest.fixture(scope="session")
def operation():
    """Return botocore's model of an operation, by service and name."""
    session = botocore.session.get_session()
    services = {}

    def find(service: str, api: str) -> OperationModel:
        if service not in services:
            services[service] = session.get_service_model(service)
        return services[service].operation_model(api)

    return find


def _answer(shape: Shape, above: tuple[str, ...] = ()) -> Any:
    """Build an answer of a shape in which every member is there, each list with one item."""
    if shape.name in above:
        return None
    below = (*above, shape.name)
    if isinstance(shape, StructureShape):
        return {name: _answer(member, below) for name, member in shape.members.items()}
    if isinstance(shape, ListShape):
        return [_answer(shape.member, below)]
    if isinstance(shape, MapShape):
        return {"key": _answer(shape.value, below)}
    return SCALARS.get(shape.type_name, "text")


@pytest.fixture(scope="session")
def full_answer(operation):
    """Return an answer of an API in which nothing is missing."""

    def build(service: str, api: str) -> Any:
        shape = operation(service, api).output_shape
        return _answer(shape) if shape else {}

    return build
