"""Packets that are too large for a socket buffer go through a file, and only its name is sent.

This module must not know what the packets mean.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from rushes.runtime.wire import MAX_PACKET, decode_packet, encode_packet

__all__ = ["pack", "unpack"]


def pack(header: Any, body: bytes, home: Path) -> bytes:
    """A packet, or one that names the file in `home` with the real one."""
    packet = encode_packet(header, body)
    if len(packet) <= MAX_PACKET:
        return packet
    folder = home / "spool"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{os.getpid()}-{time.monotonic_ns()}"
    path.write_bytes(packet)
    return encode_packet(["file", str(path)])


def unpack(packet: bytes) -> tuple[Any, bytes]:
    """The header and the body; reads and removes the file of a large packet."""
    header, body = decode_packet(packet)
    if header[0] == "file":
        path = Path(header[1])
        packet = path.read_bytes()
        path.unlink()
        return decode_packet(packet)
    return header, body
