"""The meaning of AWS errors for a scan cell, and the fields by which an answer says that it is truncated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cloudops_nb.aws.regions import enabled_by_default
from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.model import CellState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.model import CellResult

#: Start of the detail of a cell that made no call, because its service is not in the region.
NOT_OFFERED = "not offered in this region, by botocore's endpoint data"
_LONGEST_DETAIL = 300
_SERVER_ERRORS = 500
_REFUSAL_STATES = (CellState.DENIED, CellState.THROTTLED, CellState.TIMEOUT, CellState.EXPIRED)


@dataclass(frozen=True, slots=True)
class Failure:
    """The state in which a failed call or cell ends, and the error in one line."""

    state: CellState
    detail: str

    @property
    def transient(self) -> bool:
        """Whether the next scan may succeed without a change of permissions or regions."""
        return self.state not in (CellState.DENIED, CellState.SCP_DENIED, CellState.REGION_DISABLED)


def is_not_offered(result: CellResult) -> bool:
    """Return whether a cell made no call because its region does not offer its service, which is no failure."""
    return result.state is CellState.SERVICE_UNAVAILABLE and result.detail.startswith(NOT_OFFERED)


def classify(error: BaseException, *, region: str) -> Failure:
    """Return the failure that an error means for a cell.

    Errors of this package are classified by the AWS error that caused them. An error that is not in the table becomes
    ``error``: an unknown failure never counts as an empty answer.

    Args:
        error: The exception raised.
        region: The cell's region; some codes mean "not opted in" only in regions that need an opt-in.
    """
    cause = error.__cause__ or error
    if isinstance(cause, ClientError):
        return Failure(_state_of_code(cause, region), shortened(f"{error_code(cause)}: {error_message(cause)}"))
    names = [kind.__name__ for kind in type(cause).__mro__]
    states = _error_table()["exceptions"]
    state = next((states[name] for name in names if name in states), CellState.ERROR)
    return Failure(state, shortened(f"{type(cause).__name__}: {cause}"))


def error_code(error: ClientError) -> str:
    """Return AWS's error code, without the prefix ``Client.`` or ``Server.`` of some EC2 codes."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.removeprefix("Client.").removeprefix("Server.")


def error_message(error: ClientError) -> str:
    """Return AWS's error message, without the code."""
    return str(error.response.get("Error", {}).get("Message", ""))


def truncation_field(page: Mapping[str, Any], *, paged: bool) -> str:
    """Return the name of the field by which an answer says that more follows, empty if no field does.

    Args:
        page: The last page.
        paged: Whether a paginator followed the tokens; otherwise a token for a next page counts too.
    """
    parts = (page, *(value for value in page.values() if isinstance(value, dict)))
    flags: list[str] = _error_table()["truncation_flags"]
    tokens: list[str] = [] if paged else _error_table()["next_page_tokens"]
    said = [flag for flag in flags if any(part.get(flag) is True for part in parts)]
    said += [token for token in tokens if any(isinstance(part.get(token), str) and part[token] for part in parts)]
    return said[0] if said else ""


def is_refusal_code(code: str) -> bool:
    """Return whether an error code is a refusal, which never means that there are no resources."""
    return _error_table()["codes"].get(code) in _REFUSAL_STATES or code in _error_table()["opt_in_or_credentials"]


def _state_of_code(error: ClientError, region: str) -> CellState:
    code, table = error_code(error), _error_table()
    if code in table["opt_in_or_credentials"]:
        return CellState.EXPIRED if enabled_by_default(region) else CellState.REGION_DISABLED
    if code in table["opt_in"]:
        return CellState.SERVICE_UNAVAILABLE if enabled_by_default(region) else CellState.REGION_DISABLED
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    fallback = CellState.SERVICE_UNAVAILABLE if status >= _SERVER_ERRORS else CellState.ERROR
    state = table["codes"].get(code) or table["statuses"].get(status) or fallback
    if state is CellState.DENIED and any(
        words in error_message(error).lower() for words in table["organisation_policy"]
    ):
        return CellState.SCP_DENIED
    return CellState(state)


def shortened(text: str) -> str:
    """Return a text as one line of bounded length."""
    line = " ".join(text.split()).rstrip(": ")
    return line if len(line) <= _LONGEST_DETAIL else f"{line[: _LONGEST_DETAIL - 1]}…"


@cache
def _error_table() -> dict[str, Any]:
    data: dict[str, Any] = bundled_table(__package__, "error_states.yaml")
    return {
        **data,
        "codes": {code: CellState(state) for state, codes in data["codes"].items() for code in codes},
        "statuses": {status: CellState(state) for status, state in data["statuses"].items()},
        "exceptions": {name: CellState(state) for state, names in data["exceptions"].items() for name in names},
    }
