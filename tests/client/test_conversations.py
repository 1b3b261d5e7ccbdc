"""A dry run belongs to the same conversation as the request: the client and its double answer the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.notebook.fake_cloudops import FakeCloudOps

if TYPE_CHECKING:
    from cloudops_nb.client.cloudops import CloudOps

DATABASE = "pg-instance-staging1"


@pytest.fixture(params=["client", "double"])
def cloudops(request: pytest.FixtureRequest) -> CloudOps:
    if request.param == "double":
        return FakeCloudOps()
    client: CloudOps = request.getfixturevalue("ops")
    client.scan(accounts=["staging"], services=["rds"])
    return client


def test_a_dry_run_continues_the_conversation_that_is_named(cloudops: CloudOps) -> None:
    cloudops.ask(f"reboot {DATABASE}", conversation="first")
    assert cloudops.preview("stop it", conversation="first")
    assert cloudops.preview("stop it", conversation="second") == b""
    assert cloudops.preview(f"stop {DATABASE}", conversation="second")


def test_without_a_name_both_continue_the_objects_own_conversation(cloudops: CloudOps) -> None:
    assert cloudops.preview("stop it") == b""
    cloudops.ask(f"reboot {DATABASE}")
    assert cloudops.preview("stop it")
    assert cloudops.preview("stop it", conversation="another") == b""


def test_a_dry_run_leaves_nothing_behind_that_the_next_prompt_could_mean(cloudops: CloudOps) -> None:
    cloudops.preview(f"reboot {DATABASE}", conversation="first")
    assert cloudops.preview("stop it", conversation="first") == b""
