"""Checks declarations against botocore's models, so that mistakes are found before a scan, when the file is loaded.

A user's own declarations are checked when they are loaded. The bundled ones are checked only by the tests, because the
checks load the model of each service, and large models take long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.specs.checks.absent_fields import absence_problems
from cloudops_nb.specs.checks.call_checks import input_problems, missing_operations, service_problem
from cloudops_nb.specs.checks.paging_checks import paging_problems
from cloudops_nb.specs.checks.selector_checks import selector_problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.specs.checks.problem import SpecProblem
    from cloudops_nb.specs.model import ResourceSpec

__all__ = ["service_problem", "spec_problems"]


def spec_problems(spec: ResourceSpec) -> Sequence[SpecProblem]:
    """Return every contradiction between a declaration and botocore's models, in the order of the checks.

    If the service or an operation does not exist, only that is reported, because all other checks need the operations.
    """
    found = missing_operations(spec) or [
        *input_problems(spec),
        *paging_problems(spec),
        *selector_problems(spec),
        *absence_problems(spec),
    ]
    return tuple(dict.fromkeys(found))
