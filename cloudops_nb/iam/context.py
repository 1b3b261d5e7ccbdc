"""The request context: for each condition key its values, or that the key is absent, or that neither is known.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from cloudops_nb.iam.principal import ARN_PARTS
from cloudops_nb.iam.rules import evaluation_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_GLOBAL = "global"
_RESOURCE_TAG = "aws:resourcetag"
_PRINCIPAL_TAG = "aws:principaltag"


class KeyState(NamedTuple):
    """What is known about a condition key of a request.

    Attributes:
        possible: Every possible list of values, where an empty list means that the key is absent; ``None`` if the
            possibilities are not known.
        present: Whether the key is known to be present, although its values are not known.
    """

    possible: tuple[tuple[str, ...], ...] | None
    present: bool = False


ABSENT = KeyState(((),))
NOT_KNOWN = KeyState(None)
PRESENT = KeyState(None, present=True)
#: The entry under this key is the state of every principal tag that is not given.
OTHER_PRINCIPAL_TAGS = "aws:principaltag/"


def known_values(values: Sequence[str]) -> KeyState:
    """Return the state of a key whose values are known; no values mean that the key is known to be absent."""
    return KeyState((tuple(values),))


@dataclass(frozen=True, slots=True)
class AuthorisationRequest:
    """One authorisation: an action on a resource.

    Attributes:
        action: The IAM action, as ``ec2:StopInstances``.
        arn: The resource; holes mark the parts that are not known.
        account_id: The account that owns the resource.
        region: The region of the call.
        tags: The resource's tags; ``None`` if they are not known.
        context: Further condition keys of this request, in lower case.
    """

    action: str
    arn: str
    account_id: str
    region: str
    tags: Mapping[str, str] | None
    context: Mapping[str, KeyState] = field(default_factory=dict)

    @property
    def service(self) -> str:
        """The prefix of the action."""
        return self.action.partition(":")[0].lower()


class RequestContext:
    """The condition keys of one request.

    Args:
        request: The authorisation.
        principal: The states of the principal's keys, by key in lower case.
        partition: The AWS partition of the principal.
    """

    __slots__ = ("_partition", "_principal", "_request")

    def __init__(self, request: AuthorisationRequest, principal: Mapping[str, KeyState], partition: str) -> None:
        self._request = request
        self._principal = principal
        self._partition = partition

    def state(self, key: str) -> KeyState:
        """Return the state of a key, given in lower case."""
        found = self._request.context.get(key) or self._principal.get(key)
        if found is not None:
            return found
        derive = _DERIVED.get(key)
        if derive is not None:
            return derive(self)
        return self._tag_state(key) if "/" in key else NOT_KNOWN

    @staticmethod
    def varies(key: str) -> bool:
        """Return whether a key can differ between requests without further context."""
        return key in _DERIVED or ("/" in key and not key.startswith(_PRINCIPAL_TAG))

    def _tag_state(self, key: str) -> KeyState:
        prefix, _, name = key.partition("/")
        if prefix == _PRINCIPAL_TAG:
            return self._principal.get(OTHER_PRINCIPAL_TAGS, NOT_KNOWN)
        if not self._is_resource_tag(prefix) or self._request.tags is None:
            return NOT_KNOWN
        values = [value for tag, value in self._request.tags.items() if tag.lower() == name]
        if not values:
            return ABSENT
        if len(values) > 1:
            # Condition keys ignore case, tag keys do not: AWS does not document which of the tags counts.
            return NOT_KNOWN
        shown = prefix != _RESOURCE_TAG or self._request.service in evaluation_rules().shows_tags
        return known_values(values) if shown else KeyState(((values[0],), ()))

    def _is_resource_tag(self, prefix: str) -> bool:
        if prefix == _RESOURCE_TAG:
            return True
        beginning = evaluation_rules().own_tag_keys.get(prefix)
        parts = self._request.arn.split(":", ARN_PARTS - 1)
        kind = f"{self._request.service}:{parts[-1] if len(parts) == ARN_PARTS else ''}"
        return beginning is not None and kind.startswith(beginning)

    def _requested_region(self) -> KeyState:
        region = self._request.region
        if region and region != _GLOBAL:
            return known_values((region,))
        home = evaluation_rules().homes.get(self._request.service, {}).get(self._partition)
        return known_values((home,)) if home else NOT_KNOWN

    def _ec2_region(self) -> KeyState:
        return self._requested_region() if self._request.service == "ec2" else NOT_KNOWN

    def _resource_account(self) -> KeyState:
        account = self._request.account_id
        if not account or self._request.action.lower() in evaluation_rules().without_resource_account:
            return NOT_KNOWN
        return known_values((account,))

    def _resource_organization(self, key: str) -> KeyState:
        """Return the state of a key of the resource's organization: the principal's, if both are in one account."""
        account = self._resource_account()
        same = account.possible is not None and account == self._principal.get("aws:principalaccount")
        return self._principal.get(key, NOT_KNOWN) if same else NOT_KNOWN

    def _resource_organization_id(self) -> KeyState:
        return self._resource_organization("aws:principalorgid")

    def _resource_organization_paths(self) -> KeyState:
        return self._resource_organization("aws:principalorgpaths")


_DERIVED: dict[str, Callable[[RequestContext], KeyState]] = {
    "aws:requestedregion": RequestContext._requested_region,  # noqa: SLF001 - the class's own table
    "aws:resourceaccount": RequestContext._resource_account,  # noqa: SLF001 - as above
    "aws:resourceorgid": RequestContext._resource_organization_id,  # noqa: SLF001 - as above
    "aws:resourceorgpaths": RequestContext._resource_organization_paths,  # noqa: SLF001 - as above
    "ec2:region": RequestContext._ec2_region,  # noqa: SLF001 - as above
}
