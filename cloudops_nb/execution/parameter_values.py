"""The values of a document's parameters: as given, or by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlanError
from cloudops_nb.ssm.references import references, substitute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.ssm.document import AutomationDocument


def parameter_values(
    document: AutomationDocument,
    given: Mapping[str, Any],
    known: Mapping[str, Any],
    source: str,
    *,
    of_the_run: bool = False,
) -> dict[str, Any]:
    """Return the value of every parameter of a document, as given or by default.

    Args:
        document: The document.
        given: The given values; ``None`` is none.
        known: The values to which defaults may refer.
        source: Names the document in messages.
        of_the_run: Whether a given value may refer to values of the run, as those of a nested document do; such a value
            stays as it is.

    Raises:
        PlanError: A parameter is unknown, missing or does not fit.
    """
    if unknown := sorted(given.keys() - document.parameters.keys()):
        raise PlanError(f"{source} has no parameter {', '.join(unknown)}")
    values: dict[str, Any] = {}
    missing = []
    for name, parameter in document.parameters.items():
        if given.get(name) is not None:
            value = parameter.convert(given[name])
            if not (of_the_run and refers(value)) and (problem := parameter.problem(value)):
                raise PlanError(f"parameter {name} of {source} does not fit", f"it {problem}")
            values[name] = value
        elif parameter.default is not None:
            value = parameter.convert(substitute(parameter.default, known))
            # A default of the document need not fit, but one that comes from outside of it must.
            if refers(parameter.default) and (problem := parameter.problem(value)):
                raise PlanError(f"the default of parameter {name} of {source} does not fit", f"it {problem}")
            values[name] = value
        else:
            missing.append(name)
    if missing:
        described = document.parameters[missing[0]].description
        raise PlanError(f"parameter {', '.join(missing)} of {source} is missing", described, "Give a value for each.")
    return values


def refers(value: Any) -> bool:
    """Return whether a value has a reference in it."""
    return bool(references(value))
