"""Details, batches and tags that a listing lacks are read; a missing answer has its reason and is never empty."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from cloudops_nb.aws.error_states import Failure
from cloudops_nb.model import Account, CellKey, CellState
from cloudops_nb.scanner.calls.aws_calls import AwsCalls
from cloudops_nb.scanner.calls.call_errors import TruncatedError
from cloudops_nb.scanner.reading.batch_reader import BatchReader
from cloudops_nb.scanner.reading.detail_reader import DetailedItem, DetailReader
from cloudops_nb.scanner.reading.resource_builder import NOT_REQUESTED
from cloudops_nb.scanner.reading.tag_listing import listed_tags
from cloudops_nb.scanner.task import ScanTask
from cloudops_nb.specs.files import parse_specs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

pytestmark = pytest.mark.fast

REGION = "af-south-1"
SPEC = """
service: ecs
types:
  - resource_type: ecs_service
    cloudformation_type: AWS::ECS::Service
    list: {operation: ListServices, items: serviceArns}
    identifier: arn
    arn: arn
"""
DETAILS = """
    details:
      - {into: one, operation: DescribeServices, parameters: {cluster: cluster}, when: "cluster != 'plain'",
         gone: [ClusterNotFoundException], absent: [NotInUseException]}
      - {into: two, operation: DescribeTasks, parameters: {tasks: one.tasks}}
      - {into: dear, operation: ListTasks, parameters: {cluster: cluster}, on_demand: true}
      - {into: dearer, operation: DescribeTaskSets, parameters: {cluster: cluster}, when: "length(dear.tasks) > `0`"}
"""
BATCHES = """
    batches:
      - {into: described, operation: DescribeServices, keys: services, key: number, items: services, match: number,
         size: 2, parameters: {cluster: cluster}}
"""


def refused(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Op")


@dataclass
class Calls(AwsCalls):
    """Answers by operation, or raises; a function of what is given may do either."""

    answers: Mapping[str, Any]
    asked: dict[str, list[tuple[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def _answer(self, region: str, operation: str, given: Any) -> Any:
        self.asked[operation].append((region, given))
        answer = self.answers[operation]
        answer = answer(given) if callable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def call(self, service: str, region: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._answer(region, operation, parameters), "ResponseMetadata": {"RequestId": "1"}}

    def joined_pages(self, service: str, region: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return self.call(service, region, operation, parameters)

    def pages(
        self,
        service: str,
        region: str,
        operation: str,
        parameters: Mapping[str, Any],
        page_size: int | None,
        *,
        rules: Mapping[str, Any] | None = None,
    ) -> Iterator[dict[str, Any]]:
        yield from self._answer(region, operation, {**parameters, "size": page_size})


def task(text: str, *, every_detail: bool = False) -> ScanTask:
    (spec,) = parse_specs(SPEC + text, "mine.yaml")
    key = CellKey("123456789012", REGION, spec.resource_type)
    return ScanTask(spec, Account(name="prod"), REGION, (key,), every_detail=every_detail)


def detailed(
    calls: AwsCalls, item: Mapping[str, Any] | None = None, *, text: str = DETAILS, every_detail: bool = False
) -> DetailedItem | None:
    return DetailReader(task(text, every_detail=every_detail), calls).read(DetailedItem(item or {"cluster": "c"}))


WHOLE = {
    "DescribeServices": {"tasks": ["t"]},
    "DescribeTasks": {"state": "running"},
    "ListTasks": {"tasks": ["t"]},
    "DescribeTaskSets": {},
}


def test_answers_are_put_in_and_the_next_question_may_be_about_them() -> None:
    calls = Calls(WHOLE)
    read = detailed(calls)
    assert read
    assert read.data == {"cluster": "c", "one": {"tasks": ["t"]}, "two": {"state": "running"}}
    assert calls.asked == {
        "DescribeServices": [(REGION, {"cluster": "c"})],
        "DescribeTasks": [(REGION, {"tasks": ["t"]})],
    }
    assert read.unread == {"dear": NOT_REQUESTED, "dearer": NOT_REQUESTED}


def test_what_is_expensive_is_asked_for_by_a_scan_with_every_detail() -> None:
    read = detailed(Calls(WHOLE), every_detail=True)
    assert read
    assert (read.data["dear"], read.data["dearer"], read.unread) == ({"tasks": ["t"]}, {}, {})


def test_what_does_not_apply_is_neither_asked_nor_missing() -> None:
    calls = Calls({**WHOLE, "ListTasks": {"tasks": []}})
    read = detailed(calls, {"cluster": "plain"}, every_detail=True)
    assert read
    assert calls.asked.keys() == {"DescribeTasks", "ListTasks"}
    assert read.unread == {}


def test_what_depends_on_a_missing_answer_is_missing_for_the_same_reason() -> None:
    calls = Calls(
        {**WHOLE, "DescribeServices": refused("AccessDeniedException", 403), "ListTasks": refused("Throttling")}
    )
    read = detailed(calls, every_detail=True)
    assert read
    denied, throttled = "AccessDeniedException: no", "Throttling: no"
    assert read.unread == {"one": denied, "two": denied, "dear": throttled, "dearer": throttled}
    assert read.failures["two"].state is CellState.DENIED
    assert read.data == {"cluster": "c"}
    assert calls.asked.keys() == {"DescribeServices", "ListTasks"}


def test_what_is_gone_is_left_out_and_what_has_no_such_thing_has_none() -> None:
    gone = Calls({**WHOLE, "DescribeServices": refused("ClusterNotFoundException")})
    assert detailed(gone) is None
    assert gone.asked.keys() == {"DescribeServices"}
    absent = detailed(Calls({**WHOLE, "DescribeServices": refused("NotInUseException")}))
    assert absent
    assert (absent.data["one"], absent.failures) == ({}, {})


@pytest.mark.parametrize(
    ("error", "state", "detail"),
    [
        (TruncatedError("there is more"), CellState.ERROR, "there is more"),
        (refused("UnrecognizedClientException", 403), CellState.REGION_DISABLED, "UnrecognizedClientException: no"),
        (ValueError("an odd form"), CellState.ERROR, "ValueError: an odd form"),
    ],
)
def test_a_failure_is_what_it_means_there(error: Exception, state: CellState, detail: str) -> None:
    read = detailed(Calls({**WHOLE, "DescribeServices": error}))
    assert read
    assert read.failures["one"] == Failure(state, detail)
    (item,) = batched(Calls({"DescribeServices": error}), {"number": 1})
    assert item.failures == {"described": Failure(state, detail)}
    calls = Calls({"GetResources": error})
    assert listed_tags(task(TAGS), calls) == Failure(state, detail)


def test_expired_credentials_are_a_matter_of_the_whole_task() -> None:
    calls = Calls({"DescribeServices": refused("ExpiredToken", 403), "GetResources": refused("ExpiredToken", 403)})
    for read in (
        lambda: detailed(calls),
        lambda: batched(calls, {"number": 1}),
        lambda: listed_tags(task(TAGS), calls),
    ):
        with pytest.raises(ClientError, match="ExpiredToken"):
            read()


def test_details_are_asked_where_the_resource_is() -> None:
    apart = "    region: where\n    scope: account\n" + DETAILS
    calls = Calls(WHOLE)
    assert detailed(calls, {"cluster": "c", "where": "eu-west-1"}, text=apart)
    assert {region for asked in calls.asked.values() for region, _ in asked} == {"eu-west-1"}


def test_a_reader_without_a_call_to_make_says_so() -> None:
    dear = "    details: [{into: dear, operation: ListTasks, parameters: {}, on_demand: true}]\n"
    calls = Calls({})

    def makes_calls(text: str, *, every_detail: bool) -> bool:
        return DetailReader(task(text, every_detail=every_detail), calls).makes_calls

    assert not makes_calls("", every_detail=True)
    assert not makes_calls(dear, every_detail=False)
    assert makes_calls(dear, every_detail=True)
    assert makes_calls(DETAILS, every_detail=False)


# --- tags that come from a listing of their own

TAGS = '    tags: {style: tagging_api, filter: "ecs:service"}\n'


def test_tags_are_listed_by_their_filter_in_the_largest_pages_that_aws_gives() -> None:
    mappings = [{"ResourceARN": f"arn:{each}", "Tags": [{"Key": "Team", "Value": each}]} for each in "ab"]
    calls = Calls({"GetResources": [{"ResourceTagMappingList": [each]} for each in mappings]})
    assert listed_tags(task(TAGS), calls) == {"arn:a": {"Team": "a"}, "arn:b": {"Team": "b"}}
    assert calls.asked == {"GetResources": [(REGION, {"ResourceTypeFilters": ["ecs:service"], "size": 100})]}


def test_a_page_without_its_list_is_no_page_without_tags() -> None:
    calls = Calls({"GetResources": [{"ResourceTagMappingList": []}, {}]})
    assert listed_tags(task(TAGS), calls) == Failure(CellState.ERROR, "GetResources returned no ResourceTagMappingList")


def test_tags_that_come_with_the_resource_are_not_listed() -> None:
    calls = Calls({})
    for text in ("", "    tags: {style: list, path: Tags}\n"):
        assert listed_tags(task(text), calls) is None


# --- batches


def batched(calls: Any, *items: Mapping[str, Any]) -> Sequence[DetailedItem]:
    return BatchReader(task(BATCHES), calls, lambda function, groups: list(map(function, groups))).read(items)


def echoed(given: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"services": [{"number": str(key), "of": given["cluster"]} for key in reversed(given["services"])]}


def test_every_item_gets_its_own_answer_of_a_call_with_its_own_parameters() -> None:
    items = [{"number": number, "cluster": "odd" if number % 2 else None} for number in range(7)]
    calls = Calls({"DescribeServices": echoed})
    read = batched(calls, *items)
    assert sorted(each.data["number"] for each in read) == list(range(7))
    for each in read:
        assert each.data["described"] == {"number": str(each.data["number"]), "of": each.data["cluster"]}
    sizes = [len(given["services"]) for _, given in calls.asked["DescribeServices"]]
    assert sizes == [2, 2, 2, 1]


def test_an_item_missing_from_an_answer_is_gone_unless_all_items_are_missing() -> None:
    def answering(*numbers: int) -> Calls:
        return Calls({"DescribeServices": {"services": [{"number": number} for number in numbers]}})

    two = [{"number": 1}, {"number": 2}]
    assert [each.data["number"] for each in batched(answering(2), *two)] == [2]
    assert batched(answering(), two[0]) == []
    for calls in (answering(), answering(3, 4)):
        read = batched(calls, *two)
        failure = Failure(CellState.ERROR, "DescribeServices returned none of 2 requested items")
        assert [each.failures for each in read] == [{"described": failure}] * 2


def test_an_answer_without_its_items_says_nothing() -> None:
    (one,) = batched(Calls({"DescribeServices": {}}), {"number": 1})
    assert one.unread == {"described": "DescribeServices returned no services"}
    assert "described" not in one.data


def test_a_call_that_fails_takes_only_its_own_items_with_it() -> None:
    def answer(given: Mapping[str, Any]) -> Any:
        return refused("Throttling") if 1 in given["services"] else echoed(given)

    read = batched(Calls({"DescribeServices": answer}), *({"number": number} for number in range(4)))
    assert [each.unread for each in read] == [{"described": "Throttling: no"}] * 2 + [{}] * 2
