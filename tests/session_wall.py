"""A wall before the AWS server of the tests: who has a session gets what its policy permits, and no more.

The server permits everything. Here the policy that STS was asked for with is remembered by the key that it
gave, and each request to S3 is looked up in that of the key which signed it
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html). Who signs with a key
that is none of a session's gets nothing of S3, as a host whose role only lets it have the other; or reads.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from moto.iam.access_control import IAMPolicy, PermissionResult

__all__ = ["Given", "SessionWall", "walled"]

_SIGNED: Final = re.compile(r"Credential=([^/]+)/[^/]+/[^/]+/([^/]+)/")
_GIVEN: Final = re.compile(
    r"<AccessKeyId>(.*?)</AccessKeyId>.*<SecretAccessKey>(.*?)</SecretAccessKey>.*"
    r"<SessionToken>(.*?)</SessionToken>", re.DOTALL,
)  # fmt: skip
_ENDS: Final = re.compile(rb"<Expiration>.*?</Expiration>")
_OF_OBJECTS: Final = {
    "GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject", "POST": "s3:PutObject",
    "DELETE": "s3:DeleteObject",
}  # fmt: skip
_DENIED: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>'
)
_HOP: Final = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive"})


@dataclass(frozen=True)
class Given:
    """A session that STS has given."""

    key: str
    secret: str
    token: str
    policy: str


@dataclass
class SessionWall:
    """Where it listens, and what went through it."""

    host: str
    port: int
    endpoint: str = ""
    lasts_s: float | None = None
    """Sessions end after so long, as far as they say; None: as STS has it."""
    others_read: bool = False
    """Who has no session may read all, as the role of a Lambda may; else nothing."""
    given: list[Given] = field(default_factory=list)
    asked: list[tuple[str, str, str, bool]] = field(default_factory=list)
    """Of S3: the key that signed, the action, the resource, whether it was let through."""

    def permits(self, key: str, action: str, resource: str) -> bool:
        """Whether S3 would let who signs with a key."""
        policy = next((one.policy for one in self.given if one.key == key), None)
        if policy is None:
            lets = self.others_read and action == "s3:GetObject"
        else:
            lets = IAMPolicy(policy).is_action_permitted(action, resource) == PermissionResult.PERMITTED
        self.asked.append((key, action, resource, lets))
        return lets


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    wall: SessionWall

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who was killed does not hear its answer."""


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        signed = _SIGNED.search(self.headers.get("Authorization", ""))
        key, service = signed.groups() if signed else ("", "")
        if service == "s3" and not self.server.wall.permits(key, *_of_s3(self.command, self.path)):
            self._answer(403, {"Content-Type": "application/xml"}, _DENIED)
            return
        behind = HTTPConnection(self.server.wall.host, self.server.wall.port, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            behind.request(self.command, self.path, body, headers)
            answer = behind.getresponse()
            said = answer.read()
            if service == "sts":
                said = self._remembered(body, said)
            told = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self._answer(answer.status, told, said, length)
        finally:
            behind.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815 - the library's names

    def _remembered(self, body: bytes, said: bytes) -> bytes:
        """What STS says, with the end that is wanted."""
        wall, asked = self.server.wall, parse_qs(body.decode())
        if found := _GIVEN.search(said.decode()):
            wall.given.append(Given(found[1], found[2], found[3], asked["Policy"][0]))
        if wall.lasts_s is None:
            return said
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + wall.lasts_s))
        return _ENDS.sub(f"<Expiration>{until}</Expiration>".encode(), said)

    def _answer(self, status: int, headers: dict[str, str], body: bytes, length: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Nobody reads it."""


def _of_s3(method: str, target: str) -> tuple[str, str]:
    """The action and the resource of a request in path style."""
    bucket, _, key = unquote(urlsplit(target).path).removeprefix("/").partition("/")
    return (_OF_OBJECTS[method] if key else "s3:ListBucket"), f"arn:aws:s3:::{bucket}" + (
        f"/{key}" if key else ""
    )


@contextmanager
def walled(endpoint: str) -> Iterator[SessionWall]:
    """A wall before a server, in a thread of its own."""
    split = urlsplit(endpoint)
    server = _Server(("127.0.0.1", 0), _Request)
    server.wall = wall = SessionWall(split.hostname or "", split.port or 0)
    wall.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield wall
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
