"""What makes scans fast changes nothing of what they find."""

from __future__ import annotations

import gc
import sys
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING, Any

import jmespath
import pytest
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import Loader
from botocore.utils import parse_timestamp
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.aws.fast_botocore.process_tuning import LongTurns, RareCollection
from cloudops_nb.aws.fast_botocore.service_models import NarrowModels, data_loader
from cloudops_nb.aws.fast_botocore.timestamps import parsed_time
from cloudops_nb.declarations.selectors import _OPTIONS, fields, select
from cloudops_nb.scanner import bundled_specs
from cloudops_nb.specs.checks.botocore_models import operation, sample
from cloudops_nb.specs.checks.selector_checks import item_selectors
from tests.synthetic_aws.models import loader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.fast

#: One of each kind of node, beside those that the specs use.
_OTHERS = (
    "a[0]", "a[-1].b", "a[1:]", "a[*].b", "a.*.b", "a[].b[]", "a[?b].c", "a[?b == 'x'].c", "a[?!b]", "a || b", "a && b",
    "!a", "a == `0`", "a == b", "a != `true`", "a < b", "a >= `1`", "[a, b]", "{x: a, y: b}", "a | [0]", "@",
    "length(a)", "sort_by(a, &b)", "not_null(a, b, 'x')", "a.b.c", "a == `[]`", "a == `true`", "a == 'x'", "'x' == a",
    "a != 'x'",
)  # fmt: skip


@cache
def _selectors() -> Sequence[str]:
    """Return every selector of the bundled specs, and the others."""
    return sorted({selector for spec in bundled_specs() for _, selector in item_selectors(spec)} | set(_OTHERS))


_PLAIN = st.sampled_from(
    [None, True, False, 0, 1, 2, 1.0, "", "x", "running", "arn:aws:sqs:eu-west-1:1:q", "{}", "a/b"]
)


_KEYS = st.integers(0, 11)


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5)


#: Data whose fields have numbers in place of names, so that hypothesis makes one strategy for all selectors.
_DATA = st.recursive(_PLAIN, _deeper, max_leaves=12) | st.dictionaries(
    _KEYS, st.recursive(_PLAIN, _deeper, max_leaves=6), min_size=1
)


def _named(data: Any, names: list[str]) -> Any:
    """Return data with names in the place of its fields' numbers."""
    if isinstance(data, dict):
        return {names[key % len(names)]: _named(value, names) for key, value in data.items()}
    return [_named(each, names) for each in data] if isinstance(data, list) else data


def _outcome(find: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "found", find()
    except Exception as error:  # noqa: BLE001 - it is what is compared
        return type(error).__name__, str(error)


def _as_jmespath(selector: str, data: Any) -> bool:
    found = _outcome(lambda: select(selector, data))
    # repr tells 1 from True and 1.0.
    return repr(found) == repr(_outcome(lambda: jmespath.compile(selector).search(data, _OPTIONS)))


@given(_DATA, st.deferred(lambda: st.sampled_from(_selectors())))
def test_a_selector_finds_what_jmespath_finds(data: Any, selector: str) -> None:
    assert _as_jmespath(selector, _named(data, [*sorted(fields(selector)), "a"]))


@given(_DATA, st.sampled_from(_OTHERS))
def test_every_kind_of_node_finds_what_jmespath_finds(data: Any, selector: str) -> None:
    assert _as_jmespath(selector, _named(data, ["a", "b", "c"]))


def test_truth_and_equality_are_those_of_jmespath() -> None:
    odd = [0, 1, 1.0, True, False, "", "x", None, [], {}, [[1], 2, [[3]]]]
    alone = [{"a": one} for one in odd] + [{"a": one, "b": other} for one in odd for other in odd]
    listed = [{"a": [{"b": one, "c": 1}, {"b": "x", "c": None}, {"b": {"c": one}}]} for one in odd]
    asked = [(selector, data) for selector in _OTHERS for data in (*odd, *alone, *listed)]
    assert [(selector, data) for selector, data in asked if not _as_jmespath(selector, data)] == []


@pytest.mark.parametrize(
    "selector",
    ["a < 'x'", "a >= 'b'", "'x' != a", "contains(a)", "length(a, a)", "not_null()", "no_such(a)", "join(a, b)"],
)
def test_an_order_of_texts_and_a_wrong_call_of_a_function_end_as_in_jmespath(selector: str) -> None:
    for a in ("a", "x", "z", 1, None, ["x"], {"x": 1}):
        assert _as_jmespath(selector, {"a": a, "b": ["y", "z"]})


def test_every_selector_of_the_specs_finds_what_jmespath_finds_in_an_item() -> None:
    for spec in bundled_specs():
        model = operation(spec.service, spec.list.operation)
        answer = sample(model.output_shape) if model and model.output_shape else {}
        listed = select(spec.list.items, answer) or [{}]
        for _, selector in item_selectors(spec):
            assert _as_jmespath(selector, listed[0]), f"{spec.resource_type}: {selector}"


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9998, 12, 30)), st.integers(-14, 14))  # noqa: DTZ001 - hypothesis takes naive bounds
def test_a_time_is_read_as_botocore_reads_it(moment: datetime, hours: int) -> None:
    for said in (moment.replace(tzinfo=UTC), moment.replace(tzinfo=timezone(timedelta(hours=hours)))):
        for text in (
            said.isoformat(),
            said.isoformat().replace("+00:00", "Z"),
            said.isoformat(timespec="milliseconds"),
        ):
            assert parsed_time(text) == parse_timestamp(text)
            assert parsed_time(text).isoformat() == parse_timestamp(text).isoformat()


@pytest.mark.parametrize(
    "said", ["Fri, 17 May 2024 08:12:44 GMT", 1715933564, 1715933564.5, "1715933564", "2024-05-17", "20240517T081244Z"]
)
def test_a_time_of_another_form_is_left_to_botocore(said: Any) -> None:
    assert parsed_time(said) == parse_timestamp(said)


def test_what_is_no_time_is_an_error() -> None:
    for said in ("yesterday", "2024-02-31T00:00:00Z"):
        with pytest.raises(ValueError, match=r"."):
            parsed_time(said)


@pytest.fixture
def thresholds() -> Iterator[tuple[int, ...]]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield gc.get_threshold()
    gc.set_threshold(*before)


def test_the_collector_is_as_before_when_the_last_scan_ends(thresholds: tuple[int, ...]) -> None:
    rare = RareCollection()
    rare.__enter__()
    with rare:
        assert gc.get_threshold()[0] > thresholds[0]
        assert gc.get_threshold()[1:] == thresholds[1:]
    assert gc.get_threshold()[0] > thresholds[0]
    rare.__exit__(None, None, None)
    assert gc.get_threshold() == thresholds


@pytest.fixture
def thawed() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_what_there_was_before_a_scan_is_not_looked_at_meanwhile(thawed: None) -> None:
    # How many objects are frozen changes, as some of them are no longer needed.
    rare = RareCollection()
    with rare:
        assert gc.get_freeze_count()
        with rare:
            assert gc.get_freeze_count()
        assert gc.get_freeze_count()
    assert not gc.get_freeze_count()


def test_what_somebody_else_froze_stays_so(thawed: None) -> None:
    gc.freeze()
    with RareCollection():
        assert gc.get_freeze_count()
    assert gc.get_freeze_count()


def test_what_somebody_else_made_of_the_collector_stays(thresholds: tuple[int, ...]) -> None:
    with RareCollection():
        gc.set_threshold(900, 5, 5)
    assert gc.get_threshold() == (900, 5, 5)
    for fewer in (0, 1_000_000):
        gc.set_threshold(fewer)
        with RareCollection():
            assert gc.get_threshold()[0] == fewer
    assert thresholds


def test_threads_take_longer_turns_until_the_last_scan_ends() -> None:
    before, turns = sys.getswitchinterval(), LongTurns()
    with turns:
        with turns:
            assert sys.getswitchinterval() == pytest.approx(max(before, 0.05))
        assert sys.getswitchinterval() >= max(before, 0.04)
        sys.setswitchinterval(before * 2)
    assert sys.getswitchinterval() == pytest.approx(before * 2), "somebody else's choice stays"
    sys.setswitchinterval(before)


def test_data_files_are_read_as_botocore_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = data_loader(), Loader()
    for service, kind in (("sqs", "service-2"), ("s3", "endpoint-rule-set-1"), ("rds", "paginators-1")):
        assert ours.load_service_model(service, kind) == theirs.load_service_model(service, kind)
    assert type(ours.load_service_model("sqs", "service-2")) is dict, "ordered dictionaries are larger and slower"
    assert ours.load_data("endpoints") == theirs.load_data("endpoints")
    with pytest.raises(UnknownServiceError):
        ours.load_service_model("no-such-service", "service-2")
    with pytest.raises(DataNotFoundError):
        ours.load_data("no-such-data")
    own = tmp_path / "queues" / "2026-01-01" / "service-2.json"
    own.parent.mkdir(parents=True)
    own.write_text('{"metadata": {}}', "utf-8")
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    assert data_loader().load_service_model("queues", "service-2") == {"metadata": {}}


def test_narrow_models_have_what_is_expected_and_the_rest_of_the_model() -> None:
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


def test_narrow_models_are_asked_for_as_botocore_asks_its_loader() -> None:
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
