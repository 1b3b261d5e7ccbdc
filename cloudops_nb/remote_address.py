"""The rule for the addresses of all remote ends: HTTPS, or plain HTTP to this host.

A remote end is a server that a setting names: a Qdrant server, a playbook server. The data and the token that it gets
must not be readable on the way.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from cloudops_nb.errors import ConfigurationError

#: Characters that a host may have. Clients disagree about the host of an address with any other character, for example
#: a backslash or an encoded dot.
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")


#: For each setting that holds an address: the setting or variable for the token, and a valid address.
_SETTINGS = {
    "qdrant_url": ("qdrant_api_key", "https://qdrant.example.com:6333"),
    "server_url": ("CLOUDOPS_SERVER_TOKEN", "https://playbooks.example.com"),
}


def check_address(setting: str, url: str) -> None:
    """Check that an address is valid, contains no credentials, and is HTTPS unless it is on this host.

    Args:
        setting: The name of the setting that holds the address: ``qdrant_url`` or ``server_url``.
        url: The address.

    Raises:
        ConfigurationError: The address fails a check. The error does not repeat the address, which may hold a secret.
    """
    secret, example = _SETTINGS[setting]
    what, fix = f"{setting} is invalid", f"Use an address such as {example}."
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError for an invalid port
    except ValueError:
        raise ConfigurationError(what, "it is not a valid address", fix) from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigurationError(what, "it must be https:// and a host", fix)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError(what, "it contains more than a host, a port and a path", f"Set the token as {secret}.")
    # urlsplit() removes line breaks and tabs, which other parsers may keep.
    if not _HOST.fullmatch(re.sub(r":\d*$", "", parts.netloc)) or not url.isprintable() or " " in url:
        raise ConfigurationError(what, "it is not a valid address", fix)
    if parts.scheme == "http" and not is_loopback(url):
        raise ConfigurationError(what, "plain http is accepted only to this host, by a loopback address", fix)


def is_loopback(url: str) -> bool:
    """Return whether the host of an address is ``localhost`` or an IP address of the loopback interface.

    Names other than ``localhost`` are not resolved, because the answer may differ at the next time.
    """
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def httpx_options(url: str) -> dict[str, Any]:
    """Return the options with which an httpx client reaches an address: on this host never through a proxy."""
    return {"mounts": {"http://": None, "https://": None}} if is_loopback(url) else {}
