"""Pictures a second of an image sequence: named, stated by its pictures, or assumed; everywhere the same.

Pure; it must not open a picture.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rushes.media.describing.schema import MediaInfo

__all__ = ["ASSUMED_RATE", "assumption", "at_rate", "sequence_rate", "stated_rate"]

ASSUMED_RATE: Final = Fraction(24)
"""Of pictures that state none: what most of them are for. `inspect` says none, for none is stated."""


def stated_rate(info: MediaInfo, named: str | None = None) -> Fraction | None:
    """The rate that the caller names, else the one that the headers state; None where neither does.

    Args:
        info: a clip, described.
        named: the caller's.
    """
    stream = info.primary_video
    if not info.is_sequence:
        return None
    rate = named or (stream.frame_rate if stream else None)
    return Fraction(rate) if rate else None


def sequence_rate(info: MediaInfo, named: str | None = None) -> Fraction | None:
    """As `stated_rate`, else the assumed one; None for a clip that is no sequence."""
    return (stated_rate(info, named) or ASSUMED_RATE) if info.is_sequence else None


def assumption(info: MediaInfo, named: str | None = None) -> tuple[str, ...]:
    """What is said of a rate that is assumed."""
    if not info.is_sequence or stated_rate(info, named) is not None:
        return ()
    return (f"the pictures state no frame rate: they are read at {ASSUMED_RATE} a second (see frame_rate)",)


def at_rate(info: MediaInfo, rate: Fraction | None) -> MediaInfo:
    """The description of a sequence that is read at `rate`; of None, and of any other clip, as it is."""
    stream = info.primary_video
    if rate is None or stream is None or not info.is_sequence:
        return info
    frames = info.sequence.frames if info.sequence else 0
    seconds = float(frames / rate)
    timed = stream.model_copy(update={"frame_rate": str(rate), "duration_s": seconds})
    container = info.container.model_copy(update={"duration_s": seconds})
    video = [timed if one is stream else one for one in info.video]
    return info.model_copy(update={"video": video, "container": container})
