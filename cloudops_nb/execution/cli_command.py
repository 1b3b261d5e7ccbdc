"""The ``aws`` command that does what a step does, for a person to read and to copy."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Where the command line calls a service otherwise than botocore does.
CLI_SERVICES = {"codedeploy": "deploy", "config": "configservice", "s3": "s3api"}
#: The command line would read these as a file's or a page's content.
_FETCHED = ("file://", "fileb://", "http://", "https://")


def cli_command(service: str, api: str, parameters: Mapping[str, Any], region: str = "") -> str:
    """Return the command, quoted for a POSIX shell.

    Args:
        service: botocore's service name.
        api: The operation, as ``StopDBInstance``.
        parameters: The operation's parameters.
        region: The region, empty for a global service.
    """
    from botocore import xform_name

    words = ["aws", CLI_SERVICES.get(service, service), xform_name(api, "-")]
    if any(map(_ambiguous, parameters.values())):
        words += ["--cli-input-json", _json(parameters)]
    else:
        for name, value in parameters.items():
            words += _option(f"--{xform_name(name, '-')}", value)
    if region:
        words += ["--region", region]
    return shlex.join(words)


def _ambiguous(value: Any) -> bool:
    """Say whether an option could be read as something else: a list with text that looks like an option or a file."""
    return isinstance(value, list) and any(
        isinstance(item, str) and item.startswith(("-", *_FETCHED)) for item in value
    )


def _option(option: str, value: Any) -> Iterator[str]:
    if isinstance(value, bool):
        yield option if value else option.replace("--", "--no-", 1)
    elif isinstance(value, str) and value.startswith(_FETCHED):
        yield from (option, json.dumps(value))
    elif isinstance(value, str) and value.startswith("-"):
        yield f"{option}={value}"
    elif isinstance(value, list) and value and all(type(item) in (str, int) for item in value):
        yield from (option, *(str(item) for item in value))
    elif isinstance(value, str | int | float):
        yield from (option, str(value))
    else:
        yield from (option, _json(value))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
