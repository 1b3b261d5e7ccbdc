"""Changes moto's WSGI application where it differs from AWS, and reads the form and the signature of a request."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any
from urllib.parse import parse_qs

from moto.core.responses import BaseResponse

#: A WSGI application. moto's type annotations are not compatible with those of :mod:`wsgiref.types`.
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

FORM_TYPE = "application/x-www-form-urlencoded"
#: EC2's API version. Only requests to EC2 contain it, so it identifies them.
EC2_VERSION = "2016-11-15"
#: EC2's response to a dry run that would succeed, in the format described at
#: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html.
DRY_RUN_ANSWER = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Response><Errors><Error><Code>DryRunOperation</Code>"
    b"<Message>Request would have succeeded, but DryRun flag is set.</Message></Error></Errors>"
    b"<RequestID>00000000-0000-4000-8000-000000000000</RequestID></Response>"
)
#: The attribute of moto's ``BaseResponse`` with the serializer rules: a function for each field that it changes.
_SERIALIZER_RULES = "RESPONSE_KEY_PATH_TO_TRANSFORMER"


def form_fields(environ: dict[str, Any]) -> Mapping[str, Sequence[str]]:
    """Return the fields of a request's form; empty if there is no form. moto can read the body again afterwards."""
    if not environ.get("CONTENT_TYPE", "").startswith(FORM_TYPE):
        return {}
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return parse_qs(body.decode("utf-8", "replace"))


def signed_service(environ: Mapping[str, Any]) -> str:
    """Return the service in a request's signature; empty if the request is not signed.

    See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html.
    """
    _, _, credential = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")
    scope = credential.partition(",")[0].split("/")
    return scope[-2] if len(scope) > 2 else ""  # noqa: PLR2004 - the last two parts are the service and aws4_request


def refuse_dry_runs(application: Application) -> Application:
    """Wrap moto's application so that an EC2 request with ``DryRun=true`` gets ``DRY_RUN_ANSWER`` and changes nothing.

    Without the wrapper, many of moto's operations ignore ``DryRun`` and change the resource.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not _is_dry_run(environ):
            return application(environ, start_response)
        headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(DRY_RUN_ANSWER)))]
        start_response("412 Precondition Failed", headers)
        return [DRY_RUN_ANSWER]

    return answer


def _is_dry_run(environ: dict[str, Any]) -> bool:
    fields = form_fields(environ)
    return fields.get("Version") == [EC2_VERSION] and fields.get("DryRun", [""])[0].lower() == "true"


def keep_requests_apart() -> None:
    """Make moto give every request its own copy of the service's serializer rules.

    Otherwise all requests to a service share the rules, and moto's operations change the rules while other threads
    iterate over them. A concurrent request then fails with status 500, or its response lacks a field. Call this
    function only once per process.
    """
    create_response = BaseResponse.__init__

    @wraps(create_response)
    def create_with_own_rules(self: BaseResponse, *arguments: Any, **keywords: Any) -> None:
        create_response(self, *arguments, **keywords)
        setattr(self, _SERIALIZER_RULES, dict(getattr(self, _SERIALIZER_RULES, {})))

    BaseResponse.__init__ = create_with_own_rules  # type: ignore[method-assign]  # moto has no hook for this
