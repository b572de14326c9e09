"""MXF: its operational pattern, and whether its recording was completed (SMPTE ST 377-1, 7.1 and 8.3).

Pure functions of a file's first bytes and of the label that libavformat reads; nothing else is known here.
"""

from __future__ import annotations

from typing import Final

__all__ = ["is_mpeg_essence", "is_mxf", "operational_pattern", "was_completed"]

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
