"""Answers of any content are read as botocore reads them, and long answers do not delay short ones."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from botocore.parsers import ResponseParserError, ResponseParserFactory
from botocore.utils import parse_timestamp
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.aws.fast_botocore.response_parsers import QuickParserFactory, parsed_time, parsing_slots
from cloudops_nb.specs.files import bundled_specs
from tests.synthetic_aws.call import Call
from tests.synthetic_aws.models import operation_model, protocol
from tests.synthetic_aws.writing import Writer

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

pytestmark = pytest.mark.fast

_XML = ("query", "ec2", "rest-xml")
#: Operations whose answers have forms that lists lack: attributes, maps, unions, payloads.
_OTHERS = (
    ("s3", "GetBucketAcl"), ("s3", "GetBucketLifecycleConfiguration"), ("s3", "GetBucketLocation"),
    ("s3", "GetBucketReplication"), ("sqs", "GetQueueAttributes"), ("sns", "GetTopicAttributes"),
    ("cloudfront", "GetDistribution"), ("route53", "GetHostedZone"), ("s3", "GetBucketPolicy"),
)  # fmt: skip


@cache
def _operations() -> list[tuple[str, str]]:
    named = {(spec.service, spec.list.operation) for spec in bundled_specs()}
    named |= {(spec.service, detail.operation) for spec in bundled_specs() for detail in spec.details}
    return sorted(each for each in {*named, *_OTHERS} if protocol(each[0]) in _XML)


@cache
def _sample(service: str, operation: str) -> bytes:
    call = Call("123456789012", "eu-west-1", service, operation, {})
    return Writer(10).whole(call, None).body


def _of_xml() -> list[tuple[str, str]]:
    return [each for each in _operations() if _sample(*each).lstrip().startswith(b"<")]


def _read(factory: ResponseParserFactory, where: tuple[str, str], body: bytes, status: int = 200) -> Any:
    factory.set_parser_defaults(timestamp_parser=parsed_time)
    parser = factory.create_parser(protocol(where[0]))
    response = {"body": body, "headers": {}, "status_code": status}
    shape = operation_model(*where).output_shape
    assert shape
    try:
        return _plain(parser.parse(response, shape))
    except Exception as error:  # noqa: BLE001 - what either raises is compared
        return type(error)


def _plain(value: Any) -> Any:
    """Return data without XML elements, which botocore returns if a text element is repeated."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return (value.tag, value.text) if hasattr(value, "tag") else value


def _same(where: tuple[str, str], body: bytes, status: int = 200) -> bool:
    expected = _read(ResponseParserFactory(), where, body, status)
    found = _read(QuickParserFactory(), where, body, status)
    assert found == expected, f"{where} {body!r}"
    return not isinstance(found, type)


def test_every_answer_of_every_xml_service_is_read_as_botocore_does() -> None:
    read = [_same(where, _sample(*where)) for where in _operations()]
    assert len(read) > 60
    assert all(read)


_CHANGES: dict[str, Callable[[Any, Any], None]] = {
    "dropped": lambda parent, child: parent.remove(child),
    "twice": lambda parent, child: parent.append(child),
    "emptied": lambda _, child: child.clear(),
    "without text": lambda _, child: setattr(child, "text", None),
    "another text": lambda _, child: setattr(child, "text", "2 & <3>"),
    "unknown": lambda parent, _: ET.SubElement(parent, "unheardOf").append(ET.Element("inner")),
    "spaced": lambda _, child: setattr(child, "tail", "\n  "),
    "marked": lambda _, child: child.set("{http://www.w3.org/2001/XMLSchema-instance}type", "Group"),
    "commented": lambda parent, _: parent.insert(0, ET.Comment("a comment")),
    "instructed": lambda parent, _: parent.insert(0, ET.ProcessingInstruction("name", "value")),
}


def _changed(body: bytes, chosen: random.Random, changes: list[str]) -> bytes:
    root = ET.fromstring(body)  # noqa: S314 - it was written above
    for change in changes:
        parents = [each for each in root.iter() if len(each) and isinstance(each.tag, str)]
        if parents:
            parent = chosen.choice(parents)
            _CHANGES[change](parent, chosen.choice([each for each in parent if isinstance(each.tag, str)] or [parent]))
    return ET.tostring(root)


@given(
    where=st.deferred(lambda: st.sampled_from(_of_xml())),
    chosen=st.randoms(use_true_random=False),
    changes=st.lists(st.sampled_from(sorted(_CHANGES)), min_size=1, max_size=6),
    status=st.sampled_from([200, 200, 200, 400, 404]),
)
def test_an_answer_of_any_form_is_read_as_botocore_does(
    where: tuple[str, str], chosen: random.Random, changes: list[str], status: int
) -> None:
    try:
        body = _changed(_sample(*where), chosen, changes)
    except (ValueError, RecursionError):  # what was changed is no longer there, or holds itself
        return
    _same(where, body, status)


@given(where=st.deferred(lambda: st.sampled_from(_of_xml())), share=st.floats(0, 0.999))
def test_a_truncated_answer_is_an_error_that_does_not_quote_it(where: tuple[str, str], share: float) -> None:
    body = _sample(*where).strip()
    cut = body[: int(len(body) * share)]
    if cut or protocol(where[0]) != "rest-xml":  # where nothing at all is an answer too
        parser = QuickParserFactory().create_parser(protocol(where[0]))
        response = {"body": cut, "headers": {}, "status_code": 200}
        with pytest.raises(ResponseParserError) as told:
            parser.parse(response, operation_model(*where).output_shape)
        assert "123456789012" not in str(told.value)


def test_entities_of_an_answer_are_neither_fetched_nor_expanded(tmp_path: Any) -> None:
    (tmp_path / "secret").write_text("secret")
    for entity in (f'SYSTEM "{(tmp_path / "secret").as_uri()}"', '"secret"'):
        body = _long(1).replace(b"region-0", b"&e;")
        declared = f"<!DOCTYPE r [<!ENTITY e {entity}>]>".encode()
        found = _read(QuickParserFactory(), ("ec2", "DescribeRegions"), declared + body)
        assert "secret" not in str(found)


@pytest.mark.parametrize("status", [200, 503])
def test_a_proxys_page_is_reported_as_botocore_reports_it(status: int) -> None:
    page = b'<!DOCTYPE html SYSTEM "http://www.w3.org/x.dtd"><html>&nbsp;<body>&nbsp;Service&nbsp;Unavailable</body></html>'
    for where in (("ec2", "DescribeRegions"), ("rds", "DescribeDBInstances"), ("s3", "ListBuckets")):
        _same(where, page, status)
    declared = b'<!DOCTYPE r [<!ENTITY e "text">]>' + _long(1).replace(b"region-0", b"&e;")
    assert _read(QuickParserFactory(), ("ec2", "DescribeRegions"), declared) is ResponseParserError


def test_declarations_and_depth_of_an_answer_change_nothing() -> None:
    where, body = ("ec2", "DescribeRegions"), _long(2).replace(b"region-1", "rég".encode())
    assert _same(where, b'<?xml version="1.0" encoding="ISO-8859-1"?>' + body)
    assert _same(where, body.replace(b"<regionInfo>", b"<a>" * 300 + b"</a>" * 300 + b"<regionInfo>"))


@pytest.mark.parametrize(
    ("where", "body"),
    [
        (
            ("rds", "DescribeDBInstances"),
            (
                "<r><DescribeDBInstancesResult><DBInstances><DBInstance><Endpoint><Port>1</Port></Endpoint>"
                "<Endpoint><Port>2</Port></Endpoint></DBInstance></DBInstances></DescribeDBInstancesResult></r>"
            ),
        ),
        (("s3", "ListObjectsV2"), "<r>" + "<Contents><Key>one</Key></Contents>" * 4 + "</r>"),
        (("s3", "ListParts"), "<r><x-amz-abort-date>2026-01-01T00:00:00Z</x-amz-abort-date></r>"),
        *(
            (
                ("redshift", "DescribeRedshiftIdcApplications"),
                (
                    "<r><DescribeRedshiftIdcApplicationsResult><RedshiftIdcApplications><member><ServiceIntegrations>"
                    f"<member>{union}</member></ServiceIntegrations></member></RedshiftIdcApplications>"
                    "</DescribeRedshiftIdcApplicationsResult></r>"
                ),
            )
            for union in ("", "<Redshift/>", "<NewAndUnknown/>", "<Redshift/><LakeFormation/>")
        ),
    ],
)
def test_rare_forms_are_read_as_botocore_does(where: tuple[str, str], body: str) -> None:
    _same(where, body.encode())


def test_error_answers_are_read_as_botocore_does() -> None:
    shape = operation_model("s3", "GetObject").service_model.shape_for("InvalidObjectState")
    body = b"<Error><Code>InvalidObjectState</Code><StorageClass>GLACIER</StorageClass></Error>"
    response = {"body": body, "headers": {}, "status_code": 403}
    quick, plain = (each.create_parser("rest-xml") for each in (QuickParserFactory(), ResponseParserFactory()))
    assert quick.parse(response, shape) == plain.parse(response, shape)
    wrapped = {**response, "body": b"<ErrorResponse>" + body + b"</ErrorResponse>"}
    assert quick.parse(wrapped, shape) == plain.parse(wrapped, shape)


def test_answers_without_xml_are_read_by_botocores_own_methods() -> None:
    for where in (("lambda", "ListFunctions"), ("dynamodb", "ListTables")):
        assert _same(where, _sample(*where))


def _long(count: int) -> bytes:
    items = "".join(f"<item><regionName>region-{number}</regionName></item>" for number in range(count))
    return f"<DescribeRegionsResponse><regionInfo>{items}</regionInfo></DescribeRegionsResponse>".encode()


def test_short_answers_do_not_wait_for_long_ones() -> None:
    where, read = ("ec2", "DescribeRegions"), threading.Event()
    held = 0
    while parsing_slots.acquire(blocking=False):
        held += 1

    def read_long() -> None:
        _read(QuickParserFactory(), where, _long(5_000))
        read.set()

    try:
        assert len(_read(QuickParserFactory(), where, _long(2))["Regions"]) == 2
        waiting = threading.Thread(target=read_long)
        waiting.start()
        assert not read.wait(0.2), "a long one is read only in turn"
    finally:
        for _ in range(held):
            parsing_slots.release()
    assert read.wait(30)
    waiting.join()


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


def test_a_text_that_is_not_a_time_is_an_error() -> None:
    for said in ("yesterday", "2024-02-31T00:00:00Z"):
        with pytest.raises(ValueError, match=r"."):
            parsed_time(said)
