"""Renaming every private value of estate and prompt, consistently, leaves the bytes that would leave identical."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudops_nb.protocol import closed_words
from cloudops_nb.request.builder import build, private_values
from cloudops_nb.request.egress import checked_bytes
from cloudops_nb.request.resolve import Resolver
from cloudops_nb.understanding.tokens import value_type
from tests.request.estates import Abilities, MemoryEstate, environment_of, estates, private_words

#: Swaps private letters for others, digits for digits: names change, what contains what stays.
SHIFT = str.maketrans("bcdfghjkmnpqxyz0123456789", "zbcdfghjkmnpqxy1234567890")
#: A unit belongs to a value's type, which may be told; only the amount is private.
DIGITS = str.maketrans("0123456789", "1234567890")
#: What may stand in the bytes, part by part.
PUBLISHED = "\n".join((*closed_words(), "000000000000"))
PLACES = {"eu-west-1": "mars-north-7", "us-east-1": "moon-east-2", "ap-southeast-2": "venus-1", "sa-east-1": "pluto-9"}


def renamed(text):
    """Rename one private value; published words stay what they are."""
    if text in PLACES:
        return PLACES[text]
    if text.casefold() in closed_words():
        return text
    return text.translate(SHIFT)


def rename_arn(arn):
    return ":".join(renamed(part) if place > 2 else part for place, part in enumerate(arn.split(":")))


def rename_resource(resource):
    return replace(
        resource,
        identifier=renamed(resource.identifier),
        account_id=renamed(resource.account_id),
        account_name=renamed(resource.account_name),
        region=renamed(resource.region),
        arn=rename_arn(resource.arn),
        name=renamed(resource.name),
        tags={
            key if key == "Environment" else renamed(key.casefold()).title(): renamed(v)
            for key, v in resource.tags.items()
        },
        metadata={**resource.metadata, "ip": "172.16.9.9"},
    )


def rename_span(span):
    if span.startswith("arn:"):
        return rename_arn(span)
    if "=" in span:
        key, _, value = span.partition("=")
        return f"{renamed(key)}={renamed(value)}"
    if value_type(span) != "text":
        return span.translate(DIGITS)
    return renamed(span)


def outgoing(estate, spans):
    """Return the bytes that would leave for a prompt, or what was asked instead."""
    memory = MemoryEstate(estate)
    prompt = " ".join(spans)
    resolution = Resolver(memory, environment_of, Abilities()).resolve(prompt)
    if resolution.question or not resolution.intent.changes:
        return None, resolution
    request = build(resolution, environment_of, request_id="0" * 32)
    places = {value for resource in estate for value in (resource.account_id, resource.account_name, resource.region)}
    return checked_bytes(request, private_values(resolution, prompt, places)), resolution


@st.composite
def prompts(draw, estate):
    """Spans of a prompt: published words, ids, names and ARNs of the estate, fragments, values, words of no meaning."""
    verb = draw(st.sampled_from(["stop", "start", "reboot", "please stop", "turn off", "snapshot", "tag"]))
    target = draw(st.sampled_from(estate))
    named = [draw(st.sampled_from([target.identifier, target.name, target.arn, target.name[:4]]))]
    fitting = {"snapshot": ["as", draw(private_words)], "tag": ["with", f"{draw(private_words)}={draw(private_words)}"]}
    if draw(st.booleans()):
        return [*verb.split(), *named, *fitting.get(verb, draw(st.sampled_from([[], ["now"], ["in", target.region]])))]
    extras = st.one_of(
        private_words,
        st.sampled_from(["all", "the", "staging", "databases", "instance", "in", "with", "production", "now", "as"]),
        st.sampled_from([target.region, target.account_name, target.account_id, "12", "40gb", "15min"]),
        private_words.map(lambda word: f"{word}={word[::-1]}"),
    )
    return [*verb.split(), *draw(st.permutations(named + draw(st.lists(extras, max_size=4))))]


cases = estates.flatmap(lambda estate: st.tuples(st.just(estate), prompts(estate)))


@settings(max_examples=400, deadline=None)
@given(cases)
def test_the_bytes_hold_no_private_value_and_depend_on_none(case):
    estate, spans = case
    body, resolution = outgoing(estate, spans)
    other_body, other = outgoing([rename_resource(r) for r in estate], [rename_span(span) for span in spans])
    assert body == other_body
    assert bool(resolution.question) == bool(other.question)
    assert [rename_resource(member) for member in resolution.members] == list(other.members)
    if body is not None:
        assert_none_private(body.decode(), estate)


def assert_none_private(text, estate):
    for resource in estate:
        private = {
            resource.identifier, resource.name, resource.arn, resource.account_id, resource.account_name,
            resource.region, "10.1.2.3", *resource.tags.keys(), *resource.tags.values(),
        }  # fmt: skip
        for value in private:
            if value.casefold() not in PUBLISHED:
                assert value not in text
    for digits in re.findall(r"\d{3,}", text.replace("0" * 32, "")):
        assert digits in {"100", "101"}


def test_many_of_the_generated_prompts_do_reach_the_wire():
    """The property above would hold of a builder that never sends; this one shows that it does."""
    sent: list[bool] = []

    @settings(max_examples=100, deadline=None, database=None, derandomize=True)
    @given(cases)
    def collect(case):
        sent.append(outgoing(*case)[0] is not None)

    collect()
    assert sum(sent) > len(sent) / 5
