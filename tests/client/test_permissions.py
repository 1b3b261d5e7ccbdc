"""What one may do to a resource, as a frame and as a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.client.frames import resources_frame
from cloudops_nb.client.permissions import COLUMNS, permissions_frame
from cloudops_nb.errors import ConfigurationError
from cloudops_nb.model import IamPermissions, Resource, SearchHit
from cloudops_nb.presentation.permissions_table import PermissionsTable

if TYPE_CHECKING:
    from cloudops_nb.model import ResourceFilter

pytestmark = pytest.mark.fast

PERMISSIONS = IamPermissions(
    allowed=("rds:StartDBInstance",),
    denied=("rds:DeleteDBInstance",),
    unknown=("rds:StopDBInstance",),
    principal="arn:aws:iam::123456789012:role/Ops",
    reasons={
        "rds:StartDBInstance": "allowed by policy Ops Start",
        "rds:DeleteDBInstance": "no service control policy allows it at level 1 of 1 from the root",
        "rds:StopDBInstance": "allowed unless the organisation denies, by policy Ops 2; not known: the SCPs",
    },
    allowed_by_account=("rds:StopDBInstance",),
)
DATABASE = Resource(
    "rds_instance", "pg-1", "123456789012", "eu-west-1", "rds", "arn:aws:rds:eu-west-1:123456789012:db:pg-1", "orders",
    account_name="prod", iam=PERMISSIONS,
)  # fmt: skip
REPLICA = replace(DATABASE, identifier="pg-2", arn=f"{DATABASE.arn[:-1]}2", name="orders-2", region="eu-west-2")
TOPIC = replace(DATABASE, resource_type="sns_topic", identifier="<b>", arn="", name="<b>", iam=IamPermissions())


class Estate:
    """An estate in memory."""

    def __init__(self, *resources: Resource) -> None:
        self._resources = resources

    def lookup(self, text: str) -> list[Resource]:
        return [each for each in self._resources if text in (each.identifier, each.name, each.arn)]

    def search(self, text: str, *, limit: int) -> list[SearchHit]:
        return [SearchHit(each, 1.0, text) for each in self._resources[:limit]]

    def resources(self, where: ResourceFilter) -> list[SearchHit]:
        return [
            SearchHit(each, 0.0, "")
            for each in self._resources
            if (where.resource_type, where.account, where.region) == (each.resource_type, each.account_id, each.region)
        ]


def frame_of(asked: Any) -> Any:
    estate: Any = Estate(DATABASE, REPLICA, TOPIC)
    return permissions_frame(estate, asked)


def test_each_action_has_a_row_with_what_decided_it() -> None:
    frame = frame_of("orders")

    assert tuple(frame.columns) == COLUMNS
    assert frame[["action", "verdict", "layer", "policy", "statement", "missing"]].values.tolist() == [
        ["rds:StartDBInstance", "allowed", "identity policy", "Ops", "Start", ""],
        ["rds:DeleteDBInstance", "denied", "service control policy", "", "", ""],
        ["rds:StopDBInstance", "unknown", "identity policy", "Ops", "2", "the SCPs"],
    ]
    assert frame["allowed_by_account"].tolist() == [False, False, True]
    assert frame.attrs["principals"] == ["arn:aws:iam::123456789012:role/Ops"]


def test_a_frame_names_exactly_its_resources() -> None:
    assert set(frame_of(resources_frame([DATABASE, REPLICA])).resource) == {"orders", "orders-2"}
    assert set(frame_of(resources_frame([REPLICA])).resource) == {"orders-2"}
    assert frame_of(resources_frame([])).empty
    with pytest.raises(ConfigurationError, match="it has no column arn"):
        frame_of(resources_frame([DATABASE]).drop(columns="arn"))


def test_an_unknown_name_tells_what_is_near() -> None:
    with pytest.raises(ConfigurationError, match="no resource order in the estate: there is: orders, orders-2"):
        frame_of("order")


def test_the_table_says_what_counts_and_what_is_not_judged() -> None:
    table = PermissionsTable(frame_of("orders"))
    text, html = repr(table).casefold(), table._repr_mimebundle_()["text/html"].casefold()

    for shown in ("rds:stopdbinstance", "ops start", "who else may do it is not judged.", "allowed by the account"):
        assert shown in text
        assert shown in html
    assert "No action is judged" in repr(PermissionsTable(frame_of("<b>")))


def test_a_hostile_name_adds_no_markup() -> None:
    hostile = replace(DATABASE, identifier="<img src=x>", name="<img src=x>")
    estate: Any = Estate(hostile)
    html = PermissionsTable(permissions_frame(estate, "<img src=x>"))._repr_mimebundle_()["text/html"]

    assert "<img" not in html
