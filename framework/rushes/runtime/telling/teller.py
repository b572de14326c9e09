"""The teller: delivers state changes to webhooks and local commands, in a process of its own.

A slow or broken sink, a name server that hangs, a TLS library: none of it is in the worker. It is handed one
group of events for a sink at a time, delivers it, and says what came of it; it keeps nothing. It ends with
the worker. This module must not know which events there are, nor what is tried again.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

from rushes import __version__
from rushes.errors import RushesError
from rushes.runtime.telling.bounded import Timed, tail_of
from rushes.runtime.telling.signing import key_from, signature_headers
from rushes.runtime.wire import Stream

__all__ = ["Told", "deliver", "main"]

AT_ONCE: Final = 8
"""Sinks that are told at the same time."""
_ANSWER_BYTES: Final = 4096
_TAIL: Final = 300
_STDERR_BYTES: Final = 8192
"""Of what a command says, the end: its last line is told."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a delivery: "" or why it failed, and how long the far end wants to be left alone."""

    error: str = ""
    after_s: float = 0.0


def deliver(sink: Mapping[str, Any], message: str, events: Sequence[str]) -> Told:
    """Give a group of events to a sink. Never raises.

    Args:
        sink: ``url`` and ``secret_file``, or ``command``; ``timeout_s``; ``at_once``.
        message: id of this delivery, the same at every try.
        events: each as JSON.
    """
    try:
        if sink.get("command"):
            return _run(sink, events)
        return _post(sink, message, events)
    except RushesError as error:
        return Told(str(error))
    except (OSError, HTTPException, ValueError, subprocess.SubprocessError) as error:
        reason = getattr(error, "reason", None) or error
        return Told(f"{type(error).__name__}: {reason}"[:_TAIL])


# -- webhooks ----------------------------------------------------------------------------------------------


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed delivery goes to the address that was configured, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _post(sink: Mapping[str, Any], message: str, events: Sequence[str]) -> Told:
    # Structured and batched content modes: CloudEvents, HTTP protocol binding 1.0.2, sections 3.2 and 3.3.
    alone = sink["at_once"] == 1
    body = (events[0] if alone else f"[{','.join(events)}]").encode()
    kind = "application/cloudevents+json" if alone else "application/cloudevents-batch+json"
    headers = {"content-type": f"{kind}; charset=utf-8", "user-agent": f"rushes/{__version__}"}
    if sink.get("secret_file"):
        headers |= signature_headers(key_from(Path(sink["secret_file"])), message, int(time.time()), body)
    request = urllib.request.Request(sink["url"], body, headers)  # noqa: S310 - checked by `event_file`
    timeout_s = float(sink["timeout_s"])
    with Timed(timeout_s) as timed:
        try:
            with timed.opener(_NoRedirect).open(request, timeout=timeout_s) as answer:
                answer.read(_ANSWER_BYTES)
        except urllib.error.HTTPError as error:
            with error:
                after_s = _seconds(error.headers.get("retry-after"))
                return Told(f"it answered {error.code} {error.reason}"[:_TAIL], after_s)
        except (OSError, HTTPException, ValueError):
            if not timed.over:
                raise
            return Told(f"it had not answered after {timeout_s:g} s")
    return Told()


def _seconds(text: str | None) -> float:
    """Of a `Retry-After` in seconds; dates are left to our own delays."""
    return float(text) if text and text.strip().isdigit() else 0.0


# -- commands ----------------------------------------------------------------------------------------------

_running: set[subprocess.Popen[bytes]] = set()


def _run(sink: Mapping[str, Any], events: Sequence[str]) -> Told:
    """One JSON object a line on its standard input; it has taken them if it ends with 0."""
    lines, timeout_s = "".join(f"{one}\n" for one in events).encode(), float(sink["timeout_s"])
    with tail_of(_STDERR_BYTES) as (stderr, said):
        try:
            process = subprocess.Popen(
                list(sink["command"]),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        finally:
            os.close(stderr)
        with process:
            _running.add(process)
            try:
                process.communicate(lines, timeout_s)
            except subprocess.TimeoutExpired:
                return Told(f"the command ran longer than {timeout_s:g} s and was stopped")
            finally:
                _running.discard(process)
                _end(process)
    if process.returncode == 0:
        return Told()
    how = f"status {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
    last = said.decode(errors="replace").strip().splitlines()[-1:]
    return Told(": ".join([f"the command ended with {how}", *last])[:_TAIL])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of a command behind that did not end by itself."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


# -- the process -------------------------------------------------------------------------------------------


def main(stream: Stream) -> None:
    """Deliver what comes over `stream` until the worker is gone."""
    lock = threading.Lock()

    def tell(header: Mapping[str, Any], body: bytes) -> None:
        result = deliver(header["sink"], header["message"], json.loads(body))
        with lock:
            stream.send({"name": header["name"], "error": result.error, "after_s": result.after_s})

    workers = ThreadPoolExecutor(AT_ONCE)
    try:
        while True:
            header, body = stream.receive()
            workers.submit(tell, header, body)
    except (EOFError, OSError):
        for process in list(_running):
            _end(process)
        os._exit(0)  # a delivery that hangs must not keep this process: it is repeated by the next worker


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker, which then closes the socket
    main(Stream(socket.socket(fileno=int(sys.argv[1]))))
