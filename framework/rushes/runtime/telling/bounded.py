"""What keeps a delivery within bounds, whatever the far end does: a time for it, a tail of what it says.

A server that sends a byte of its answer now and then meets every limit on silence, and a program may say
gigabytes on its standard error. This module must not know what is delivered.
"""

from __future__ import annotations

import http.client
import os
import select
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, Self

__all__ = ["Timed", "tail_of"]

_STEP_S: Final = 0.1
_READ_BYTES: Final = 65_536
_LAST_READS: Final = 16
"""Of what is in a pipe when its program has ended: others may still write into it, as long as they like."""


class Timed:
    """The connections of one delivery, cut when its time is over.

    Args:
        timeout_s: from its beginning.
    """

    def __init__(self, timeout_s: float) -> None:
        self.over = False
        """They were cut."""
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(timeout_s, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def opener(self, *handlers: Any) -> urllib.request.OpenerDirector:
        """Opens URLs over connections that are cut."""
        return urllib.request.build_opener(_Http(self), _Https(self), *handlers)

    def made(
        self, kind: type[http.client.HTTPConnection], host: str, **more: Any
    ) -> http.client.HTTPConnection:
        """A connection of its kind that is cut, too."""
        connection = kind(host, **more)
        connect = connection.connect

        def connected() -> None:
            connect()
            self._sockets.append(connection.sock)
            if self.over:  # it was cut while it was made
                self._cut()

        connection.connect = connected  # type: ignore[method-assign]
        return connection

    def _cut(self) -> None:
        self.over = True
        for one in self._sockets:
            with suppress(OSError):  # by the kernel alone: TLS would wait for an answer
                socket.socket.shutdown(one, socket.SHUT_RDWR)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, timed: Timed) -> None:
        super().__init__()
        self._timed = timed

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(partial(self._timed.made, http.client.HTTPConnection), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, timed: Timed) -> None:
        super().__init__()
        self._timed = timed

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(partial(self._timed.made, http.client.HTTPSConnection), req)


@contextmanager
def tail_of(most: int) -> Iterator[tuple[int, bytearray]]:
    """A pipe to write into, which the block closes, and the last bytes of what was written.

    They are whole once the block is left.

    Args:
        most: so many bytes are kept.
    """
    reads, writes = os.pipe()
    kept, ended = bytearray(), threading.Event()

    def drain() -> None:
        left = _LAST_READS
        while left:
            if not select.select([reads], [], [], _STEP_S)[0]:
                if ended.is_set():
                    return
                continue
            data = os.read(reads, _READ_BYTES)
            if not data:
                return
            kept.extend(data)
            del kept[:-most]
            left -= ended.is_set()

    thread = threading.Thread(target=drain, name="stderr", daemon=True)
    thread.start()
    try:
        yield writes, kept
    finally:
        ended.set()
        thread.join()
        os.close(reads)
