"""AWS's published JSON schema of Automation documents; see ``schemas/README.md`` for its origin."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema.protocols import Validator

SCHEMA_FILE = "ssm-automation-schema.json"
#: Longer messages repeat the whole value; its line and column are told anyway.
_MESSAGE_LENGTH = 160


def schema_bytes() -> bytes:
    """Return the vendored schema as it is on disk."""
    return (resources.files("cloudops_nb.ssm") / "schemas" / SCHEMA_FILE).read_bytes()


def schema_problems(data: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the path and the reason of everything in ``data`` that AWS's schema refuses."""
    for error in _validator().iter_errors(data):
        message = error.message
        if len(message) > _MESSAGE_LENGTH:
            message = f"is refused by the schema's rule {error.validator}"
        yield tuple(error.absolute_path), message


@cache
def _validator() -> Validator:
    # Its import costs as much as everything else here together, and the bundled catalogue needs none of it.
    from jsonschema import Draft7Validator

    return Draft7Validator(json.loads(schema_bytes()))
