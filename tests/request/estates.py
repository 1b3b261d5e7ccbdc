"""An estate in memory that keeps the request builder's Protocol, and hypothesis strategies for estates and prompts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from cloudops_nb.model import Account, Constraint, Constraints, Resource, ResourceFilter, SearchHit, Ternary
from cloudops_nb.protocol import closed_words
from cloudops_nb.understanding.environment import environment_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SERVICES = {"ec2_instance": "ec2", "rds_instance": "rds", "s3_bucket": "s3", "ec2_volume": "ec2"}
#: What runnable playbooks act on, by intent.
TYPES = {
    "stop": {"ec2_instance", "rds_instance"},
    "start": {"ec2_instance", "rds_instance"},
    "reboot": {"ec2_instance", "rds_instance"},
    "snapshot": {"rds_instance"},
    "tag": {"ec2_instance"},
}


EVERYTHING = ResourceFilter()


class MemoryEstate:
    """Resources in a list, found by plain comparison."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.all = list(resources)
        self.queries: list[str] = []

    def lookup(self, text: str) -> list[Resource]:
        wanted = text.casefold()
        return [r for r in self.all if wanted in {r.identifier.casefold(), r.name.casefold(), r.arn.casefold()} - {""}]

    def resources(self, where: ResourceFilter = EVERYTHING, *, limit: int | None = None) -> list[SearchHit]:
        def fits(resource: Resource) -> bool:
            tags = {key.casefold(): value.casefold() for key, value in resource.tags.items()}
            return (
                where.resource_type in {"", resource.resource_type}
                and where.region in {"", resource.region}
                and where.account in {"", resource.account_id, resource.account_name}
                and all(tags.get(key.casefold()) == value.casefold() for key, value in where.tags.items())
            )

        return [SearchHit(resource, 0.0, "") for resource in self.all if fits(resource)][:limit]

    def search(self, query: str, *, limit: int = 10, where: ResourceFilter = EVERYTHING) -> list[SearchHit]:
        self.queries.append(query)
        return self.resources(where, limit=limit)

    def facets(self, field: str) -> Mapping[str, int]:
        return Counter(getattr(resource, field) for resource in self.all)


def environment_of(resource: Resource) -> str:
    return environment_class(
        account_name=resource.account_name, tags=resource.tags, name=resource.name or resource.identifier
    )


class Abilities:
    """What the playbooks of these tests can do."""

    def types_for(self, intent: str) -> set[str]:
        return TYPES.get(intent, set())

    def value_types_for(self, intent: str) -> set[str]:
        return {"snapshot": {"text"}, "tag": {"key_value"}}.get(intent, set())


def instance(name="web-1", **fields):
    base = Resource(
        resource_type="ec2_instance",
        identifier="i-0abc1234def567890",
        account_id="123456789012",
        account_name="acme-core",
        region="eu-west-1",
        service="ec2",
        arn="arn:aws:ec2:eu-west-1:123456789012:instance/i-0abc1234def567890",
        name=name,
        state="running",
        tags={"Name": name, "Environment": "production"},
        constraints=Constraints(can_stop=Constraint(Ternary.TRUE)),
    )
    return replace(base, **fields)


def database(name="pg-instance-main1", **fields):
    base = Resource(
        resource_type="rds_instance",
        identifier=name,
        account_id="123456789012",
        account_name="acme-core",
        region="eu-west-1",
        service="rds",
        arn=f"arn:aws:rds:eu-west-1:123456789012:db:{name}",
        name=name,
        state="available",
        tags={"Environment": "production", "Team": "payments"},
        metadata={"engine": "postgres"},
    )
    return replace(base, **fields)


ACCOUNTS = (Account("acme-core", "123456789012"),)


def _private(alphabet, minimum=4, maximum=12):
    """Words that are not published and contain or are contained in nothing published."""
    published = closed_words()
    return st.text(alphabet, min_size=minimum, max_size=maximum).filter(
        lambda word: word not in published and not word.startswith(("r", "v")) and word.strip("-") == word
    )


private_words = _private("bcdfghjkmnpqxyz")
regions = st.sampled_from(["eu-west-1", "us-east-1", "ap-southeast-2", "sa-east-1"])
account_ids = st.text("0123456789", min_size=12, max_size=12)
states = st.sampled_from(["running", "stopped", "available", "some-new-state", ""])
environments = st.sampled_from(["production", "prod", "staging", "dev", ""])


@st.composite
def resources(draw):
    kind = draw(st.sampled_from(sorted(SERVICES)))
    name = "-".join(draw(st.lists(private_words, min_size=1, max_size=3)))
    account, region = draw(account_ids), draw(regions)
    identifier = f"{draw(private_words)}-{draw(st.text('0123456789abcdef', min_size=8, max_size=8))}"
    tags = {draw(private_words).title(): draw(private_words) for _ in range(draw(st.integers(0, 2)))}
    if environment := draw(environments):
        tags["Environment"] = environment
    return Resource(
        resource_type=kind,
        identifier=identifier,
        account_id=account,
        account_name=draw(private_words),
        region=region,
        service=SERVICES[kind],
        arn=f"arn:aws:{SERVICES[kind]}:{region}:{account}:{identifier}",
        name=name,
        state=draw(states),
        tags=tags,
        metadata={"engine": draw(st.sampled_from(["postgres", "mysql", "own-engine"])), "ip": "10.1.2.3"},
        constraints=Constraints(
            can_stop=Constraint(draw(st.sampled_from(list(Ternary)))),
            facts={"multi_az": draw(st.booleans()), "read_replicas": draw(st.integers(0, 30))},
        ),
    )


estates = st.lists(resources(), min_size=1, max_size=6, unique_by=lambda resource: resource.canonical_key)
