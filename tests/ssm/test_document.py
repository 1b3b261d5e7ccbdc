from __future__ import annotations

import pytest

from cloudops_nb.ssm.document import AutomationDocument, DocumentStep, walk

pytestmark = pytest.mark.fast


def test_steps_that_call_nothing_have_no_api():
    step = DocumentStep("nap", "aws:sleep", {"Duration": "PT1S", "Service": "x", "Api": "y"})

    assert (step.service, step.api, step.api_parameters) == ("", "", {})


def test_a_step_that_does_not_exist_is_a_key_error():
    with pytest.raises(KeyError):
        AutomationDocument("0.3", "", "", {}, ()).step("nope")


def test_every_step_is_found_by_its_name_and_walked_with_its_path():
    inner = DocumentStep("inner", "aws:sleep")
    loop = DocumentStep("loop", "aws:loop", steps=(inner,))
    stop = DocumentStep("stop", "aws:changeInstanceState", steps=(DocumentStep("call", "aws:executeAwsApi"),))

    assert AutomationDocument("0.3", "", "", {}, (loop, stop)).step("inner") is inner
    assert [path for path, _ in walk((loop, stop))] == ["loop", "loop/inner", "stop", "stop/call"]
    assert (loop.composite, stop.composite, inner.composite) == (False, True, False)
