"""botocore's data files, read as botocore reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import Loader

from cloudops_nb.aws.fast_botocore.door import data_loader

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast


def test_data_files_are_read_as_botocore_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = data_loader(), Loader()
    for service, kind in (("sqs", "service-2"), ("s3", "endpoint-rule-set-1"), ("rds", "paginators-1")):
        assert ours.load_service_model(service, kind) == theirs.load_service_model(service, kind)
    assert type(ours.load_service_model("sqs", "service-2")) is dict, "ordered dictionaries are larger and slower"
    assert ours.load_data("endpoints") == theirs.load_data("endpoints")
    with pytest.raises(UnknownServiceError):
        ours.load_service_model("no-such-service", "service-2")
    with pytest.raises(DataNotFoundError):
        ours.load_data("no-such-data")
    own = tmp_path / "queues" / "2026-01-01" / "service-2.json"
    own.parent.mkdir(parents=True)
    own.write_text('{"metadata": {}}', "utf-8")
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    assert data_loader().load_service_model("queues", "service-2") == {"metadata": {}}
