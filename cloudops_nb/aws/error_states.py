"""How a cell ends: an error's place among the cell states, and whether a last page really was the last."""

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

#: With what the detail of a cell begins whose service was not asked, because it is not there.
NOT_OFFERED = "not offered in this region, by botocore's endpoint data"
_LONGEST_DETAIL = 300
_SERVER_ERRORS = 500
_REFUSALS = (CellState.DENIED, CellState.THROTTLED, CellState.TIMEOUT, CellState.EXPIRED)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call or a cell failed, in one line, and the state that it ends in."""

    state: CellState
    detail: str

    @property
    def transient(self) -> bool:
        """Whether the same call may well succeed at the next scan without anybody doing anything."""
        return self.state not in (CellState.DENIED, CellState.SCP_DENIED, CellState.REGION_DISABLED)


def is_not_offered(result: CellResult) -> bool:
    """Return whether a cell was not read because its service is not offered in its region: that is no failure."""
    return result.state is CellState.SERVICE_UNAVAILABLE and result.detail.startswith(NOT_OFFERED)


def classify(error: BaseException, *, region: str) -> Failure:
    """Tell what an error means for a cell.

    An error of ours is judged by the AWS error that caused it. What is not in the table ends as ``error``: an unknown
    failure is never an empty answer.

    Args:
        error: What was raised.
        region: The cell's region; some codes mean "not opted in" only where opting in is needed.
    """
    cause = error.__cause__ or error
    if isinstance(cause, ClientError):
        return Failure(_of_code(cause, region), shortened(f"{error_code(cause)}: {error_message(cause)}"))
    names = [kind.__name__ for kind in type(cause).__mro__]
    state = next((_table()["exceptions"][name] for name in names if name in _table()["exceptions"]), CellState.ERROR)
    return Failure(state, shortened(f"{type(cause).__name__}: {cause}"))


def error_code(error: ClientError) -> str:
    """Return AWS's code, without the ``Client.`` or ``Server.`` that EC2 puts before some."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.removeprefix("Client.").removeprefix("Server.")


def error_message(error: ClientError) -> str:
    """Return what AWS says beside the code."""
    return str(error.response.get("Error", {}).get("Message", ""))


def truncated(page: Mapping[str, Any], *, paged: bool) -> str:
    """Return the name of the field by which an answer says that it is not complete, empty if there is none.

    Args:
        page: The last page.
        paged: Whether a paginator followed the tokens; if not, a token for a next page is such a field too.
    """
    parts = (page, *(value for value in page.values() if isinstance(value, dict)))
    flags: list[str] = _table()["truncation_flags"]
    tokens: list[str] = [] if paged else _table()["next_page_tokens"]
    said = [flag for flag in flags if any(part.get(flag) is True for part in parts)]
    said += [token for token in tokens if any(isinstance(part.get(token), str) and part[token] for part in parts)]
    return said[0] if said else ""


def is_failure(code: str) -> bool:
    """Return whether AWS answers a code when it refuses to tell; such a code never says that nothing is there."""
    return _table()["codes"].get(code) in _REFUSALS or code in _table()["opt_in_or_credentials"]


def _of_code(error: ClientError, region: str) -> CellState:
    code, table = error_code(error), _table()
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
def _table() -> dict[str, Any]:
    data: dict[str, Any] = bundled_table(__package__, "error_states.yaml")
    return {
        **data,
        "codes": {code: CellState(state) for state, codes in data["codes"].items() for code in codes},
        "statuses": {status: CellState(state) for status, state in data["statuses"].items()},
        "exceptions": {name: CellState(state) for state, names in data["exceptions"].items() for name in names},
    }
