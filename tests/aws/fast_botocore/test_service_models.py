"""Narrow service models, with the interface of botocore's loader."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.loaders import Loader

from cloudops_nb.aws.fast_botocore.service_models import NarrowModels
from tests.synthetic_aws.models import loader

pytestmark = pytest.mark.fast


def test_narrow_models_have_the_expected_operations_and_the_other_parts_of_the_model() -> None:
    models, whole = NarrowModels(loader()), loader().load_service_model("dynamodb", "service-2")
    models.expect([("dynamodb", "ListTables"), ("dynamodb", "NoSuchOperation")])
    narrow = models.load_service_model("dynamodb", "service-2")
    assert set(narrow["operations"]) == {"ListTables", "DescribeEndpoints"}
    assert narrow["shapes"] == whole["shapes"]
    assert models.load_service_model("dynamodb", "service-2") is narrow, "it is cut down once"
    models.expect([("dynamodb", "DescribeTable")])
    assert "DescribeTable" in models.load_service_model("dynamodb", "service-2")["operations"]
    assert models.edition("dynamodb", "ListTables")
    assert not models.edition("dynamodb", "DeleteTable")
    assert not models.edition("dynamodb", "")
    assert models.load_service_model("dynamodb", "paginators-1") == loader().load_service_model(
        "dynamodb", "paginators-1"
    )
    assert len(loader().load_service_model("dynamodb", "service-2")["operations"]) > len(narrow["operations"])


def test_narrow_models_have_the_interface_of_botocores_loader() -> None:
    asked: list[tuple[str, ...]] = []

    class Asked(Loader):
        def load_service_model(self, *what: Any) -> Any:
            asked.append(what)
            return {"operations": {}, "shapes": {}}

    models = NarrowModels(Asked())
    models.load_service_model("dynamodb", "service-2", api_version="2012-08-10")
    models.load_service_model("dynamodb", "paginators-1")
    assert asked == [("dynamodb", "service-2", "2012-08-10"), ("dynamodb", "paginators-1", None)]
    assert models.list_available_services("service-2") == loader().list_available_services("service-2")
