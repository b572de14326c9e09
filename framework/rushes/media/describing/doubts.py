"""Why what was seen or measured of a clip may not be of all of it. Pure.

An encode of a clip whose end is missing fails: a deliverable would be short. A look at a clip, or a
measurement of it, is of what is there, and says so. This module must not know what was looked at.
"""

from __future__ import annotations

from typing import Final

from rushes.media.describing.schema import MediaInfo
from rushes.media.running.dialect import damage_in
from rushes.media.running.process import ToolRun

__all__ = ["doubts"]

_INCOMPLETE: Final = frozenset({"truncated", "incomplete-recording"})
_TOLD_MAX: Final = 160


def doubts(info: MediaInfo, run: ToolRun | None = None) -> tuple[str, ...]:
    """A sentence for each reason to doubt that a clip was seen whole.

    Args:
        info: its description.
        run: the command that decoded it, which may have ended well all the same; None for none.
    """
    found = [
        f"{said}; this is of what is there"
        for code, _, said in (warning.partition(": ") for warning in info.warnings)
        if code in _INCOMPLETE
    ]
    told = damage_in(run) if run is not None else None
    if told is not None and not found:  # where the end is missing, the decoder says so too
        found.append(f"the clip is damaged, and this is of what could be decoded: {told[:_TOLD_MAX]}")
    return tuple(found)
