"""The simulated company, as declared in ``company/*.yaml``: its accounts, places, apps and resources.

A *place* is an account in a region. Each entry of a section declares a resource. The entry's field ``in`` lists the
places in which the resource exists, or maps each of these places to the values that differ there. For global services,
``in`` has accounts instead of places. Texts may contain the placeholders ``{env}``, ``{account}`` and ``{account_id}``,
and for places also ``{site}`` and ``{region}``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.tables import bundled_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: The declaration of a resource, with the placeholders replaced for one place or account.
Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CompanyAccount:
    """An account of the company: ``account`` is its name, and ``env`` is the short name that resource names contain."""

    account: str
    account_id: str
    env: str


@dataclass(frozen=True, slots=True)
class CompanyPlace:
    """An account in a region: ``site`` is the short name of the region that resource names contain."""

    name: str
    account: str
    account_id: str
    env: str
    region: str
    site: str


class Company:
    """The declarations in the YAML files; read-only.

    Args:
        data: The merged data of the files.
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
        """Yield the entries of a section, such as ``instances``, for a place or account, in the order of the file."""
        key = where.name if isinstance(where, CompanyPlace) else where.account
        placeholders = asdict(where)
        for entry in self._data[section]:
            places = entry["in"]
            if key not in places:
                continue
            differences = places[key] if isinstance(places, dict) else {}
            merged = {**entry, **differences}
            del merged["in"]
            yield _fill_placeholders(merged, placeholders)

    def tags(self, entry: Mapping[str, Any], account: str, name: str = "") -> dict[str, str]:
        """Return the tags of a resource: the company's common tags, the tags of its app, and the tags in its entry.

        The result is empty if the entry is ``untagged``. ``name`` replaces the entry's name in the tag ``Name``.
        """
        if entry.get("untagged"):
            return {}
        common = {"Name": name or entry["name"], "Environment": account}
        if "app" in entry:
            common |= {"App": entry["app"], **self._data["apps"][entry["app"]]}
        return {**common, "ManagedBy": "terraform", **entry.get("tags", {})}


@cache
def load_company() -> Company:
    """Return the company from the bundled YAML files, which are read once per process."""
    merged: dict[str, Any] = {}
    folder = resources.files(__package__) / "company"
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.endswith(".yaml"):
            merged |= bundled_table(__package__, f"company/{path.name}")
    return Company(merged)


def _fill_placeholders(value: Any, placeholders: Mapping[str, str]) -> Any:
    """Return a copy of a declaration in which the placeholders of all texts are replaced."""
    if isinstance(value, str):
        return value.format_map(placeholders)
    if isinstance(value, list):
        return [_fill_placeholders(item, placeholders) for item in value]
    if isinstance(value, dict):
        return {
            _fill_placeholders(key, placeholders): _fill_placeholders(item, placeholders) for key, item in value.items()
        }
    return value
