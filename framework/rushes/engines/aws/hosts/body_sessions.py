"""How the bodies on a host sign in: at an address of this machine, each with the pass of its attempt.

It is what ECS does for its tasks, so every SDK of AWS knows it: it asks `AWS_CONTAINER_CREDENTIALS_FULL_URI`,
and shows what a file says
(https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html). The session is what the
attempt's transfers are signed with, another when that is at its end. It stands in this process's memory
alone: a pass opens nothing once its attempt has ended, or this process. What else an SDK would sign in with
is kept from bodies. This module must not know what a body does.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import TYPE_CHECKING, Any, Final

from rushes.engines.aws.access.granting import LEAST_S, Session
from rushes.errors import RushesError
from rushes.media.running.redact import unsigned
from rushes.runtime.attempts.signed_in import PASS, SIGNED_IN_BY
from rushes.runtime.shared.objects.scratch import in_scratch

if TYPE_CHECKING:
    from rushes.runtime.shared.objects.attempt import StoreReach

__all__ = ["BodySessions", "body_environ"]

_ASKED_AGAIN_S: Final = 10 * 60 - 5
"""botocore asks before each request again for what ends within 10 minutes, and fails where it gets nothing:
so a client that a module made at its import never signs with the session of the attempt before."""
_PATIENCE_S: Final = 5.0
"""With who has connected and says nothing."""
_AT_ONCE: Final = 64
"""Anybody on this machine may connect: more wait in line."""
_PLACE: Final = "/session"
_URI: Final = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_PASS_FILE: Final = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - a name
_NOWHERE: Final = {
    # What an SDK reads before it asks the address, and after.
    **dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG"), os.devnull),
    "AWS_EC2_METADATA_DISABLED": "true",
}
_KEPT: Final = (
    "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_CA_BUNDLE", "AWS_USE_", "AWS_STS_REGIONAL_ENDPOINTS", "AWS_S3_", "AWS_RETRY_MODE",
    "AWS_MAX_ATTEMPTS", "AWS_DEFAULTS_MODE", "AWS_REQUEST_CHECKSUM_", "AWS_RESPONSE_CHECKSUM_",
    "AWS_DATA_PATH",
)  # fmt: skip
"""What variables of the SDKs begin with that say how and where, and not who."""


def body_environ(environ: Mapping[str, str], uri: str, region: str) -> dict[str, str]:
    """The variables of a host as bodies are to have them: by them an SDK finds their session, and no more.

    Args:
        environ: the host's.
        uri: where their session is to be had.
        region: that of the host; "" where nobody knows.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(("AWS_", "BOTO_")) or name.startswith(_KEPT)
    }
    regions = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), region) if region else {}
    kept |= {**regions, **_NOWHERE, _URI: uri, SIGNED_IN_BY: _PASS_FILE}
    named = [one for one in environ.get("RUSHES_PASS_ENV", "").split(",") if one.strip()]
    theirs = sorted(name for name in kept if name.startswith(("AWS_", "BOTO_")))
    return {**kept, "RUSHES_PASS_ENV": ",".join([*named, *theirs])}


class BodySessions:
    """Gives passes, and sessions to who shows one.

    Args:
        living: gives what gives a session that lives, for what an attempt reaches.
        clock: UTC epoch seconds, as SDKs on this machine have them.
    """

    def __init__(
        self, living: Callable[[StoreReach], Callable[[], Session]], clock: Callable[[], float] = time.time
    ) -> None:
        self._living = living
        self._clock = clock
        self._known: dict[str, Callable[[], Session]] = {}
        self._server = _Server(self)
        self.uri = f"http://127.0.0.1:{self._server.server_address[1]}{_PLACE}"
        """Where sessions are to be had."""
        self._thread = threading.Thread(target=self._server.serve_forever, name="body sessions", daemon=True)
        self._thread.start()

    @contextmanager
    def lend(self, reach: StoreReach, folder: Path) -> Iterator[None]:
        """A pass in a folder, for what an attempt reaches; a `rushes.runtime.shared.objects.attempt.Lend`.

        Raises:
            PlatformError: it cannot be written (``disk-full``, ``no-scratch``).
        """
        shown, place = secrets.token_urlsafe(32), folder / PASS
        self._known[shown] = self._living(reach)
        try:
            with in_scratch(folder.parent):
                handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
                with os.fdopen(handle, "w", encoding="ascii") as file:
                    file.write(shown)
            yield
        finally:
            del self._known[shown]
            place.unlink(missing_ok=True)

    def answer(self, shown: str) -> tuple[int, dict[str, str]]:
        """The session of who shows a pass, as ECS has it, or why there is none; with its status in HTTP."""
        living = self._known.get(shown)
        if living is None:
            return 401, {"code": "no-pass", "message": "no attempt that is here has this pass"}
        try:
            session = living()
        except RushesError as error:
            return 503, {"code": error.code, "message": unsigned(str(error))}
        now = self._clock()
        left_s = session.until - now
        # A session is given while it lives: where it seems to have ended, this machine's clock is wrong.
        ends_at = now + (min(left_s, _ASKED_AGAIN_S) if left_s >= LEAST_S else _ASKED_AGAIN_S)
        return 200, {
            "AccessKeyId": session.key,
            "SecretAccessKey": session.secret,
            "Token": session.token,
            "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends_at)),
        }

    def close(self) -> None:
        """Nobody is given anything any more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingTCPServer):
    """On loopback, at a port that is free."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, sessions: BodySessions) -> None:
        self.sessions = sessions
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(("127.0.0.1", 0), _Asked)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._room.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who connects and goes is no news; the library would write a traceback."""


class _Asked(BaseHTTPRequestHandler):
    """One request."""

    timeout = _PATIENCE_S
    server: _Server

    def do_GET(self) -> None:
        status, told = 404, {"code": "not-found", "message": "there is nothing here"}
        if self.path == _PLACE:
            status, told = self.server.sessions.answer(self.headers.get("Authorization", ""))
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """What was asked is nobody's business."""
