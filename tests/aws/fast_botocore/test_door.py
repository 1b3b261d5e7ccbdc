"""The door hands out the fast parts, or plain botocore with one warning."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import botocore
import pytest
from botocore.loaders import JSONFileLoader
from botocore.parsers import ResponseParserFactory
from botocore.session import Session

from cloudops_nb.aws.fast_botocore import door
from cloudops_nb.errors import CloudOpsWarning

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.fast

REASON = "botocore.hooks._PrefixTrie is missing"


@pytest.fixture
def misfit(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The check has not been made yet, and finds that a name is missing."""
    monkeypatch.setattr(door, "first_problem", lambda: REASON)
    door._checked.cache_clear()
    yield
    door._checked.cache_clear()


def test_a_botocore_that_does_not_fit_is_used_plain_with_one_warning(misfit: None) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loader, session = door.data_loader(), door.scan_session("")
        models = door.scan_models(loader)
    [warning] = caught
    assert warning.category is CloudOpsWarning
    assert REASON in str(warning.message)
    assert f"Install botocore {door.TESTED_VERSION}" in str(warning.message)
    assert type(loader.file_loader) is JSONFileLoader
    assert type(session) is Session
    assert type(session.get_component("response_parser_factory")) is ResponseParserFactory
    models.expect([("sqs", "ListQueues")])
    assert models.edition("sqs", "ListQueues") == 0
    assert models.load_service_model("sqs", "service-2") is loader.load_service_model("sqs", "service-2")


def test_the_status_names_both_versions_and_says_if_plain_botocore_is_in_use(
    misfit: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(botocore, "__version__", "1.99.0")
    with pytest.warns(CloudOpsWarning):
        status = door.botocore_status()
    assert status == f"1.99.0 (tested with {door.TESTED_VERSION}); scans are slower, with plain botocore: {REASON}"
    door._checked.cache_clear()
    monkeypatch.setattr(door, "first_problem", str)
    assert door.botocore_status() == f"1.99.0 (tested with {door.TESTED_VERSION})"


def test_the_tested_version_is_that_of_the_constraints() -> None:
    text = (Path(__file__).parents[3] / "constraints.txt").read_text("utf-8")
    assert re.findall(r"^botocore==(.*)$", text, re.MULTILINE) == [door.TESTED_VERSION]
