"""MXF: its operational pattern, where its partitions are, and whether its recording was completed.

SMPTE ST 377-1, 7.1, 8.3 and 12. Pure functions of a file's first and last bytes and of the label that
libavformat reads; nothing else is known here.
"""

from __future__ import annotations

import struct
from typing import Final

__all__ = [
    "LIST_TAIL_BYTES",
    "is_mpeg_essence",
    "is_mxf",
    "list_bytes",
    "operational_pattern",
    "partitions",
    "was_completed",
]

LIST_TAIL_BYTES: Final = 4
"""Of the end of a file: they say how long the list of its partitions is, which ends there."""
_LIST_KEY: Final = bytes.fromhex("060e2b34020501010d01020101110100")
_LIST_ENTRY: Final = struct.Struct(">IQ")
_LONGEST_LIST: Final = 256 * 1024

_PARTITION_KEY: Final = bytes.fromhex("060e2b34020501010d01020101")
# SMPTE RP 224: the label of an essence container, and which of them hold MPEG-2 (D-10, or a plain stream) and
# AVC.
_CONTAINER: Final = bytes.fromhex("060e2b34040101")
_KIND: Final = bytes.fromhex("0d010301 02")
_MPEG: Final = frozenset((0x01, 0x04, 0x10))
_OPEN: Final = frozenset((0x01, 0x03))
_ITEMS: Final = {1: "1", 2: "2", 3: "3"}
_PACKAGES: Final = {1: "a", 2: "b", 3: "c"}
_ATOM: Final = 0x10


def is_mxf(head: bytes) -> bool:
    """True if a header partition begins in the first bytes of a file, behind a run-in or not."""
    return _PARTITION_KEY in head


def list_bytes(tail: bytes) -> int:
    """How long the list of partitions is by the last bytes of a file; 0 where there can be none."""
    said = int.from_bytes(tail[-LIST_TAIL_BYTES:])
    return said if len(_LIST_KEY) < said <= _LONGEST_LIST else 0


def partitions(listed: bytes, head: bytes) -> list[int]:
    """Where partitions begin, by the list at the end of a file; none where it is no list.

    Args:
        listed: the last bytes, as many as `list_bytes` says.
        head: the first bytes: what runs in before the header partition is counted in none of the places.
    """
    at = len(_LIST_KEY)
    if not listed.startswith(_LIST_KEY) or len(listed) == at:
        return []
    at += 1 + (listed[at] & 0x7F if listed[at] & 0x80 else 0)
    entries = listed[at:-LIST_TAIL_BYTES]
    whole = entries[: len(entries) // _LIST_ENTRY.size * _LIST_ENTRY.size]
    run_in = max(head.find(_PARTITION_KEY), 0)
    return [run_in + offset for _, offset in _LIST_ENTRY.iter_unpack(whole)]


def was_completed(head: bytes) -> bool:
    """False if the header partition says "open": the recording was cut off, or goes on."""
    at = head.find(_PARTITION_KEY) + 14
    return at >= len(head) or head[at] not in _OPEN


def is_mpeg_essence(head: bytes) -> bool:
    """True if the header partition says that its pictures are MPEG-2 or AVC."""
    at = head.find(_CONTAINER)
    while at >= 0:
        label = head[at : at + 16]
        if label[8:13] == _KIND and len(label) == 16 and label[13] in _MPEG:
            return True
        at = head.find(_CONTAINER, at + 1)
    return False


def operational_pattern(label: str) -> str | None:
    """``OP1a`` or ``OPAtom`` of an operational pattern's label in hexadecimal; None for others."""
    digits = label.replace(".", "")
    if len(digits) != 32:
        return None
    item, package = int(digits[24:26], 16), int(digits[26:28], 16)
    if item == _ATOM:
        return "OPAtom"
    if item in _ITEMS and package in _PACKAGES:
        return f"OP{_ITEMS[item]}{_PACKAGES[package]}"
    return None
