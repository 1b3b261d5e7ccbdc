"""The environment variables and AWS files of the demo, which keep programs away from real accounts.

There are two independent measures, and each is sufficient. First, the credentials are AWS's documented examples, which
AWS never accepts. Second, the environment and every profile set an endpoint on the loopback interface: variables that
could set a different endpoint are removed, and a config file that sets a different endpoint is refused.
"""

from __future__ import annotations

import configparser
import ipaddress
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloudops_nb.demo.state import make_private_folder, write_private
from cloudops_nb.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from cloudops_nb.demo.company import Company

#: AWS's documented example of an access key, https://docs.aws.amazon.com/IAM/latest/UserGuide/security-creds.html
EXAMPLE_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
EXAMPLE_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

BASE_PROFILE = "demo-base"
ROLE = "CloudOpsDemo"

#: Environment variables that are always removed, because the user's shell may set them even if this process does not.
#: Any other ``AWS_*`` variable is removed if this process sets it and the demo does not.
DANGEROUS = (
    "AWS_ACCESS_KEY_ID", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CREDENTIAL_EXPIRATION",
    "AWS_DEFAULT_PROFILE", "AWS_PROFILE", "AWS_REGION", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
    "AWS_SECRET_ACCESS_KEY", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN", "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT", "AWS_WEB_IDENTITY_TOKEN_FILE",
)  # fmt: skip

PROXY_EXCEPTIONS = ("NO_PROXY", "no_proxy")


def config_path(path: Path) -> Path:
    """Return the path of the demo's own AWS config file."""
    return path / "aws-config"


def credentials_path(path: Path) -> Path:
    """Return the path of the demo's own AWS credentials file."""
    return path / "aws-credentials"


def store_path(path: Path) -> Path:
    """Return the folder of the demo's own store, which is separate from the store of the user's accounts."""
    return path / "store"


def write_store_settings(path: Path, company: Company) -> None:
    """Write the store's ``config.toml`` (accounts, regions, resource types, key file), unless this file exists."""
    make_private_folder(store_path(path))
    settings = store_path(path) / "config.toml"
    if not settings.exists():
        tables = (
            f'[[accounts]]\nname = "{name}"\nprofile = "{name}"\nenvironment = "{name}"\n'
            for name in (account.account for account in company.accounts)
        )
        scan_scope = f"regions = {json.dumps(company.regions)}\nservices = {json.dumps(company.resource_types)}\n"
        # The demo's encryption key is in a file, so that the demo neither needs nor changes the user's keyring.
        own_key = json.dumps(str(path / "store.key"))
        write_private(settings, "\n".join([f"{scan_scope}key_file = {own_key}\n", *tables]))


def write_aws_files(path: Path, endpoint: str, company: Company) -> None:
    """Write the demo's AWS config and credentials files, with a profile per account; each profile sets the endpoint."""
    home = {
        "region": company.regions[0],
        "endpoint_url": endpoint,
        "ignore_configured_endpoint_urls": "false",
        "disable_host_prefix_injection": "true",
    }
    sections = {"default": home, f"profile {BASE_PROFILE}": home}
    for account in company.accounts:
        sections[f"profile {account.account}"] = {
            **home,
            "role_arn": f"arn:aws:iam::{account.account_id}:role/{ROLE}",
            "source_profile": BASE_PROFILE,
            "role_session_name": "cloudops-demo",
        }
    keys = {"aws_access_key_id": EXAMPLE_KEY_ID, "aws_secret_access_key": EXAMPLE_KEY}
    write_private(config_path(path), _ini_text(sections))
    write_private(credentials_path(path), _ini_text({"default": keys, BASE_PROFILE: keys}))


def _ini_text(sections: Mapping[str, Mapping[str, str]]) -> str:
    return "\n".join(
        "".join([f"[{name}]\n", *(f"{key} = {value}\n" for key, value in keys.items())])
        for name, keys in sections.items()
    )


def demo_environment(path: Path, endpoint: str, region: str, ambient: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that make programs use the demo.

    ``NO_PROXY`` keeps the hosts that it has in ``ambient``, and also lists ``127.0.0.1`` and ``localhost``.
    """
    excepted = [host for host in ambient.get("NO_PROXY", ambient.get("no_proxy", "")).split(",") if host]
    hosts = ",".join(dict.fromkeys([*excepted, "127.0.0.1", "localhost"]))
    return {
        "AWS_CONFIG_FILE": str(config_path(path)),
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials_path(path)),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        # Some services put a prefix before the endpoint's host, and no host is called "api.127.0.0.1".
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": region,
        "CLOUDOPS_DATA_PATH": str(store_path(path)),
        **dict.fromkeys(PROXY_EXCEPTIONS, hosts),
    }


def dangerous_variables(environment: Mapping[str, str], ambient: Mapping[str, str]) -> Sequence[str]:
    """Return the names of the environment variables to remove.

    They are the variables in ``DANGEROUS``, and the ``AWS_*`` variables in ``ambient`` that ``environment`` does not
    set.
    """
    present = {name for name in ambient if name.upper().startswith("AWS_") and name not in environment}
    return sorted(present.union(DANGEROUS))


def enter(environment: Mapping[str, str], target: MutableMapping[str, str]) -> None:
    """Change the variables in ``target`` so that programs use only the demo.

    If ``target`` is ``os.environ``, boto3's default session is also dropped, because it has read the old variables.

    Raises:
        ConfigurationError: :func:`require_loopback` refused ``environment``; no variable is changed then.
    """
    require_loopback(environment)
    # The demo's variables are set before other variables are removed. In the reverse order, another thread could call a
    # real account's endpoint while only a part of that account's variables is left.
    target.update(environment)
    for name in dangerous_variables(environment, target):
        target.pop(name, None)
    if target is os.environ:
        import boto3

        boto3.DEFAULT_SESSION = None


def require_loopback(environment: Mapping[str, str]) -> None:
    """Check ``AWS_ENDPOINT_URL``, the endpoints in the AWS config file, and the access key ids in both AWS files.

    Raises:
        ConfigurationError: An endpoint is missing or not on the loopback interface, an access key id is not AWS's
            documented example, a file cannot be read, or the config file has endpoints for single services.
    """
    _require_loopback_url(environment.get("AWS_ENDPOINT_URL", ""), "AWS_ENDPOINT_URL")
    config = _read_ini(environment.get("AWS_CONFIG_FILE", ""))
    for name in config.sections():
        _require_loopback_url(config[name].get("endpoint_url", ""), f"profile [{name}]")
        if name.startswith("services ") or config[name].get("services"):
            raise _refused_environment(f"[{name}] in the demo's AWS config has endpoints for single services")
    credentials = _read_ini(environment.get("AWS_SHARED_CREDENTIALS_FILE", ""))
    for source in (config, credentials):
        for name in source.sections():
            if source[name].get("aws_access_key_id", EXAMPLE_KEY_ID) != EXAMPLE_KEY_ID:
                raise _refused_environment(f"[{name}] in the demo's AWS files has credentials other than AWS's example")


def _read_ini(file: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(default_section="no default section", interpolation=None)
    try:
        parser.read_string(Path(file).read_text(encoding="utf-8"))
    except (OSError, configparser.Error, UnicodeDecodeError) as error:
        raise _refused_environment("one of the demo's AWS files cannot be read") from error
    return parser


def _require_loopback_url(url: str, source: str) -> None:
    parts = urlsplit(url)
    try:
        loopback = parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise _refused_environment(f"{source} has an endpoint that is not on the loopback interface")


def _refused_environment(why: str) -> ConfigurationError:
    return ConfigurationError(
        "the demo's environment was refused", why, "Run cloudops-nb demo down, then cloudops-nb demo up."
    )
