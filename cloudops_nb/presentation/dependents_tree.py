"""What depends on a resource, as a tree in text and HTML, and as a Mermaid drawing, which JupyterLab shows."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from cloudops_nb.presentation.escape import LONG_LIMIT, visible
from cloudops_nb.presentation.mime_types import PLAIN, sections_bundle
from cloudops_nb.presentation.section import Section, TableRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

MERMAID = "text/vnd.mermaid"
#: A drawing with more resources cannot be read.
MOST_DRAWN = 60
_PLAIN_CHARACTER = re.compile(r"[^\w .,:/@+=-]")


class _Node(NamedTuple):
    key: str
    label: str
    place: str
    relation: str = ""


class DependentsTree:
    """Shows the frame of ``CloudOps.dependents``.

    Args:
        dependents: The frame.

    Attributes:
        frame: The frame.
    """

    def __init__(self, dependents: pd.DataFrame) -> None:
        self.frame = dependents
        self._roots = [_Node(*root) for root in dependents.attrs["resources"]]
        self._gaps: Sequence[str] = dependents.attrs["not_looked_at"]
        self._below: dict[str, list[_Node]] = defaultdict(list)
        for row in dependents.to_dict("records"):
            node = _Node(row["arn"], f"{row['resource_type']} {row['resource']}", row["place"], row["relation"])
            self._below[row["depends_on"]].append(node)

    def __repr__(self) -> str:
        return "\n".join([*(_line(node, depth) for node, depth in self._nodes()), *self._remarks()])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        rows = [TableRow((f"{_branch(depth)}{node.label}", node.relation, node.place)) for node, depth in self._nodes()]
        head = ("Resource", "Relation", "Place")
        section = Section("dependents", "What depends on it", lines=self._remarks(), head=head, rows=rows)
        return sections_bundle([section], label="Dependents", text=repr(self))

    def drawing(self) -> dict[str, str] | None:
        """Return the MIME bundle of the drawing; ``None`` if it would have too many resources, or only one."""
        nodes = list(self._nodes())
        if not 1 < len(nodes) <= MOST_DRAWN:
            return None
        # Ids of our own, because a name may be a word of Mermaid.
        ids = {node.key: f"n{number}" for number, (node, _) in enumerate(nodes)}
        lines = ["flowchart RL", *(f'  {ids[node.key]}["{_quoted(node.label)}"]' for node, _ in nodes)]
        lines += [
            f'  {ids[node.key]} -->|"{_quoted(node.relation)}"| {ids[key]}'
            for key, below in self._below.items()
            for node in below
        ]
        return {MERMAID: "\n".join(lines), PLAIN: f"A drawing of these {len(nodes)} resources."}

    def _nodes(self) -> Iterator[tuple[_Node, int]]:
        """Yield every resource with its depth, each before those that depend on it."""
        waiting = [(root, 0) for root in reversed(self._roots)]
        while waiting:
            node, depth = waiting.pop()
            yield node, depth
            waiting += [(each, depth + 1) for each in reversed(self._below[node.key])]

    def _remarks(self) -> list[str]:
        found = [] if any(self._below.values()) else ["No resource in the estate depends on it."]
        return [*found, *(f"Not looked at: {visible(gap, limit=LONG_LIMIT)}" for gap in self._gaps)]


def _branch(depth: int) -> str:
    # No indentation by spaces, because HTML drops them.
    return f"└{'─' * depth} " if depth else ""


def _line(node: _Node, depth: int) -> str:
    relation = f" ({node.relation})" if node.relation else ""
    return f"{_branch(depth)}{visible(node.label)}{visible(relation)} · {visible(node.place)}"


def _quoted(text: str) -> str:
    """Return visible text for a quoted label, in which only letters, digits and harmless signs stay as they are."""
    return _PLAIN_CHARACTER.sub(lambda found: f"#{ord(found[0])};", visible(text))
