"""Which clips this process is about to be given after the one it works on, as far as it has been told.

Told by whoever hands out the work; it may be wrong. This module must not know what is done with a clip.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["coming", "expect", "is_asked"]

_coming: Final[list[str]] = []
_asked: Final[list[bool]] = []


def expect(paths: Iterable[str]) -> None:
    """From here on these clips are expected next, in this order, and no others."""
    _coming[:] = paths


def coming() -> Sequence[str]:
    """Absolute paths, the next one first."""
    if not _asked:
        _asked.append(True)
    return _coming


def is_asked() -> bool:
    """Whether anybody in this process has ever wanted to know: for many functions it need not be told."""
    return bool(_asked)
