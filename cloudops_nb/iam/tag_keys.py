"""The condition keys that hold a resource's tags, by action and kind of resource.

``tag_keys.yaml`` is written by ``make access-levels`` from the Service Authorization Reference.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.iam.principal import ARN_PARTS

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Kind(NamedTuple):
    """A kind of resource: how the sixth part of its ARNs begins, the form of its ARNs, and the tag keys."""

    beginning: str
    form: re.Pattern[str]
    keys: frozenset[str]


class ActionTagKeys:
    """The tag keys of the requests for one action; two actions with the same keys share one instance."""

    __slots__ = ("_kinds",)

    def __init__(self, kinds: tuple[_Kind, ...]) -> None:
        self._kinds = kinds

    def on(self, arn: str) -> frozenset[str]:
        """Return the keys, such as ``aws:resourcetag``, that AWS documents for the action on a resource, in lower case.

        The result is empty if the ARN is incomplete or of no documented kind. If the ARN fits several kinds, only the
        keys of all of them are returned.
        """
        resource = arn.split(":", ARN_PARTS - 1)[-1]
        found = [each.keys for each in self._kinds if resource.startswith(each.beginning) and each.form.fullmatch(arn)]
        return frozenset.intersection(*found) if found else frozenset()


_NONE = ActionTagKeys(())


def action_tag_keys(action: str) -> ActionTagKeys:
    """Return the tag keys of an action, whose name must be in lower case."""
    prefix, _, name = action.partition(":")
    return _by_action(prefix).get(name, _NONE)


@cache
def _by_action(prefix: str) -> Mapping[str, ActionTagKeys]:
    table = bundled_table(__package__, "tag_keys.yaml")["services"].get(prefix)
    if table is None:
        return {}
    kinds = {name: tuple(_kinds(text)) for name, text in table["kinds"].items()}
    found: dict[str, ActionTagKeys] = {}
    for names, actions in table["actions"].items():
        keys = ActionTagKeys(tuple(kind for name in names.split() for kind in kinds[name]))
        found |= dict.fromkeys(actions.lower().split(), keys)
    return found


def _kinds(text: str) -> list[_Kind]:
    arns, *keys = text.split()
    return [_kind(arn, frozenset(key.lower() for key in keys)) for arn in arns.split(",")]


def _kind(arn: str, keys: frozenset[str]) -> _Kind:
    *leading, resource = arn.split(":", ARN_PARTS - 1)
    # Only ASCII characters count, so an ARN with an unknown part, which a HOLE marks, fits no kind.
    form = ":".join((*(_form(part, "[ -9;-~]*") for part in leading), _form(resource, "[ -~]+")))
    return _Kind(resource.partition("*")[0], re.compile(form), keys)


def _form(part: str, variable: str) -> str:
    return variable.join(map(re.escape, part.split("*")))
