"""The simulated company, as declared in ``company/*.yaml``: its accounts, places, apps and resources.

The key ``in`` of each entry lists the places (for IAM: the accounts) that have the resource, or maps each place to the
values that differ there. Text may use ``{env}``, ``{site}``, ``{region}``, ``{account}`` and ``{account_id}``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.tables import bundled_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: The declaration of one resource, with the placeholders filled in for one place.
Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CompanyAccount:
    """An account of the company; ``env`` is its short name in resource names."""

    account: str
    account_id: str
    env: str


@dataclass(frozen=True, slots=True)
class CompanyPlace:
    """An account in a region; ``site`` is the region's short name in resource names."""

    name: str
    account: str
    account_id: str
    env: str
    region: str
    site: str


class Company:
    """The declarations of the data files; read-only.

    Args:
        data: The merged content of the files.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self.name: str = data["company"]
        self.resource_types: Sequence[str] = tuple(data["resource_types"])
        self.accounts: Sequence[CompanyAccount] = tuple(
            CompanyAccount(name, account["id"], account["short"]) for name, account in data["accounts"].items()
        )
        by_name = {account.account: account for account in self.accounts}
        self.places: Sequence[CompanyPlace] = tuple(
            CompanyPlace(name=name, region=place["region"], site=place["site"], **asdict(by_name[place["account"]]))
            for name, place in data["places"].items()
        )

    @property
    def regions(self) -> Sequence[str]:
        """The regions that the company uses, the main one first."""
        return tuple(dict.fromkeys(place.region for place in self.places))

    def entries(self, section: str, where: CompanyPlace | CompanyAccount) -> Iterator[Entry]:
        """Yield the entries of a section for a place or an account, in the order of the file."""
        key = where.name if isinstance(where, CompanyPlace) else where.account
        words = asdict(where)
        for entry in self._data[section]:
            places = entry["in"]
            if key not in places:
                continue
            differences = places[key] if isinstance(places, dict) else {}
            merged = {**entry, **differences}
            del merged["in"]
            yield _fill_placeholders(merged, words)

    def tags(self, entry: Mapping[str, Any], account: str, name: str = "") -> dict[str, str]:
        """Return the tags of a declared resource: the company's scheme and the entry's own; empty if ``untagged``."""
        if entry.get("untagged"):
            return {}
        scheme = {"Name": name or entry["name"], "Environment": account}
        if "app" in entry:
            scheme |= {"App": entry["app"], **self._data["apps"][entry["app"]]}
        return {**scheme, "ManagedBy": "terraform", **entry.get("tags", {})}


@cache
def load_company() -> Company:
    """Load the data files of this package, once per process."""
    merged: dict[str, Any] = {}
    folder = resources.files(__package__) / "company"
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.endswith(".yaml"):
            merged |= bundled_table(__package__, f"company/{path.name}")
    return Company(merged)


def _fill_placeholders(value: Any, words: Mapping[str, str]) -> Any:
    """Replace ``{env}`` and the other placeholders in every text of a declaration."""
    if isinstance(value, str):
        return value.format_map(words)
    if isinstance(value, list):
        return [_fill_placeholders(item, words) for item in value]
    if isinstance(value, dict):
        return {_fill_placeholders(key, words): _fill_placeholders(item, words) for key, item in value.items()}
    return value
