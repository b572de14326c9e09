"""Frames on the sockets: a JSON header and, behind it, bytes that only the far end reads.

Two kinds of socket carry the same frame. Client to worker is a byte stream, so a frame starts with its two
lengths. Worker to slot is a sequence of packets, where the kernel keeps the edges. This module must not know
what the headers mean.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

from rushes.errors import CallerError, PlatformError

__all__ = ["MAX_FRAME", "MAX_PACKET", "WIRE", "Stream", "decode_packet", "encode_frame", "encode_packet"]

WIRE: Final = 1
"""Version of the frames and of the headers; client, worker and slot must agree on it."""

# The default socket buffer on Linux is 212,992 bytes, and one packet has to fit into it whole.
MAX_PACKET: Final = 128 * 1024
_LENGTHS: Final = struct.Struct(">II")
MAX_FRAME: Final = 64 * 1024 * 1024
_dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode


def encode_frame(header: Any, body: bytes = b"") -> bytes:
    """One frame for a byte stream.

    Raises:
        CallerError: the far end would not take a frame as large as this.
    """
    head = _dumps(header).encode()
    if len(head) + len(body) > MAX_FRAME:
        raise CallerError(
            f"{header.get('verb', 'an answer')!r} would take {len(head) + len(body)} bytes; "
            f"at most {MAX_FRAME} go over the socket.",
            code="too-big",
            fix="Put large options into a file and name it by an Asset option.",
        )
    return _LENGTHS.pack(len(head), len(body)) + head + body


def encode_packet(header: Any, body: bytes = b"") -> bytes:
    """One packet: the header, a newline, the body."""
    return _dumps(header).encode() + b"\n" + body


def decode_packet(packet: bytes) -> tuple[Any, bytes]:
    """The header and the body of a packet."""
    head, _, body = packet.partition(b"\n")
    return json.loads(head), body


class Stream:
    """Incremental frames over a stream socket; the same object serves blocking and non-blocking use."""

    __slots__ = ("_inbox", "_outbox", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._inbox = bytearray()
        self._outbox = bytearray()

    def send(self, header: Any, body: bytes = b"") -> None:
        """Send a whole frame, blocking."""
        self.sock.sendall(encode_frame(header, body))

    def send_all(self, frames: Sequence[tuple[Any, bytes]]) -> None:
        """Send several frames in one write, blocking."""
        self.sock.sendall(b"".join(encode_frame(header, body) for header, body in frames))

    def receive(self, timeout_s: float | None = None) -> tuple[Any, bytes]:
        """The next frame, blocking.

        Raises:
            EOFError: the far end is gone.
            TimeoutError: nothing came in time.
        """
        self.sock.settimeout(timeout_s)
        while True:
            for frame in self.frames():
                return frame
            chunk = self.sock.recv(262_144)
            if not chunk:
                raise EOFError
            self._inbox += chunk

    def read(self) -> bool:
        """Take in what has arrived on a non-blocking socket; False once the far end is gone."""
        try:
            chunk = self.sock.recv(1_048_576)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._inbox += chunk
        return bool(chunk)

    def frames(self) -> Iterator[tuple[Any, bytes]]:
        """The whole frames that have arrived."""
        while len(self._inbox) >= _LENGTHS.size:
            head, body = _LENGTHS.unpack_from(self._inbox)
            if head + body > MAX_FRAME:
                raise PlatformError(
                    f"a frame of {head + body} bytes came over the socket; at most {MAX_FRAME} are taken.",
                    code="wire",
                    fix="Send less at once: a client of Rushes does so by itself.",
                )
            end = _LENGTHS.size + head + body
            if len(self._inbox) < end:
                return
            header = json.loads(self._inbox[_LENGTHS.size : _LENGTHS.size + head])
            payload = bytes(self._inbox[_LENGTHS.size + head : end])
            del self._inbox[:end]
            yield header, payload

    def queue(self, header: Any, body: bytes = b"") -> None:
        """Add a frame to what `flush` sends."""
        self._outbox += encode_frame(header, body)

    def flush(self) -> bool:
        """Send what a non-blocking socket takes; True while something is left."""
        while self._outbox:
            try:
                sent = self.sock.send(self._outbox[:1_048_576])
            except BlockingIOError:
                return True
            except OSError:
                self._outbox.clear()
                return False
            del self._outbox[:sent]
        return False
