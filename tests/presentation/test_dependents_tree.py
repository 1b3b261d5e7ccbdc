"""What depends on a resource, as a tree and as a drawing: readable, and with no markup from a name."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest

from cloudops_nb.presentation.dependents_tree import MERMAID, MOST_DRAWN, DependentsTree

pytestmark = pytest.mark.fast

HOSTILE = 'x"]\n  click n0 "javascript:alert(1)" <b>`*#quot;%%{init}%%\u202e'


def row(arn: str, depends_on: str, name: str = "") -> dict[str, Any]:
    values = {"resource": name or arn, "relation": "uses role", "place": "prod eu-west-1", "resource_type": "sqs_queue"}
    return {"arn": arn, "depends_on": depends_on, **values}


def tree(*rows: dict[str, Any], gaps: tuple[str, ...] = (), root: str = "kms_key orders") -> DependentsTree:
    frame = pd.DataFrame(list(rows), columns=["arn", "depends_on", "resource", "relation", "place", "resource_type"])
    frame.attrs |= {"resources": [("key", root, "prod eu-west-1")], "not_looked_at": list(gaps)}
    return DependentsTree(frame)


def test_a_resource_stands_below_the_one_on_which_it_depends() -> None:
    shown = tree(row("alias", "key"), row("other", "key"), row("queue", "alias"), gaps=("never scanned: s3_bucket",))
    assert repr(shown).splitlines() == [
        "kms_key orders · prod eu-west-1",
        "└─ sqs_queue alias (uses role) · prod eu-west-1",
        "└── sqs_queue queue (uses role) · prod eu-west-1",
        "└─ sqs_queue other (uses role) · prod eu-west-1",
        "Not looked at: never scanned: s3_bucket",
    ]
    html = shown._repr_mimebundle_()["text/html"]
    assert html.index("queue alias") < html.index("queue queue") < html.index("queue other")


def test_an_answer_without_dependents_says_so_and_has_no_drawing() -> None:
    assert "No resource in the estate depends on it." in repr(tree())
    assert tree().drawing() is None


def test_the_drawing_has_ids_of_its_own_and_an_arrow_for_each_relation() -> None:
    drawing = tree(row("alias", "key"), row("queue", "alias")).drawing()
    assert drawing is not None
    assert drawing[MERMAID].splitlines() == [
        "flowchart RL",
        '  n0["kms_key orders"]',
        '  n1["sqs_queue alias"]',
        '  n2["sqs_queue queue"]',
        '  n1 -->|"uses role"| n0',
        '  n2 -->|"uses role"| n1',
    ]


def test_a_name_adds_no_markup() -> None:
    drawing = tree(row("queue", "key", HOSTILE), root=HOSTILE).drawing()
    assert drawing is not None
    lines = drawing[MERMAID].splitlines()
    assert len(lines) == 4
    for line in lines[1:3]:
        assert re.fullmatch(r'  n\d\["[\w .,:/@+=#;-]*"\]', line), line
        assert "javascript:alert(" not in line
    html = tree(row("queue", "key", HOSTILE))._repr_mimebundle_()["text/html"]
    assert "<b>" not in html
    assert "\u202e" not in html


def test_a_drawing_that_cannot_be_read_is_not_made() -> None:
    most = [row(str(number), "key") for number in range(MOST_DRAWN - 1)]
    assert tree(*most).drawing() is not None
    assert tree(*most, row("one more", "key")).drawing() is None
