"""The demo's environment, which keeps programs that run against the demo away from real accounts.

Two measures each suffice alone. The credentials are AWS's documented examples, which no account accepts. Every source
of an endpoint (environment, default and named profiles) names the loopback interface: variables that could name another
endpoint are removed, and an environment that names another one is refused.
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

#: AWS's documented example, https://docs.aws.amazon.com/IAM/latest/UserGuide/security-creds.html
EXAMPLE_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
EXAMPLE_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

BASE_PROFILE = "demo-base"
ROLE = "CloudOpsDemo"

#: Variables to remove even if they are not set; every other ``AWS_*`` variable that is set is removed too.
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
    """Return the path of the demo's own ``CloudOps`` store, separate from the store of real accounts."""
    return path / "store"


def write_store_settings(path: Path, company: Company) -> None:
    """Write the store's ``config.toml`` with the demo's accounts, unless the file exists."""
    make_private_folder(store_path(path))
    settings = store_path(path) / "config.toml"
    if not settings.exists():
        tables = (
            f'[[accounts]]\nname = "{name}"\nprofile = "{name}"\nenvironment = "{name}"\n'
            for name in (account.account for account in company.accounts)
        )
        scope = f"regions = {json.dumps(company.regions)}\nservices = {json.dumps(company.resource_types)}\n"
        # The demo has its own key file, so that it neither needs nor changes the user's keyring.
        own_key = json.dumps(str(path / "store.key"))
        write_private(settings, "\n".join([f"{scope}key_file = {own_key}\n", *tables]))


def write_aws_files(path: Path, endpoint: str, company: Company) -> None:
    """Write the AWS config and credentials files, with one profile per account; each profile names the endpoint."""
    home = {"region": company.regions[0], "endpoint_url": endpoint, "ignore_configured_endpoint_urls": "false"}
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
    """Return the variables that select the demo; ``NO_PROXY`` keeps the hosts of ``ambient`` and adds loopback."""
    excepted = [host for host in ambient.get("NO_PROXY", ambient.get("no_proxy", "")).split(",") if host]
    hosts = ",".join(dict.fromkeys([*excepted, "127.0.0.1", "localhost"]))
    return {
        "AWS_CONFIG_FILE": str(config_path(path)),
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials_path(path)),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": region,
        "CLOUDOPS_DATA_PATH": str(store_path(path)),
        **dict.fromkeys(PROXY_EXCEPTIONS, hosts),
    }


def dangerous_variables(environment: Mapping[str, str], ambient: Mapping[str, str]) -> Sequence[str]:
    """Return the names of the variables to remove: the known ones, and every ``AWS_*`` variable not of the demo."""
    present = {name for name in ambient if name.upper().startswith("AWS_") and name not in environment}
    return sorted(present.union(DANGEROUS))


def enter(environment: Mapping[str, str], target: MutableMapping[str, str]) -> None:
    """Make a set of variables select only the demo, and drop boto3's cached session if they are this process's own.

    Raises:
        ConfigurationError: An endpoint is not on the loopback interface; no variable is changed then.
    """
    require_loopback(environment)
    # Set the endpoint first, so that at no time real credentials are in effect together with a real endpoint.
    target.update(environment)
    for name in dangerous_variables(environment, target):
        target.pop(name, None)
    if target is os.environ:
        import boto3

        boto3.DEFAULT_SESSION = None


def require_loopback(environment: Mapping[str, str]) -> None:
    """Check every endpoint and every key in the variables and in the files that they name.

    Raises:
        ConfigurationError: An endpoint is not on the loopback interface, or a key is not the documented example.
    """
    _require_loopback_url(environment.get("AWS_ENDPOINT_URL", ""), "AWS_ENDPOINT_URL")
    config = _read_ini(environment.get("AWS_CONFIG_FILE", ""))
    for name in config.sections():
        _require_loopback_url(config[name].get("endpoint_url", ""), f"profile [{name}]")
        if name.startswith("services ") or config[name].get("services"):
            raise _refused_environment(f"[{name}] of the demo's AWS config sets endpoints for single services")
    credentials = _read_ini(environment.get("AWS_SHARED_CREDENTIALS_FILE", ""))
    for source in (config, credentials):
        for name in source.sections():
            if source[name].get("aws_access_key_id", EXAMPLE_KEY_ID) != EXAMPLE_KEY_ID:
                raise _refused_environment(
                    f"[{name}] of the demo's AWS files contains credentials that are not AWS's example"
                )


def _read_ini(file: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(default_section="no default section", interpolation=None)
    try:
        parser.read_string(Path(file).read_text(encoding="utf-8"))
    except (OSError, configparser.Error, UnicodeDecodeError) as error:
        raise _refused_environment("an AWS file of the demo cannot be read") from error
    return parser


def _require_loopback_url(url: str, place: str) -> None:
    parts = urlsplit(url)
    try:
        loopback = parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise _refused_environment(f"{place} does not name the loopback interface")


def _refused_environment(why: str) -> ConfigurationError:
    return ConfigurationError(
        "the demo's environment is refused", why, "Run cloudops-nb demo down, then cloudops-nb demo up."
    )
