"""One account and region while it is being built: clients, declarations, tags, and the ids made so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import botocore.session

    from cloudops_nb.demo.company import Company, CompanyAccount, Entry, Place


class Workbench:
    """What every building step of one place (or of one account's global services) works with; not thread-safe.

    Args:
        session: The botocore session that makes clients; shared, so that service models load once.
        company: The declarations.
        where: The place, or the account for global services.
        region: The region of the clients.
    """

    def __init__(
        self, session: botocore.session.Session, company: Company, where: Place | CompanyAccount, region: str
    ) -> None:
        self.where = where
        self.region = region
        self.account_id = where.account_id
        self._session = session
        self._company = company
        self._clients: dict[str, Any] = {}
        self._made: dict[tuple[str, str], str] = {}

    def client(self, service: str) -> Any:
        """Return the place's client of a service, whose calls moto counts to the place's account."""
        if service not in self._clients:
            client = self._session.create_client(service, region_name=self.region)
            client.meta.events.register("before-call", self._name_account)
            self._clients[service] = client
        return self._clients[service]

    def _name_account(self, params: dict[str, Any], **_: Any) -> None:
        params["headers"]["x-moto-account-id"] = self.account_id

    def entries(self, section: str) -> Iterator[Entry]:
        """Yield what a section of the data files declares here."""
        return self._company.entries(section, self.where)

    def tags(self, entry: Mapping[str, Any], name: str = "") -> dict[str, str]:
        """Return the tags of a declared resource, under another ``Name`` if one is given."""
        return self._company.tags(entry, self.where.account, name)

    def tag_list(self, entry: Mapping[str, Any], name: str = "") -> list[dict[str, str]]:
        """Return the tags in AWS's list form."""
        return tag_list(self.tags(entry, name))

    def specifications(self, entry: Mapping[str, Any], *kinds: str, name: str = "") -> list[dict[str, Any]]:
        """Return ``TagSpecifications`` for the given kinds of EC2 resource; empty without tags."""
        tags = self.tag_list(entry, name)
        return [{"ResourceType": kind, "Tags": tags} for kind in kinds] if tags else []

    def keep(self, kind: str, name: str, identifier: str) -> None:
        """Remember what a resource's id or ARN became."""
        self._made[kind, name] = identifier

    def made(self, kind: str, name: str) -> str:
        """Return the id or ARN of a resource built before.

        Raises:
            KeyError: The data files refer to something that they don't declare here.
        """
        return self._made[kind, name]

    def made_all(self, kind: str, prefix: str) -> list[str]:
        """Return the ids of every resource of a kind whose name begins so, in the order they were built."""
        return [made for (of, name), made in self._made.items() if of == kind and name.startswith(prefix)]


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Turn tags into AWS's list of ``Key`` and ``Value``."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def numbered(entry: Mapping[str, Any]) -> list[str]:
    """Return the names of an entry: its own, or with ``-01`` and so on when it has a ``count``."""
    if "count" not in entry:
        return [entry["name"]]
    return [f"{entry['name']}-{number:02d}" for number in range(1, entry["count"] + 1)]
