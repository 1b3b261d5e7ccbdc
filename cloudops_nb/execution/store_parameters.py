"""Parameters of Parameter Store to which a document's defaults refer, as ``{{ssm:/app/size}}``.

This is the only reader of Parameter Store. It never asks for decryption, and it refuses a ``SecureString``, as
Systems Manager does: automation-variables, "Unsupported scenarios". A plan keeps each value with its version; both are
read again before the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import DriftError, PlanError
from cloudops_nb.execution.executor import ApiCall
from cloudops_nb.execution.plan import StoreParameter
from cloudops_nb.ssm.references import PARAMETER_STORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.execution.executor import Executor
    from cloudops_nb.execution.rendering import Scope

_READABLE = ("String", "StringList")


class StoreParameters(Mapping[str, Any]):
    """Values by reference, ``ssm:NAME``, each read from AWS when it is first asked for; not safe between threads."""

    def __init__(self, executor: Executor, scope: Scope) -> None:
        self._executor = executor
        self._scope = scope
        self._read: dict[str, StoreParameter] = {}

    @property
    def parameters(self) -> Sequence[StoreParameter]:
        """The parameters read so far."""
        return tuple(self._read.values())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.startswith(PARAMETER_STORE)

    def __getitem__(self, name: str) -> Any:
        if name not in self:
            raise KeyError(name)
        if name not in self._read:
            self._read[name] = read_parameter(self._executor, self._scope, name.removeprefix(PARAMETER_STORE))
        return self._read[name].usable

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


def read_parameter(executor: Executor, scope: Scope, name: str) -> StoreParameter:
    """Read one parameter, without decryption.

    Raises:
        PlanError: AWS did not answer, there is no such parameter, or it is a ``SecureString``.
    """
    call = ApiCall(
        scope.account_id, scope.client_region, "ssm", "GetParameter", {"Name": name, "WithDecryption": False}
    )
    result = executor.call(call)
    if result.problem:
        raise PlanError(f"the parameter {name} of Parameter Store cannot be read", result.problem)
    found = result.data["Parameter"]
    if found["Type"] not in _READABLE:
        why = f"it is a {found['Type']}, and a document may refer to {' and '.join(_READABLE)} only"
        raise PlanError(f"the parameter {name} of Parameter Store cannot be used", why)
    return StoreParameter(name, str(found["Type"]), str(found["Value"]), int(found["Version"]))


def require_unchanged(executor: Executor, scope: Scope, parameters: Sequence[StoreParameter]) -> None:
    """Read the parameters of a plan again.

    Raises:
        DriftError: One has another value or version.
        PlanError: One cannot be read.
    """
    for old in parameters:
        new = read_parameter(executor, scope, old.name)
        if new != old:
            raise DriftError(
                f"the parameter {old.name} of Parameter Store changed since the plan was shown",
                f"its version was {old.version} and is {new.version}",
                "Ask again for a plan.",
            )
