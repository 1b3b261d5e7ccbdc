"""Answers EC2 dry runs before moto sees them: many of moto's operations ignore ``DryRun`` and change things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.demo.requests import form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloudops_nb.demo.requests import Application

#: The version that only EC2's API requests carry.
EC2_VERSION = "2016-11-15"

ANSWER = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Response><Errors><Error><Code>DryRunOperation</Code>"
    b"<Message>Request would have succeeded, but DryRun flag is set.</Message></Error></Errors>"
    b"<RequestID>00000000-0000-4000-8000-000000000000</RequestID></Response>"
)


def refuse_dry_runs(application: Application) -> Application:
    """Wrap moto's application so that an EC2 request with ``DryRun=true`` gets AWS's answer and changes nothing."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not _is_dry_run(environ):
            return application(environ, start_response)
        start_response("412 Precondition Failed", [("Content-Type", "text/xml"), ("Content-Length", str(len(ANSWER)))])
        return [ANSWER]

    return answer


def _is_dry_run(environ: dict[str, Any]) -> bool:
    fields = form(environ)
    return fields.get("Version") == [EC2_VERSION] and fields.get("DryRun", [""])[0].lower() == "true"
