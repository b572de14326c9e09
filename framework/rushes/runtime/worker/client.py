"""A terminal's end of the worker's socket: finds the worker, starts it when there is none, finds it again.

This module must not know what a worker is made of; it is told how to start one.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from rushes.errors import PlatformError, error_from_dict
from rushes.runtime.configuration.settings import Settings, wherever
from rushes.runtime.wire import WIRE, Stream

__all__ = ["Client"]

START_TIMEOUT_S: Final = 30.0
_LEAST_ROOM: Final = 1 << 20
"""Bytes; with less, a journal that is new cannot even be begun."""
ANSWER_TIMEOUT_S: Final = 120.0


class Client:
    """Requests to the worker; each thread has a connection of its own.

    A request that meets a dead worker is sent again to the next one: all of them may be repeated, because
    the worker skips the rows of a batch that it has.

    Args:
        settings: where the worker is.
        worker_argv: what starts one.
        environ: the variables that it gets, beside those of this process.
    """

    def __init__(
        self, settings: Settings, worker_argv: Sequence[str], environ: Mapping[str, str] | None = None
    ) -> None:
        self._settings = settings
        self._argv = list(worker_argv)
        self._environ = wherever({**os.environ, **(environ or {})})
        self._local = threading.local()
        self._open: list[socket.socket] = []

    def __del__(self) -> None:
        for sock in self._open:
            sock.close()

    def request(
        self, header: dict[str, Any], body: bytes = b"", *, start: bool = True
    ) -> tuple[dict[str, Any], bytes]:
        """One answer to one request.

        Raises:
            RushesError: what the worker refused, or why it cannot be reached.
        """
        give_up = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                stream = self._stream(start=start)
                stream.send(header, body)
                answer, payload = stream.receive(ANSWER_TIMEOUT_S)
            except (EOFError, ConnectionError):
                self.close()
                if time.monotonic() > give_up or not start:
                    raise _gone(self._settings) from None
                continue
            except TimeoutError as error:
                self.close()
                raise _silent(self._settings) from error
            if "error" in answer:
                raise error_from_dict(answer["error"])
            return answer, payload

    def request_all(self, requests: Sequence[tuple[dict[str, Any], bytes]]) -> None:
        """Several requests in one go, their answers awaited together.

        Raises:
            RushesError: the first that was refused.
        """
        try:
            stream = self._stream(start=True)
            stream.send_all(requests)
            answers = [stream.receive(ANSWER_TIMEOUT_S)[0] for _ in requests]
        except TimeoutError as error:
            self.close()
            raise _silent(self._settings) from error
        except (EOFError, ConnectionError):
            self.close()
            for header, body in requests:
                self.request(header, body)
            return
        for answer in answers:
            if "error" in answer:
                raise error_from_dict(answer["error"])

    def send(self, header: dict[str, Any], body: bytes = b"") -> Stream:
        """Send without waiting; the answer is read from the stream later (used to pipeline submissions)."""
        stream = self._stream(start=True)
        try:
            stream.send(header, body)
        except TimeoutError as error:
            self.close()
            raise _silent(self._settings) from error
        return stream

    def receive(self) -> tuple[dict[str, Any], bytes]:
        """The next answer on this thread's connection.

        Raises:
            EOFError: the worker is gone.
        """
        stream: Stream | None = getattr(self._local, "stream", None)
        if stream is None:
            raise EOFError
        try:
            return stream.receive(ANSWER_TIMEOUT_S)
        except TimeoutError as error:
            self.close()
            raise _silent(self._settings) from error

    def close(self) -> None:
        """Close this thread's connection."""
        stream = getattr(self._local, "stream", None)
        if stream is not None:
            stream.sock.close()
            self._open.remove(stream.sock)
            self._local.stream = None

    @property
    def hello(self) -> dict[str, Any]:
        """What the worker said of itself when this thread connected."""
        self._stream(start=True)
        return dict(self._local.hello)

    def running(self) -> bool:
        """True when a worker answers; starts none."""
        with suppress(OSError):
            self._connect().close()
            return True
        return False

    # -- finding it ---------------------------------------------------------------------------------------

    def _stream(self, *, start: bool) -> Stream:
        stream: Stream | None = getattr(self._local, "stream", None)
        if stream is not None:
            return stream
        try:
            sock = self._connect()
        except OSError:
            if not start:
                raise _gone(self._settings) from None
            sock = self._start()
        stream = Stream(sock)
        try:
            stream.send({"verb": "hello", "wire": WIRE})
            answer, _ = stream.receive(ANSWER_TIMEOUT_S)
        except (EOFError, OSError):
            sock.close()
            raise
        if "error" in answer:
            sock.close()
            raise error_from_dict(answer["error"])
        self._local.stream, self._local.hello = stream, answer
        self._open.append(sock)
        return stream

    def _connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(str(self._settings.socket))
        except OSError:
            sock.close()
            raise
        return sock

    def _start(self) -> socket.socket:
        """Start a detached worker, once, however many terminals try; wait until it answers."""
        log = self._settings.home / "worker.log"
        with _opened(self._settings.home / "start.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with suppress(OSError):
                return self._connect()
            with _opened(log, "ab") as file:
                began = file.tell()
                process = subprocess.Popen(
                    self._argv,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    cwd="/",
                    env=self._environ,
                    start_new_session=True,
                )
            deadline = time.monotonic() + START_TIMEOUT_S
            pause = 0.005
            while time.monotonic() < deadline:
                with suppress(OSError):
                    sock = self._connect()
                    # It is on its own from here: nobody waits for it, and nothing should warn of that.
                    process.returncode = 0
                    return sock
                if process.poll() is not None:
                    break
                time.sleep(pause)
                pause = min(pause * 1.5, 0.1)
            process.returncode = process.returncode or 0
        raise _no_start(self._settings, log, began)


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[IO[Any]]:
    """A file of our own folder, open.

    Raises:
        PlatformError: it cannot be written, though the folder can: somebody else's, or mounted to be read.
    """
    try:
        file = path.open(mode)
    except OSError as error:
        raise PlatformError(
            f"{path} cannot be written: {error.strerror}.",
            code="no-home",
            fix=f"Give {path.parent} and all in it to this user (chown -R), or set RUSHES_HOME to another.",
        ) from error
    with file:
        yield file


def _gone(settings: Settings) -> PlatformError:
    return PlatformError(
        "no worker answers on this machine.",
        code="no-worker",
        fix=f"See {settings.home / 'worker.log'}; `rushes doctor` checks what it needs.",
    )


def _room(settings: Settings) -> int:
    """Bytes free on the disk of the journal."""
    free = os.statvfs(settings.home)
    return free.f_bavail * free.f_frsize


def _silent(settings: Settings) -> PlatformError:
    room = _room(settings)
    return PlatformError(
        f"the worker does not answer; the disk of {settings.home} has {room / 2**20:.0f} MiB free.",
        code="no-answer",
        fix="Free some space if there is none, else see worker.log there. What was submitted is kept.",
    )


def _no_start(settings: Settings, log: Path, began: int) -> PlatformError:
    if _room(settings) < _LEAST_ROOM:  # then nor could it write down why
        return PlatformError(
            f"the worker could not be started: the disk of {settings.home} is full.",
            code="disk-full",
            fix="Free some space, or set RUSHES_HOME to a folder on another local disk.",
        )
    text = ""
    with suppress(OSError), log.open("rb") as file:
        file.seek(began)
        text = file.read()[-1000:].decode(errors="replace").strip()
    last = text.splitlines()[-1] if text else "it said nothing"
    return PlatformError(
        f"the worker could not be started: {last[:300]}",
        code="no-worker",
        fix=f"The full text is in {log}; `rushes doctor` checks what it needs.",
        details={"log": text},
    )
