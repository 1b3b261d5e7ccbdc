"""A made-up company's resources, the same ones in every run, and questions that people ask of such an estate.

``estate.yaml`` says what the company has; a smaller estate is the beginning of a larger one.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from functools import cache
from itertools import cycle, islice, product, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cloudops_nb.model import Constraint, Constraints, IamPermissions, Relation, Resource, Ternary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SEED = 7
SCANNED = datetime(2025, 6, 1, tzinfo=UTC)
#: Of a hundred resources, how many carry no tag, and how many bear a name.
UNTAGGED, NAMED = 12, 94
#: One resource in this many is of a rarer type.
RARE = 40
SHORT = {"production": ("prod", "prd"), "staging": ("staging", "stg"), "development": ("dev",), "": ("shared",)}
ENGINES = {"postgres": "pg", "mysql": "mysql", "mariadb": "mariadb", "sqlserver": "mssql", "oracle": "oracle"}


def resources(count: int) -> Iterator[Resource]:
    """Resources of many types whose names, tags and descriptions repeat about as often as a real fleet's do."""
    company = _company()
    common, rare = (
        (company[group], random.Random(SEED + place))  # noqa: S311 - the same estate in every run
        for place, group in enumerate(("types", "rare_types"))
    )
    turns = cycle([*repeat(common, RARE - 1), rare])
    seen: set[str] = set()
    while len(seen) < count:
        resource = _resource(company, *next(turns))
        if resource.canonical_key not in seen:
            seen.add(resource.canonical_key)
            yield resource


def questions(count: int) -> Sequence[str]:
    """Distinct questions of four kinds, in turn: by concept, by name, by a misspelt name, by tag."""
    company = _company()
    kinds = cycle(("{app} traffic of {team}", "{app}-api-{n:02}", "{misspelt} exports", "{app} of team {team}"))
    filled = (
        kind.format(app=app, team=team, n=number % 40, misspelt=app[:2] + app[3] + app[2] + app[4:])
        for number, (kind, (team, app)) in enumerate(
            zip(kinds, product(company["teams"], company["apps"]), strict=False)
        )
    )
    return list(islice(dict.fromkeys(filled), count))


@cache
def _company() -> Mapping[str, Any]:
    company: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
    return company


def _resource(company: Mapping[str, Any], types: Mapping[str, Any], generator: random.Random) -> Resource:
    kind = _weighted({name: declared["share"] for name, declared in types.items()}, generator)
    declared = types[kind]
    account = _weighted({name: each["weight"] for name, each in company["accounts"].items()}, generator)
    account_id, environment = company["accounts"][account]["id"], company["accounts"][account]["environment"]
    region = _weighted(company["regions"], generator)
    app = generator.choice(list(company["apps"]))
    metadata = {key: value for key, choices in declared["metadata"].items() if (value := generator.choice(choices))}
    words = _words(company, declared, generator, app=app, environment=environment, region=region, metadata=metadata)
    name = generator.choice(declared["names"]).format(**words)
    made = f"{declared.get('prefix')}-{generator.getrandbits(68):017x}"
    identifier = made if "prefix" in declared else name
    place = "global" if declared.get("scope") == "global" else region
    arn = declared["arn"].format(
        region=place, account=account_id, id=identifier, name=name, hex=f"{generator.getrandbits(64):016x}"
    )
    named = identifier != made or generator.randrange(100) < NAMED
    tags = _tags(company, generator, app=app, environment=environment)
    state = _weighted(declared["states"], generator)
    return Resource(
        resource_type=kind,
        identifier=arn if declared.get("identifier") == "arn" else identifier,
        account_id=account_id,
        account_name=account,
        region=place,
        service=declared["service"],
        arn=arn,
        name=name if named else identifier,
        state=state,
        tags={"Name": name, **tags} if tags and "prefix" in declared and named else tags,
        metadata={**metadata, "created": SCANNED.isoformat()},
        last_synced=SCANNED,
        **_judged(kind, state, generator),
    )


def _words(
    company: Mapping[str, Any],
    declared: Mapping[str, Any],
    generator: random.Random,
    *,
    app: str,
    environment: str,
    region: str,
    metadata: Mapping[str, Any],
) -> dict[str, str]:
    """What a name pattern may name."""
    role = generator.choice(declared["roles"])
    engine = str(metadata.get("engine", ""))
    return {
        "app": app,
        "App": app.capitalize(),
        "role": role,
        "Role": "".join(part.capitalize() for part in role.split("-")),
        "env": generator.choice(SHORT[environment]),
        "region": region,
        "az": f"{region}{generator.choice('abc')}",
        "n": f"{generator.randrange(1, 41):02}",
        "d": str(generator.randrange(2, 4)),
        "engine": next((short for name, short in ENGINES.items() if name in engine), "aurora"),
        "person": generator.choice(company["people"]),
    }


def _tags(company: Mapping[str, Any], generator: random.Random, *, app: str, environment: str) -> dict[str, str]:
    if generator.randrange(100) < UNTAGGED:
        return {}
    team = company["apps"][app]
    keys = company["tag_styles"][company["styles_of"].get(team, "upper")]
    tags = {keys["app"]: app, keys["team"]: team, keys["cost"]: str(4000 + 10 * list(company["apps"]).index(app))}
    if environment:
        tags[keys["env"]] = generator.choice((environment, SHORT[environment][0]))
    extras = {"Backup": ("daily", "weekly", "none"), "Tier": ("critical", "standard"), "DataClass": ("pii", "public")}
    for key, choices in extras.items():
        if generator.randrange(4) == 0:
            tags[key] = generator.choice(choices)
    return tags


def _judged(kind: str, state: str, generator: random.Random) -> dict[str, Any]:
    """Verdicts and relations, of the size that a scan makes them."""
    stopped = Constraint(Ternary.FALSE, f"it is {state or 'stateless'}, not stopped")
    actions = tuple(f"{kind.partition('_')[0]}:{verb}" for verb in ("Start", "Stop", "Modify", "Delete", "Tag"))
    return {
        "constraints": Constraints(can_start=stopped, facts={"encrypted": generator.random() < 0.7}),
        "iam": IamPermissions(unknown=actions, reasons=dict.fromkeys(actions, "no policy of the caller names it")),
        "relations": tuple(
            Relation("has_security_group", "ec2_security_group", f"sg-{generator.getrandbits(68):017x}")
            for _ in range(generator.randrange(3))
        ),
    }


def _weighted(choices: Mapping[str, float], generator: random.Random) -> str:
    return generator.choices(list(choices), list(choices.values()))[0]
