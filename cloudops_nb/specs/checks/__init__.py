"""Checks a declaration against botocore's models, so that a mistake shows when the file loads, not in a scan.

A user's own declarations are checked when they load. The bundled ones are checked by the tests only, because botocore
reads its large models from disk for each service.
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

    Everything else depends on the operations, so a missing one is reported alone.
    """
    found = missing_operations(spec) or [
        *input_problems(spec),
        *paging_problems(spec),
        *selector_problems(spec),
        *absence_problems(spec),
    ]
    return tuple(dict.fromkeys(found))
