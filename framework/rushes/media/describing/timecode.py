"""SMPTE timecode: labels of frames, and the arithmetic between the two.

A label counts at the nominal rate (30 for 29.97), a frame number counts frames; drop-frame leaves out
labels, never frames, so that the label keeps pace with the clock (SMPTE ST 12-1: two labels a minute at
29.97, four at 59.94, none in every tenth minute). Pure: it must not know files or tools.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Self

from rushes.errors import CallerError

__all__ = ["TimecodeLabel", "drops_frames", "nominal_rate"]

_LABEL: Final = re.compile(r"(\d{2}):(\d{2}):(\d{2})([:;.,])(\d{2,3})")
_DROP_SEPARATORS: Final = ";.,"
"""All three mean drop-frame in the wild; `str` writes the semicolon, which ffmpeg and NLEs agree on."""


def nominal_rate(rate: Fraction) -> int:
    """Labels a second at `rate` frames per second: 30 for 30000/1001."""
    return max(1, round(rate))


def drops_frames(rate: Fraction) -> bool:
    """Whether drop-frame labels exist at `rate`: 29.97 and its multiples only."""
    return rate.denominator != 1 and nominal_rate(rate) % 30 == 0


@dataclass(frozen=True, slots=True)
class TimecodeLabel:
    """The label of one frame.

    Args:
        frames: frames since midnight, 0 for ``00:00:00:00``; always below 24 hours.
        rate: exact frames per second, e.g. ``Fraction(30000, 1001)``.
        drop: whether it is a drop-frame label.
    """

    frames: int
    rate: Fraction
    drop: bool = False

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise CallerError(
                f"a timecode at {self.rate} frames per second has no meaning.",
                code="bad-timecode",
                fix="Give the rate of the clip, e.g. 25 or 30000/1001.",
            )
        if self.drop and not drops_frames(self.rate):
            raise CallerError(
                f"there is no drop-frame timecode at {self.rate} frames per second.",
                code="bad-timecode",
                fix="Drop-frame exists at 29.97 and 59.94 only; write HH:MM:SS:FF with colons.",
            )
        object.__setattr__(self, "frames", self.frames % self._frames_per_day)

    @classmethod
    def parse(cls, text: str, rate: Fraction, *, drop: bool | None = None) -> Self:
        """The timecode that `text` writes: ``01:00:00:00``, or ``01:00:00;00`` for drop-frame.

        Args:
            text: two digits each for hours, minutes, seconds; two or three for frames.
            rate: exact frames per second.
            drop: overrides what the last separator says; for sources that store it as a flag.

        Raises:
            CallerError: `text` is no timecode, or names a label that does not exist at this rate.
        """
        match = _LABEL.fullmatch(text.strip())
        if match is None:
            raise CallerError(
                f"{text!r} is no timecode.",
                code="bad-timecode",
                fix="Write HH:MM:SS:FF, or HH:MM:SS;FF for drop-frame.",
            )
        hours, minutes, seconds, label = (int(match[i]) for i in (1, 2, 3, 5))
        is_drop = match[4] in _DROP_SEPARATORS if drop is None else drop
        nominal = nominal_rate(rate)
        if hours > 23 or minutes > 59 or seconds > 59 or label >= nominal:
            raise CallerError(
                f"timecode {text} does not exist at {rate} frames per second.",
                code="bad-timecode",
                fix=f"Hours go to 23, minutes and seconds to 59, frames to {nominal - 1}.",
            )
        count = ((hours * 60 + minutes) * 60 + seconds) * nominal + label
        if is_drop:
            dropped = _dropped_per_minute(rate)
            if seconds == 0 and label < dropped and minutes % 10:
                raise CallerError(
                    f"drop-frame timecode leaves out the label {text}.",
                    code="bad-timecode",
                    fix=f"The first label of that minute is {text[:-2]}{dropped:02d}.",
                )
            whole_minutes = hours * 60 + minutes
            count -= dropped * (whole_minutes - whole_minutes // 10)
        return cls(count, rate, is_drop)

    def __add__(self, frames: int) -> TimecodeLabel:
        """The label `frames` later (or earlier), past midnight from zero again."""
        return TimecodeLabel(self.frames + frames, self.rate, self.drop)

    def __sub__(self, other: TimecodeLabel) -> int:
        """Frames from `other` to this one, past midnight if need be; never negative."""
        return (self.frames - other.frames) % self._frames_per_day

    def __str__(self) -> str:
        nominal = nominal_rate(self.rate)
        count = self.frames
        if self.drop:
            dropped = _dropped_per_minute(self.rate)
            tens, rest = divmod(count, nominal * 600 - dropped * 9)
            # The first minute of ten is whole; each of the nine after it is `dropped` frames short.
            minutes = max(0, rest - dropped) // (nominal * 60 - dropped)
            count += dropped * (9 * tens + minutes)
        seconds, label = divmod(count, nominal)
        width = 3 if nominal > 100 else 2
        separator = ";" if self.drop else ":"
        hours, minutes = seconds // 3600, seconds // 60 % 60
        return f"{hours:02d}:{minutes:02d}:{seconds % 60:02d}{separator}{label:0{width}d}"

    @property
    def _frames_per_day(self) -> int:
        per_day = nominal_rate(self.rate) * 86400
        return per_day - _dropped_per_minute(self.rate) * (1440 - 144) if self.drop else per_day


def _dropped_per_minute(rate: Fraction) -> int:
    return nominal_rate(rate) // 15
