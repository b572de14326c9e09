"""Text of strangers, made fit to print: names come from anybody's disk, and messages from anybody's tool.

This module must not know what is printed, or where.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["printable", "without_controls"]

# What would move the cursor, break the line, turn the text around, or cannot be encoded at all.
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """`text` with what a terminal would act upon written as escapes."""
    return _UNPRINTABLE.sub(_escaped, text)


def without_controls(name: str) -> str:
    """`name` with control characters as escapes; all else is as it was, bytes that are no UTF-8, too."""
    return _CONTROLS.sub(_escaped, name)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is no UTF-8, as os.fsdecode keeps it
        return f"\\x{code - 0xDC00:02x}"
    return match[0].encode("unicode_escape", "backslashreplace").decode()
