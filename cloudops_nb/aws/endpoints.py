"""Tells AWS's own endpoints from others, such as a simulator or a proxy that a user has configured.

A configured endpoint is honoured, as boto3 does. But calls and credentials go there, so a person must see it.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cloudops_nb.aws.fast_botocore.door import data_loader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.session import Session

_VARIABLE = "AWS_ENDPOINT_URL"
_OPTION = "endpoint_url"


def is_aws_endpoint(url: str) -> bool:
    """Return whether a URL is HTTPS to a host in a domain of AWS, in any partition."""
    parts = urlsplit(url)
    return parts.scheme == "https" and f".{parts.hostname or ''}".endswith(_domains())


def configured_endpoints(session: Session) -> set[str]:
    """Return the endpoints that the environment and a session's profile set for all services or for one service."""
    ignored = str(session.get_config_variable("ignore_configured_endpoint_urls") or "").lower() == "true"
    return set() if ignored else {url for url in (*_from_environment(), *_from_profile(session)) if url}


def _from_environment() -> Iterator[str]:
    yield from (value for name, value in os.environ.items() if name == _VARIABLE or name.startswith(f"{_VARIABLE}_"))


def _from_profile(session: Session) -> Iterator[str]:
    profile = session.get_scoped_config()
    yield profile.get(_OPTION, "")
    sections: Mapping[str, Any] = session.full_config.get("services", {}).get(profile.get("services", ""), {})
    yield from (service.get(_OPTION, "") for service in sections.values() if isinstance(service, dict))


@cache
def _domains() -> tuple[str, ...]:
    partitions = data_loader().load_data("partitions")["partitions"]
    outputs = [partition["outputs"] for partition in partitions]
    return tuple(f".{each[name]}" for each in outputs for name in ("dnsSuffix", "dualStackDnsSuffix"))
