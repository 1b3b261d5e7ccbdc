from __future__ import annotations

import hashlib
import re
from importlib import resources

from cloudops_nb.ssm.schema import SCHEMA_FILE, schema_bytes, schema_problems


def test_the_vendored_schema_is_the_one_its_readme_and_notice_name():
    readme = (resources.files("cloudops_nb.ssm") / "schemas" / "README.md").read_text(encoding="utf-8")

    assert SCHEMA_FILE in readme
    assert re.findall(r"\b[0-9a-f]{64}\b", readme) == [hashlib.sha256(schema_bytes()).hexdigest()]
    assert (
        hashlib.sha256(schema_bytes()).hexdigest() == "d93aff07bb25de38e622ddd50ef7c622a4b4cd7b489da6d035a3c3a4fb59532b"
    )


def test_problems_name_the_path_and_never_repeat_a_long_value():
    step = {"name": "nap", "action": "x" * 500, "inputs": {}}

    found = dict(schema_problems({"schemaVersion": "0.3", "mainSteps": [step, {"name": "nap"}]}))

    assert found["mainSteps", 0, "action"] == "is refused by the schema's rule enum"
    assert "inputs" in found["mainSteps", 1]
