"""What the principal may do to resources, as a table in text and HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.presentation.as_text import section_text
from cloudops_nb.presentation.mime_types import sections_bundle
from cloudops_nb.presentation.section import Badge, Section, TableRow, Tone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

_TONES = {"allowed": Tone.GOOD, "denied": Tone.DANGER, "unknown": Tone.CAUTION}
_OTHERS = "Who else may do it is not judged."


class PermissionsTable:
    """Shows the frame of ``CloudOps.permissions``, a section for each resource.

    Attributes:
        frame: The frame.
    """

    def __init__(self, permissions: pd.DataFrame) -> None:
        self.frame = permissions

    def __repr__(self) -> str:
        return "\n".join(line.rstrip() for section in self._sections() for line in section_text(section))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return sections_bundle(list(self._sections()), label="Permissions", text=repr(self))

    def _sections(self) -> Iterator[Section]:
        if self.frame.empty:
            yield Section("permissions", "Permissions", lines=("No action is judged on a resource of this type.",))
        for number, (arn, rows) in enumerate(self.frame.groupby("arn", sort=False)):
            first = rows.iloc[0]
            facts = (
                ("Resource", str(arn)),
                ("Principal", first["principal"] or "not known"),
                ("As of", f"{first['as_of']:%Y-%m-%d %H:%M} UTC" if first["as_of"] else "not known"),
            )
            title = f"{first['resource_type']} {first['resource']} · {first['account_name']} {first['region']}"
            table = [_row(row) for row in rows.to_dict("records")]
            head = ("Action", "Decided by", "Why", "Verdict")
            yield Section("permissions", title, lines=() if number else (_OTHERS,), facts=facts, head=head, rows=table)


def _row(row: Mapping[Any, Any]) -> TableRow:
    source = " ".join(part for part in (row["policy"], row["statement"]) if part)
    decided = ": ".join(part for part in (row["layer"], source) if part)
    why = f"not known: {row['missing']}" if row["missing"] else row["reason"] if not source else ""
    badges = [Badge(row["verdict"], _TONES[row["verdict"]])]
    if row["allowed_by_account"]:
        badges.append(Badge("allowed by the account", Tone.MUTED))
    return TableRow((row["action"], decided, why), badges=badges)
