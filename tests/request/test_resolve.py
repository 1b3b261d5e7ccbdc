"""What a prompt is taken to mean, and when the person is asked instead."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudops_nb.errors import PromptError
from cloudops_nb.protocol import MAX_VALUES
from cloudops_nb.request.resolve import Resolver
from tests.request.estates import Abilities, MemoryEstate, database, environment_of, instance

pytestmark = pytest.mark.fast

JENKINS = instance("jenkins", identifier="i-0jenkins", arn="arn:jenkins")
STAGING = database("orders-db", arn="arn:orders", tags={"Environment": "staging", "Team": "orders"}, region="us-east-1")
REPORTS = database("reports-db", arn="arn:reports", tags={"Environment": "staging"}, state="stopped")
MAIN = database()
VOLUME = instance("jenkins", resource_type="ec2_volume", identifier="vol-1", arn="arn:vol", state="in-use")
ESTATE = [JENKINS, STAGING, REPORTS, MAIN, VOLUME]


def resolve(prompt, *, estate=ESTATE, previous=()):
    return Resolver(MemoryEstate(estate), environment_of, Abilities()).resolve(prompt, previous=previous)


@pytest.mark.parametrize(
    "named", ["jenkins", "JENKINS", "i-0jenkins", "arn:jenkins", '"jenkins"', "`jenkins`", "jenkins."]
)
def test_an_exact_name_id_or_arn_settles_the_target(named):
    resolution = resolve(f"stop {named}")
    assert resolution.question == ""
    assert list(resolution.members) == [JENKINS]
    assert list(resolution.words) == ["stop", "r1"]


def test_what_the_action_cannot_act_on_is_no_candidate():
    assert list(resolve("reboot jenkins").members) == [JENKINS]


def test_a_unique_fragment_of_a_name_settles_the_target():
    assert list(resolve("stop pg-instance").members) == [MAIN]


def test_two_resources_of_one_name_are_asked_about():
    twin = replace(JENKINS, identifier="i-0twin", arn="arn:twin")
    resolution = resolve("stop jenkins", estate=[*ESTATE, twin])
    assert "Which" in resolution.question
    assert {candidate.identifier for candidate in resolution.candidates} == {"i-0jenkins", "i-0twin"}
    assert list(resolution.words) == []


def test_a_region_in_the_words_narrows_an_ambiguous_name():
    twin = replace(JENKINS, identifier="i-0twin", arn="arn:twin", region="us-east-1")
    resolution = resolve("stop jenkins in us-east-1", estate=[*ESTATE, twin])
    assert list(resolution.members) == [twin]
    assert list(resolution.words) == ["stop", "r1", "in", "v1"]
    assert resolution.types == {"v1": "place"}


def test_a_change_to_several_needs_the_word_all():
    assert "2 resources fit" in resolve("stop staging databases").question
    resolution = resolve("stop all staging databases")
    assert resolution.question == ""
    assert set(map(id, resolution.members)) == {id(STAGING), id(REPORTS)}
    assert list(resolution.words) == ["stop", "all", "staging", "databases", "r1"]


def test_a_word_that_no_name_holds_never_leaves_the_rest_as_the_target():
    """Another database must not be stopped because no name has the unknown word in it."""
    resolution = resolve("stop the billing database", estate=[MAIN])
    assert resolution.question
    assert list(resolution.members) == []


def test_a_tag_word_describes_a_target():
    assert list(resolve("stop the payments database").members) == [MAIN]


def test_a_tag_with_its_value_narrows_the_target_and_stays_here():
    resolution = resolve("stop the database with Team=orders")
    assert list(resolution.members) == [STAGING]
    assert list(resolution.words) == ["stop", "the", "database", "with", "r1"]
    assert resolution.values == {}


def test_a_change_acts_on_resources_of_one_type():
    assert "More than one type" in resolve("stop jenkins and orders-db").question


def test_more_values_than_a_request_may_hold_are_refused():
    pairs = [f"Key{number}=value{number}" for number in range(MAX_VALUES + 1)]
    assert len(resolve(f"tag jenkins with {' '.join(pairs[:-1])}").values) == MAX_VALUES
    with pytest.raises(PromptError, match=f"too many values: {MAX_VALUES + 1}, the most is {MAX_VALUES}"):
        resolve(f"tag jenkins with {' '.join(pairs)}")


def test_two_names_in_one_request_make_one_set():
    resolution = resolve("stop orders-db and reports-db")
    assert [member.name for member in resolution.members] == ["orders-db", "reports-db"]


def test_a_state_that_does_not_fit_the_named_target_is_asked_about():
    assert "does not fit" in resolve("stop the stopped jenkins").question


def test_a_value_stays_behind_a_slot():
    resolution = resolve("tag jenkins with CostCentre=4711")
    assert list(resolution.words) == ["tag", "r1", "with", "v1"]
    assert resolution.values == {"v1": "CostCentre=4711"}
    assert resolution.types == {"v1": "key_value"}


def test_a_name_for_something_new_stays_behind_a_slot_too():
    resolution = resolve("snapshot orders-db as hunter2!x")
    assert list(resolution.words) == ["snapshot", "r1", "as", "v1"]
    assert resolution.values == {"v1": "hunter2!x"}


def test_a_password_somebody_typed_is_asked_about_and_never_sent():
    assert "was not understood" in resolve("stop jenkins hunter2!x").question


def test_it_means_the_last_target():
    resolution = resolve("now start it again", previous=[JENKINS])
    assert list(resolution.members) == [JENKINS]
    assert "r1" in resolution.words


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("do not stop jenkins", "what not to do"),
        ("stop and start jenkins", "One change at a time"),
        ("stop", "Nothing in the estate fits"),
        ("stop it", "Nothing in the estate fits"),
        ("stop everything-of-ours", "was not understood"),
    ],
)
def test_what_cannot_be_settled_is_asked_back(prompt, said):
    assert said in resolve(prompt).question


@pytest.mark.parametrize("prompt", ["", "  \n ", "?!", '""'])
def test_an_empty_prompt_is_refused_in_one_line(prompt):
    with pytest.raises(PromptError, match="empty"):
        resolve(prompt)


def test_a_prompt_beyond_the_limit_is_refused():
    with pytest.raises(PromptError, match="too long"):
        resolve("stop " * 201)


def test_a_question_is_no_change():
    resolution = resolve("which databases are stopped?")
    assert not resolution.intent.changes
    assert list(resolution.members) == [REPORTS]


WEB1, WEB2 = (instance(f"web-{n}", identifier=f"i-0web{n}", arn=f"arn:web{n}") for n in (1, 2))
TWIN1, TWIN2 = (instance("web", identifier=f"i-0twin{n}", arn=f"arn:twin{n}") for n in (1, 2))
TEST = instance("test", identifier="i-0test", arn="arn:test")
FOO = instance("foo", identifier="i-0foo", arn="arn:foo", tags={"Environment": "dev"})
PG1, PG2 = (database(f"pg-{n}", arn=f"arn:pg{n}") for n in (1, 2))
AURORA = database("aur-1", arn="arn:aur1", metadata={"engine": "aurora-postgresql"})
CROWD = [WEB1, WEB2, TWIN1, TWIN2, TEST, FOO, PG1, PG2, AURORA]


@pytest.mark.parametrize(
    "prompt",
    [
        "stop all instances except web-2",
        "don't stop web-1",
        "never stop web-1",
        "stop web-1 but not web-2",
        "stop all t3.micro instances",
        "stop all instances in 210987654321",
        "stop all instances with Team=paymnts",
        "stop all databases with 100gb",
        "stop pg 7",
        "stop web-1 and web-9",
        "why did web-1 stop?",
        "stop all instances without web-2",
        "stop web-1 tomorrow",
        "stop web-1 in two hours",
        "stop all old databases",
        "stop web-1 or web-2",
        "stop this instance",
        "stop that database",
        "stop the database that is available",
        "stop this web",
        "stop web",
        "stop web-1 and foo in production",
        "stop web-1 and pg-1 databases",
        "stop test",
    ],
)
def test_a_change_is_asked_back_unless_every_word_of_it_is_honoured(prompt):
    resolution = resolve(prompt, estate=CROWD)
    assert resolution.question
    assert list(resolution.words) == []


@pytest.mark.parametrize(
    ("prompt", "members"),
    [
        ("please stop web-1 now", [WEB1]),
        ("stop web (i-0twin1)", [TWIN1]),
        ("stop web-1 and web-2", [WEB1, WEB2]),
        ('stop "test"', [TEST]),
        ("stop the aurora database", [AURORA]),
        ("stop the aurora postgres database", [AURORA]),
        ("stop all instances in development", [FOO]),
    ],
)
def test_what_is_said_plainly_is_not_asked_back(prompt, members):
    resolution = resolve(prompt, estate=CROWD)
    assert resolution.question == ""
    assert list(resolution.members) == members


def test_several_are_meant_by_a_plural_pronoun_only():
    assert list(resolve("stop them", previous=[WEB1, WEB2]).members) == [WEB1, WEB2]
    assert resolve("stop it", previous=[WEB1, WEB2]).question


def test_that_database_is_the_one_spoken_of():
    assert list(resolve("stop that database", estate=CROWD, previous=[PG2]).members) == [PG2]


def test_the_longest_request_that_is_read_can_be_sent():
    resolution = resolve("stop all staging databases " + "please " * 195)
    assert len(resolution.words) == 200
