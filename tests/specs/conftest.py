from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def models_read_once(shared_models: None) -> None:
    """Let every test use the shared loader of botocore's models."""
