"""Fixtures of a simulated AWS: its estate, ways into its accounts, and faults between botocore and it.

A plugin of every test run, so its imports of AWS libraries are inside the fixtures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.scanner.endpoint_faults import Faults
    from tests.scanner.moto_estate import Estate


@pytest.fixture
def shared_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all sessions and checks share one loader of botocore's models, as loading takes longer than most scans."""
    from tests.synthetic_aws.models import loader

    monkeypatch.setattr("cloudops_nb.aws.credentials.data_loader", loader)
    monkeypatch.setattr("cloudops_nb.aws.credentials.plain_loader", loader)
    monkeypatch.setattr("cloudops_nb.specs.checks.botocore_models.model_loader", loader)


@pytest.fixture(scope="session")
def estate() -> Iterator[Estate]:
    """The simulated AWS with its estate; tests that add to it do so in regions or accounts of their own."""
    from tests.scanner.moto_estate import served

    with served() as made:
        yield made


@pytest.fixture
def aws_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An AWS config file with a profile that has keys and one that assumes a role."""
    from tests.scanner.moto_estate import CONFIG

    path = tmp_path / "aws-config"
    path.write_text(CONFIG, encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    return path


@pytest.fixture
def aws(estate: Estate, aws_config: Path, monkeypatch: pytest.MonkeyPatch) -> Estate:
    """The simulated AWS, with the environment pointing there; retries do not wait."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", estate.endpoint)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0)
    return estate


@pytest.fixture
def faults() -> Faults:
    """Faults for one test, none of which is set."""
    from tests.scanner.endpoint_faults import Faults

    return Faults()


@pytest.fixture
def refuse() -> Callable[..., Any]:
    """Makes an AWS error answer from a code, a status and a message."""
    from tests.scanner.endpoint_faults import refusal

    return refusal


@pytest.fixture
def answer() -> Callable[..., Any]:
    """Makes an answer from a text."""
    from tests.scanner.endpoint_faults import body

    return body
