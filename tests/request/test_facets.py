"""What a handle says about a resource."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudops_nb.model import IamPermissions, Resource
from cloudops_nb.request.facets import describe

pytestmark = pytest.mark.fast
DATABASE = Resource("rds_db_instance", "pg", "1" * 12, "eu-west-1", "rds")


def test_what_the_account_allows_leaves_the_host_as_unknown() -> None:
    unknown = IamPermissions(unknown=("rds:StopDBInstance",))
    by_account = replace(unknown, allowed_by_account=("rds:StopDBInstance",), reasons={"rds:StopDBInstance": "why"})
    said, plain = (describe("r1", [(replace(DATABASE, iam=each), "production")]) for each in (by_account, unknown))

    assert said.model_dump()["facets"]["iam"] == {"rds:StopDBInstance": "unknown"}
    assert said.model_dump_json() == plain.model_dump_json()
