"""A local server in place of STS, single sign-on, and the metadata of containers and instances, which records calls.

Requests of botocore go to it whatever host they name: endpoints can be those of AWS, and no call leaves the host.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from botocore.httpsession import URLLib3Session

from tests.canned_response import canned_response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pytest
    from botocore.awsrequest import AWSResponse

#: The account of AWS's documented example keys.
HOME_ACCOUNT = "123456789012"
EXAMPLE_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
_EXPIRY = "2999-01-01T00:00:00Z"
_SHOWN = (
    "RoleArn",
    "RoleSessionName",
    "ExternalId",
    "DurationSeconds",
    "SerialNumber",
    "TokenCode",
    "WebIdentityToken",
)
#: Names that botocore and this package make up.
_GENERATED = re.compile(r"(botocore-session-|cloudops-nb-|plain).*")
_PROXY_HEADER = "X-Proxy"


class SignOnServer:
    """The calls so far, as ``HOST OPERATION PARAMETERS``, and the answers that are not the usual ones.

    Attributes:
        calls: One line per call, in order.
        refusals: AWS error codes by operation, or by operation and role ARN with a space between.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refusals: dict[str, str] = {}
        self.port = 0

    @contextmanager
    def serving(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[SignOnServer]:
        """Serve while the block runs, and send all of botocore's requests here."""
        with ThreadingHTTPServer(("127.0.0.1", 0), self._handler()) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            monkeypatch.setattr(URLLib3Session, "send", lambda session, request: _redirected(self, session, request))
            yield self
            server.shutdown()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                status, answer = recorder.answer(self.path, body, dict(self.headers.items()))
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_PUT = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def answer(self, path: str, body: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Record a request, and return the status and the body of its answer."""
        host, url = headers["Host"], urlsplit(path)
        proxy = f" via {headers[_PROXY_HEADER]}" if headers.get(_PROXY_HEADER) else ""
        fields = dict(parse_qsl(body))
        operation = fields.get("Action", "")
        if not operation:
            return self._other(host, url.path, url.query, proxy)
        credential = re.search(r"Credential=(\w+)/\d+/([\w-]+)/", headers.get("Authorization", ""))
        key, region = credential.groups() if credential else ("", "")
        known = {name: value for name, value in fields.items() if name in _SHOWN and not _GENERATED.fullmatch(value)}
        shown = " ".join(f"{name}={known[name]}" for name in _SHOWN if name in known)
        caller = _account_of_key(key)
        self.calls.append(f"{host} {operation} {shown or caller}{proxy}")
        code = self.refusals.get(operation) or self.refusals.get(f"{operation} {fields.get('RoleArn', '')}")
        if code:
            error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>refused</Message></Error>"
            return 403, f"<ErrorResponse>{error}<RequestId>0</RequestId></ErrorResponse>".encode()
        return 200, _sts_answer(operation, fields, caller, _partition(region))

    def _other(self, host: str, path: str, query: str, proxy: str) -> tuple[int, bytes]:
        parameters = {name: values[0] for name, values in parse_qs(query).items()}
        shown = " ".join(f"{name}={value}" for name, value in sorted(parameters.items()))
        self.calls.append(f"{host} {path} {shown}".rstrip() + proxy)
        if code := self.refusals.get(path):
            return 401, json.dumps({"__type": code, "message": "refused"}).encode()
        if path == "/federation/credentials":
            keys = {"accessKeyId": _key_of(parameters["account_id"]), "secretAccessKey": SECRET, "sessionToken": "t"}
            return 200, json.dumps({"roleCredentials": {**keys, "expiration": 32_472_144_000_000}}).encode()
        if path == "/token":
            return 200, json.dumps({"accessToken": "renewed", "expiresIn": 28_800, "tokenType": "Bearer"}).encode()
        if path == "/latest/api/token" or path.endswith("/security-credentials/"):
            return 200, b"instance-role"
        keys = {"AccessKeyId": _key_of(HOME_ACCOUNT), "SecretAccessKey": SECRET, "Token": "t"}
        return 200, json.dumps({**keys, "Code": "Success", "Expiration": _EXPIRY}).encode()


def _redirected(server: SignOnServer, session: Any, request: Any) -> AWSResponse:
    """Send a request of botocore to the server, with its own host in the header."""
    url = urlsplit(request.url)
    headers = {str(name): _text(value) for name, value in request.headers.items()}
    headers["Host"] = url.netloc
    if proxy := session._proxy_config.proxy_url_for(request.url):
        headers[_PROXY_HEADER] = proxy
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(request.method, url._replace(scheme="", netloc="").geturl() or "/", request.body, headers)
        response = connection.getresponse()
        return canned_response(request.url, response.status, response.read())
    finally:
        connection.close()


def _sts_answer(operation: str, fields: Mapping[str, str], account: str, partition: str) -> bytes:
    if operation == "GetCallerIdentity":
        arn = f"arn:{partition}:sts::{account}:assumed-role/Scan/me"
        content = f"<Account>{account}</Account><Arn>{arn}</Arn><UserId>AROA:me</UserId>"
    else:
        assumed = fields["RoleArn"].split(":")[4]
        keys = f"<AccessKeyId>{_key_of(assumed)}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"
        expiry = f"<SessionToken>t</SessionToken><Expiration>{_EXPIRY}</Expiration>"
        user = f"<AssumedRoleUser><AssumedRoleId>A:me</AssumedRoleId><Arn>{fields['RoleArn']}</Arn></AssumedRoleUser>"
        content = f"<Credentials>{keys}{expiry}</Credentials>{user}"
    answer = f"<{operation}Response><{operation}Result>{content}</{operation}Result></{operation}Response>"
    return answer.encode()


def _key_of(account_id: str) -> str:
    return f"ASIA{account_id}"


def _account_of_key(key: str) -> str:
    return key.removeprefix("ASIA") if key.startswith("ASIA") else HOME_ACCOUNT


def _partition(region: str) -> str:
    prefixes = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
    return next((name for prefix, name in prefixes.items() if region.startswith(prefix)), "aws")


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
