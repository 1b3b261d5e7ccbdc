from __future__ import annotations

from tests.architecture.round_trip import files_touched
from tests.architecture.sources import ROOT


def test_an_apply_touches_more_files_than_an_ask(models_path):
    ask, apply = files_touched(ROOT, models_path)
    assert 10 < ask < apply < len(list((ROOT / "cloudops_nb").rglob("*.py")))
