"""What a request to the simulated AWS asks for, read before moto sees it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

#: A WSGI application; the types of :mod:`wsgiref.types` cannot be told from moto's own.
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_FORM = "application/x-www-form-urlencoded"


def form(environ: dict[str, Any]) -> Mapping[str, Sequence[str]]:
    """Return the fields of a form, empty if there is none, and put the body back for moto."""
    if not environ.get("CONTENT_TYPE", "").startswith(_FORM):
        return {}
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return parse_qs(body.decode("utf-8", "replace"))


def signed_for(environ: Mapping[str, Any]) -> str:
    """Return the name of the service that a request is signed for, empty if it is not signed.

    See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html.
    """
    _, _, credential = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")
    scope = credential.partition(",")[0].split("/")
    return scope[-2] if len(scope) > 2 else ""  # noqa: PLR2004 - the last two words are the service and aws4_request
