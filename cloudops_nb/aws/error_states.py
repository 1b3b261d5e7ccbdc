"""Maps AWS errors to the states of scan cells, and finds the fields that mark a response as truncated.

A cell is one resource type in one account and region.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cloudops_nb.aws.regions import enabled_by_default
from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.errors import CloudOpsError
from cloudops_nb.model import CellState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.model import CellResult

#: With the begin of Python's text of bytes before it.
_HTML_PAGE = re.compile(r"(?:\bb['\"])?\s*<(?:!doctype\s+html|html|head|title)\b.*", re.IGNORECASE | re.DOTALL)
_HTML_TITLE = re.compile(r"<title[^>]*>\s*([^<]+)", re.IGNORECASE)
#: What ``CellResult.detail`` begins with if no call was made because the region does not offer the service. Stored
#: results contain this text too.
NOT_OFFERED = "not offered in this region, by botocore's endpoint data"
_MAX_DETAIL_LENGTH = 300
_MAX_REFUSAL_LENGTH = 450
_FIRST_SERVER_ERROR_STATUS = 500
_REFUSAL_STATES = (CellState.DENIED, CellState.THROTTLED, CellState.TIMEOUT, CellState.EXPIRED)


@dataclass(frozen=True, slots=True)
class Failure:
    """The cell state that an error leads to, and the error as one line of text."""

    state: CellState
    detail: str

    @property
    def transient(self) -> bool:
        """Whether the next scan may succeed even if permissions and enabled regions do not change."""
        return self.state not in (CellState.DENIED, CellState.SCP_DENIED, CellState.REGION_DISABLED)


def is_not_offered(result: CellResult) -> bool:
    """Return whether a cell made no call because the region does not offer the service. That is not a failure."""
    return result.state is CellState.SERVICE_UNAVAILABLE and result.detail.startswith(NOT_OFFERED)


def classify(error: BaseException, *, region: str) -> Failure:
    """Return the failure that an error means for a cell.

    For an error of this package, the AWS error that caused it decides the state, and its own text is the detail. The
    state is the one that ``error_states.yaml`` lists for the error. If the file does not list an AWS error code, the
    HTTP status decides. Any other error leads to ``CellState.ERROR``, never to the state of an empty cell.

    Args:
        error: The exception that was raised.
        region: The cell's region. Some codes mean "not opted in", but only in a region that needs an opt-in.
    """
    cause = error.__cause__ or error
    text = f"{type(cause).__name__}: {cause}"
    if isinstance(cause, ClientError):
        state, text = _state_of_code(cause, region), f"{error_code(cause)}: {error_message(cause)}"
    else:
        names = [kind.__name__ for kind in type(cause).__mro__]
        states = _error_table()["exceptions"]
        state = next((states[name] for name in names if name in states), CellState.ERROR)
    return Failure(state, _refusal_line(error) if isinstance(error, CloudOpsError) else shortened(text))


def error_code(error: ClientError) -> str:
    """Return AWS's error code, without the prefix ``Client.`` or ``Server.`` that some EC2 codes have."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.removeprefix("Client.").removeprefix("Server.")


def error_message(error: ClientError) -> str:
    """Return AWS's error message, without the code."""
    return str(error.response.get("Error", {}).get("Message", ""))


def truncation_field(response: Mapping[str, Any], *, via_paginator: bool) -> str:
    """Return the name of a field that marks a response as truncated; empty if there is no such field.

    Args:
        response: The last page of the operation.
        via_paginator: Whether a paginator fetched all pages. If not, the token of a next page also means that the
            response is truncated.
    """
    structures = (response, *(value for value in response.values() if isinstance(value, dict)))
    flags: list[str] = _error_table()["truncation_flags"]
    tokens: list[str] = [] if via_paginator else _error_table()["next_page_tokens"]
    found_fields = [flag for flag in flags if any(each.get(flag) is True for each in structures)]
    found_fields += [
        token for token in tokens if any(isinstance(each.get(token), str) and each[token] for each in structures)
    ]
    return found_fields[0] if found_fields else ""


def _refusal_line(error: CloudOpsError) -> str:
    """Return an error of this package as one line, which keeps its last part: what to do."""
    room = _MAX_REFUSAL_LENGTH - len(error.what) - len(error.fix)
    why = error.why if len(error.why) <= room else f"{error.why[: max(room, 0)]}…"
    return " ".join(str(CloudOpsError(error.what, why, error.fix)).split())


def is_refusal_code(code: str) -> bool:
    """Return whether an error code means that AWS did not answer the question (denied, throttled, timed out, expired).

    Such a code must never be read as "no resources".
    """
    return _error_table()["codes"].get(code) in _REFUSAL_STATES or code in _error_table()["opt_in_or_credentials"]


def _state_of_code(error: ClientError, region: str) -> CellState:
    code, table = error_code(error), _error_table()
    if code in table["opt_in_or_credentials"]:
        return CellState.EXPIRED if enabled_by_default(region) else CellState.REGION_DISABLED
    if code in table["opt_in"]:
        return CellState.SERVICE_UNAVAILABLE if enabled_by_default(region) else CellState.REGION_DISABLED
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    fallback = CellState.SERVICE_UNAVAILABLE if status >= _FIRST_SERVER_ERROR_STATUS else CellState.ERROR
    state = table["codes"].get(code) or table["statuses"].get(status) or fallback
    if state is CellState.DENIED and any(
        words in error_message(error).lower() for words in table["organization_policy"]
    ):
        return CellState.SCP_DENIED
    return CellState(state)


def shortened(text: str) -> str:
    """Return a text as one line of at most 300 characters; only the title of an HTML page in it is kept.

    A proxy or a load balancer answers with such a page instead of the service.
    """
    if page := _HTML_PAGE.search(text):
        title = _HTML_TITLE.search(page[0])
        named = f", {html.unescape(title[1])}" if title else ""
        text = ": an HTML page".join((text[: page.start()].rstrip().rstrip(":"), named)).removeprefix(": ")
    line = " ".join(text.split()).rstrip(": ")
    return line if len(line) <= _MAX_DETAIL_LENGTH else f"{line[: _MAX_DETAIL_LENGTH - 1]}…"


@cache
def _error_table() -> dict[str, Any]:
    data: dict[str, Any] = bundled_table(__package__, "error_states.yaml")
    return {
        **data,
        "codes": {code: CellState(state) for state, codes in data["codes"].items() for code in codes},
        "statuses": {status: CellState(state) for status, state in data["statuses"].items()},
        "exceptions": {name: CellState(state) for state, names in data["exceptions"].items() for name in names},
    }
