"""The rule for addresses: HTTPS or a literal loopback address, and nothing that parsers read differently."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.remote_address import check_address, httpx_options, is_loopback
from cloudops_nb.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast
ACCEPTED = (
    "https://qdrant.example.com", "https://qdrant.example.com:6333/path", "https://10.0.0.7", "HTTPS://Q.example.com",
    "http://localhost", "http://LOCALHOST:6333", "http://127.0.0.1", "http://127.9.8.7:1", "http://[::1]:6333",
)  # fmt: skip
REFUSED = (
    "http://qdrant.example.com", "http://10.0.0.7", "http://0.0.0.0", "http://127.0.0.1.example.com", "http://127.1",
    "http://2130706433", "http://localhost.example.com", "http://local\nhost", "http://127.0.0.1\\@example.com",
    "http://127.0.0.1\\.example.com", "http://127.0.0.1%2eexample.com", "http://[::ffff:10.0.0.7]", "http://[fe80::1]",
    "https://", "https:///path", "https://user@example.com", "https://user:word@example.com", "https://:@example.com",
    "https://example.com?key=word", "https://example.com#word", "https://example.com:port", "https://example.com:99999",
    "https://exa mple.com", "https://example.com/a b", "ftp://127.0.0.1", "file:///etc/passwd", "localhost:6333",
    "//localhost",
)  # fmt: skip


@pytest.mark.parametrize("setting", ["qdrant_url", "server_url"])
@pytest.mark.parametrize("url", ACCEPTED)
def test_https_and_this_host_are_accepted(setting: str, url: str) -> None:
    check_address(setting, url)


@pytest.mark.parametrize("setting", ["qdrant_url", "server_url"])
@pytest.mark.parametrize("url", REFUSED)
def test_any_other_address_is_refused_without_being_repeated(setting: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=setting) as raised:
        check_address(setting, url)
    assert "word" not in str(raised.value)
    assert "\n" not in str(raised.value)


@given(st.text(max_size=40) | st.from_regex(r"https?://[\w.\[\]:@%\\/?#-]{1,40}", fullmatch=True))
def test_an_address_that_is_accepted_means_the_same_to_httpx_and_plain_http_only_this_host(url: str) -> None:
    try:
        check_address("server_url", url)
    except ConfigurationError:
        return
    read = httpx.URL(url)
    assert not read.userinfo
    if read.scheme != "https":
        assert read.host == "localhost" or ipaddress.ip_address(read.host).is_loopback
    assert is_loopback(url) == (read.host == "localhost" or _is_loopback_ip(read.host))


def _is_loopback_ip(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def test_settings_refuse_such_an_address_when_they_are_loaded(tmp_path: Path) -> None:
    for setting in ("qdrant_url", "server_url"):
        with pytest.raises(ConfigurationError, match=f"{setting} is invalid"):
            load_settings(tmp_path, environment={}, **{setting: "http://playbooks.example"})


def test_only_this_host_is_reached_without_a_proxy() -> None:
    assert httpx_options("http://localhost:6333")
    assert not httpx_options("https://qdrant.example.com")
