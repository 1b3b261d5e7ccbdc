"""The request context: what is known about each condition key of a request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from cloudops_nb.iam.rules import evaluation_rules
from cloudops_nb.iam.tag_keys import action_tag_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_GLOBAL = "global"
_RESOURCE_TAG = "aws:resourcetag"
_PRINCIPAL_TAG = "aws:principaltag"


class KeyState(NamedTuple):
    """What is known about a condition key of a request.

    Attributes:
        possible: Every list of values that the key may have, where an empty list means that the key may be absent;
            ``None`` if the possible lists are not known.
        present: True if the key is known to be present, although its values are not known.
    """

    possible: tuple[tuple[str, ...], ...] | None
    present: bool = False


ABSENT = KeyState(((),))
NOT_KNOWN = KeyState(None)
PRESENT = KeyState(None, present=True)
#: In a mapping of key states, the entry under this name is the state of every principal tag that has no entry itself.
OTHER_PRINCIPAL_TAGS = "aws:principaltag/"


def known_values(values: Sequence[str]) -> KeyState:
    """Return the state of a key whose values are known; an empty sequence means that the key is absent."""
    return KeyState((tuple(values),))


@dataclass(frozen=True, slots=True)
class AuthorisationRequest:
    """What AWS authorises in one step: one action on one resource.

    Attributes:
        action: The IAM action, such as ``ec2:StopInstances``.
        arn: The ARN of the resource; a ``HOLE`` marks each part that is not known. ``*`` if the action concerns no
            specific resource.
        account_id: The account that owns the resource.
        region: The region of the call; ``global`` for a service without regions.
        tags: The resource's tags; ``None`` if they are not known.
        context: The states of the condition keys that the caller gives for this request, by key in lower case. These
            states take precedence over those that follow from the principal and the resource.
        untagged: True if there are no tags of a resource, as the call creates it, or as the action concerns no
            specific resource.
    """

    action: str
    arn: str
    account_id: str
    region: str
    tags: Mapping[str, str] | None
    context: Mapping[str, KeyState] = field(default_factory=dict)
    untagged: bool = False

    @property
    def service(self) -> str:
        """The service prefix of the action, such as ``ec2``, in lower case."""
        return self.action.partition(":")[0].lower()


class RequestContext:
    """The condition keys of one request.

    Args:
        request: The action, the resource and the keys given for this request.
        principal: The states of the keys that are the same in every request of the principal, by key in lower case.
        partition: The AWS partition of the principal.
    """

    __slots__ = ("_partition", "_principal", "_request", "_tag_keys")

    def __init__(self, request: AuthorisationRequest, principal: Mapping[str, KeyState], partition: str) -> None:
        self._request = request
        self._principal = principal
        self._partition = partition
        self._tag_keys: frozenset[str] | None = None

    def state(self, key: str) -> KeyState:
        """Return the state of a key; ``key`` must be in lower case."""
        given = self._request.context.get(key) or self._principal.get(key)
        if given is not None:
            return given
        derive = _DERIVED.get(key)
        if derive is not None:
            return derive(self)
        return self._tag_state(key) if "/" in key else NOT_KNOWN

    @staticmethod
    def varies(key: str) -> bool:
        """Return whether a key can differ between two requests of one principal whose ``context`` is empty."""
        return key in _DERIVED or ("/" in key and not key.startswith(_PRINCIPAL_TAG))

    def _tag_state(self, key: str) -> KeyState:
        prefix, _, name = key.partition("/")
        if prefix == _PRINCIPAL_TAG:
            return self._principal.get(OTHER_PRINCIPAL_TAGS, NOT_KNOWN)
        # A key that AWS does not document for the action on this kind of resource may be missing from the request.
        if self._request.tags is None or prefix not in self._keys_of_tags():
            return NOT_KNOWN
        values = [value for tag, value in self._request.tags.items() if tag.lower() == name]
        if not values:
            return ABSENT
        if len(values) > 1:
            # These tags differ only in case, and condition keys ignore case. AWS does not document which tag counts.
            return NOT_KNOWN
        may_be_hidden = prefix == _RESOURCE_TAG and self._request.service in evaluation_rules().may_hide_tags
        return KeyState(((values[0],), ())) if may_be_hidden else known_values(values)

    def _keys_of_tags(self) -> frozenset[str]:
        if self._tag_keys is None:
            request = self._request
            if request.untagged:
                self._tag_keys = frozenset({_RESOURCE_TAG, f"{request.service}:resourcetag"})
            else:
                self._tag_keys = action_tag_keys(request.action.lower()).on(request.arn)
        return self._tag_keys

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
        """Return the state of a principal's key if the resource is in the principal's account, else ``NOT_KNOWN``."""
        account = self._resource_account()
        same_account = account.possible is not None and account == self._principal.get("aws:principalaccount")
        return self._principal.get(key, NOT_KNOWN) if same_account else NOT_KNOWN

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
