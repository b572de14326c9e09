"""A part of a clip as a person names it: frame numbers, or the clip's own timecodes.

Both are half-open: the last one is the first frame that is left out, as an edit list's out point is. This
module must not know where spans are written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Self

from rushes.asset import Asset, FrameRange
from rushes.errors import CallerError

if TYPE_CHECKING:
    from rushes.media.describing.schema import MediaInfo

__all__ = ["Span"]

_LABEL: Final = r"\d\d:\d\d:\d\d[:;.,]\d{2,3}"
_SPAN: Final = re.compile(rf"\s*(?:(\d+)\s*-\s*(\d+)|({_LABEL})\s*-\s*({_LABEL}))\s*")


@dataclass(frozen=True, slots=True)
class Span:
    """``0-100`` or ``01:00:10:00-01:00:12:00``.

    Args:
        frames: the frame numbers; None for a span of timecodes.
        labels: the timecodes in and out; None for a span of frame numbers.
    """

    frames: FrameRange | None
    labels: tuple[str, str] | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The span that `text` writes.

        Raises:
            CallerError: it is none, or is empty.
        """
        match = _SPAN.fullmatch(text)
        if match is None:
            raise CallerError(
                f"{text!r} is no frame range.",
                code="bad-value",
                fix="Write START-STOP as frame numbers (0-100) or timecodes (01:00:10:00-01:00:12:00): "
                "STOP is left out.",
            )
        if match[1] is not None:
            return cls(FrameRange(int(match[1]), int(match[2])))
        return cls(None, (match[3], match[4]))

    def of(self, clip: Asset) -> FrameRange:
        """The frame numbers of this span in `clip`; timecodes are looked up in its header.

        Raises:
            CallerError: the clip has no timecode, or not these.
            MediaError: it is no media, or damaged beyond opening.
        """
        if self.frames is not None:
            return self.frames
        from rushes.media.describing.inspection import describe  # noqa: PLC0415 - only for timecodes

        return self._in(describe(clip))

    def _in(self, info: MediaInfo) -> FrameRange:
        from rushes.media.describing.report import frame_count  # noqa: PLC0415 - as above
        from rushes.media.describing.timecode import TimecodeLabel  # noqa: PLC0415

        picture = info.primary_video
        rate = (info.timecode.rate if info.timecode else None) or (picture.frame_rate if picture else None)
        if info.timecode is None or rate is None:
            raise CallerError(
                f"{info.name} has no timecode.", code="no-timecode", fix="Give frame numbers: 0-100."
            )
        exact, drop = Fraction(rate), info.timecode.drop_frame
        first = TimecodeLabel.parse(info.timecode.value, exact, drop=drop)
        labels = self.labels or ("", "")
        start, stop = ((TimecodeLabel.parse(one, exact, drop=drop) - first) for one in labels)
        count = frame_count(info)
        last = first + count if count is not None else None
        if not start < stop or (count is not None and stop > count):
            raise CallerError(
                f"{info.name} has no frames {labels[0]} to {labels[1]}.",
                code="bad-value",
                fix=f"It goes from {first} to {last or 'an unknown end'}; the last one is left out.",
            )
        return FrameRange(start, stop)
