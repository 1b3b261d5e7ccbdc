"""The AWS clients, declarations, tags and resource ids that the build steps of one account or place share.

A *place* is an account in a region.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import botocore.session

    from cloudops_nb.demo.company import Company, CompanyAccount, CompanyPlace, Entry


class Workbench:
    """The clients, declarations and recorded ids for one place, or for the global services of an account.

    Not thread-safe.

    Args:
        session: Creates the clients. All workbenches share the session, so that service models are loaded only once.
        company: The declarations of the resources.
        where: The place; for global services, the account.
        region: The region of the clients.
    """

    def __init__(
        self, session: botocore.session.Session, company: Company, where: CompanyPlace | CompanyAccount, region: str
    ) -> None:
        self.where = where
        self.region = region
        self.account_id = where.account_id
        self._session = session
        self._company = company
        self._clients: dict[str, Any] = {}
        self._ids: dict[tuple[str, str], str] = {}

    def client(self, service: str) -> Any:
        """Return the botocore client of a service; its calls are made in the workbench's account."""
        if service not in self._clients:
            client = self._session.create_client(service, region_name=self.region)
            client.meta.events.register("before-call", self._add_account_header)
            self._clients[service] = client
        return self._clients[service]

    def _add_account_header(self, params: dict[str, Any], **_: Any) -> None:
        params["headers"]["x-moto-account-id"] = self.account_id

    def entries(self, section: str) -> Iterator[Entry]:
        """Yield the entries of a section of the declarations, such as ``instances``, for this place or account."""
        return self._company.entries(section, self.where)

    def tags(self, entry: Mapping[str, Any], name: str = "") -> dict[str, str]:
        """Return the tags of a declared resource; ``name``, if given, becomes the value of the tag ``Name``."""
        return self._company.tags(entry, self.where.account, name)

    def tag_list(self, entry: Mapping[str, Any], name: str = "") -> list[dict[str, str]]:
        """Return the tags of a declared resource in the form of :func:`tag_list`, which most AWS operations accept."""
        return tag_list(self.tags(entry, name))

    def tag_specifications(self, entry: Mapping[str, Any], *kinds: str, name: str = "") -> list[dict[str, Any]]:
        """Return EC2's ``TagSpecifications`` for resource types such as ``volume``; empty if there are no tags."""
        tags = self.tag_list(entry, name)
        return [{"ResourceType": kind, "Tags": tags} for kind in kinds] if tags else []

    def record_id(self, kind: str, name: str, identifier: str) -> None:
        """Record the id, ARN or address of a new resource, so that later resources can refer to it."""
        self._ids[kind, name] = identifier

    def recorded_id(self, kind: str, name: str) -> str:
        """Return the recorded id, ARN or address of a resource.

        Raises:
            KeyError: The YAML files refer to a resource that they do not declare in this place or account.
        """
        return self._ids[kind, name]

    def recorded_ids(self, kind: str, prefix: str) -> list[str]:
        """Return the ids that were recorded for names with a prefix, in the order of recording.

        ``kind`` is the same as for :meth:`record_id`, for example ``subnet``.
        """
        return [
            identifier
            for (recorded_kind, name), identifier in self._ids.items()
            if recorded_kind == kind and name.startswith(prefix)
        ]


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as a list of pairs with ``Key`` and ``Value``."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def numbered_names(entry: Mapping[str, Any]) -> list[str]:
    """Return the names of an entry's resources: its ``name``, or ``name-01``, ``name-02`` … if it has a ``count``."""
    if "count" not in entry:
        return [entry["name"]]
    return [f"{entry['name']}-{number:02d}" for number in range(1, entry["count"] + 1)]
