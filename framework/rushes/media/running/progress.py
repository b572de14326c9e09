"""How far a tool is, read from what it writes for machines.

ffmpeg writes blocks of ``key=value`` lines to `-progress`, each ended by ``progress=continue`` or
``progress=end``. Its human line on stderr is never read: it changed from ``kB`` to ``KiB`` and broke readers.
Everything here is pure and incremental: bytes in, `Progress` out. This module must not know of processes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

__all__ = ["FfmpegProgress", "LineProgress", "Progress", "ProgressParser"]

# A line of `-progress` is under 40 bytes and a tool's line is text for people; more is no progress at all.
_LONGEST_LINE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a tool is.

    Args:
        frames: video frames written so far.
        out_time_s: time of the last thing written, in seconds; None before the first.
        size_bytes: bytes written so far; None where the muxer does not say.
        speed: × real time, or None.
        fps: frames a second so far.
        duplicated: frames that were made up to keep a constant rate.
        dropped: frames that were left out for it.
        ended: the tool says that it is done.
        share: a fraction 0..1 that the tool itself gave, or None.
    """

    frames: int = 0
    out_time_s: float | None = None
    size_bytes: int | None = None
    speed: float | None = None
    fps: float = 0.0
    duplicated: int = 0
    dropped: int = 0
    ended: bool = False
    share: float | None = None

    def fraction(self, total_s: float | None) -> float | None:
        """0..1 of a result that will last `total_s` seconds; None when that cannot be told."""
        if self.ended:
            return 1.0
        if self.share is not None:
            return min(1.0, max(0.0, self.share))
        if not total_s or total_s <= 0 or self.out_time_s is None:
            return None
        return min(1.0, max(0.0, self.out_time_s / total_s))

    def moved_since(self, earlier: Progress | None) -> bool:
        """Whether there is more work done than at `earlier`: a repeated report is no progress."""
        return earlier is None or self.done() != earlier.done()

    def done(self) -> tuple[object, ...]:
        """What grows while there is progress."""
        # `size_bytes` counts, for a data-only or stream-copied result may hold its clock still.
        return (self.frames, self.out_time_s, self.size_bytes, self.ended, self.share, self.duplicated)


class ProgressParser(Protocol):
    """Turns a tool's output into `Progress`, piece by piece."""

    reads_stderr: bool
    """Whether it wants the tool's stderr as well as its stdout."""

    def feed(self, data: bytes) -> Progress | None:
        """The newest state after these bytes, or None when they completed no report."""
        ...


class FfmpegProgress:
    """Reads ffmpeg's `-progress`, of every version from 4 to 9."""

    reads_stderr = False

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[bytes, bytes] = {}

    def feed(self, data: bytes) -> Progress | None:
        """The newest complete block in these bytes, or None."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_LONGEST_LINE:]
        newest: Progress | None = None
        for line in lines:
            key, equals, value = line.strip().partition(b"=")
            if not equals:
                continue
            if key == b"progress":
                newest = _block(self._fields, ended=value.strip() == b"end")
                self._fields = {}
            elif len(self._fields) < 256:  # a block has about 12 keys, and one more a stream
                self._fields[key] = value.strip()
        return newest


class LineProgress:
    """Reads a tool whose lines are turned into a fraction by a function of its author's.

    Args:
        fraction: one line of the tool's stdout or stderr → 0..1, or None for a line that says nothing.
    """

    reads_stderr = True

    def __init__(self, fraction: Callable[[str], float | None]) -> None:
        self._fraction = fraction
        self._rest = b""

    def feed(self, data: bytes) -> Progress | None:
        """The newest fraction in these bytes, or None. A carriage return ends a line too."""
        *lines, self._rest = (self._rest + data.replace(b"\r", b"\n")).split(b"\n")
        self._rest = self._rest[-_LONGEST_LINE:]
        newest: Progress | None = None
        for line in lines:
            share = self._fraction(line.decode("utf-8", "replace"))
            if share is not None:
                newest = Progress(share=float(share))
        return newest


def _block(fields: dict[bytes, bytes], *, ended: bool) -> Progress:
    return Progress(
        frames=_int(fields.get(b"frame")) or 0,
        out_time_s=_out_time(fields),
        size_bytes=_int(fields.get(b"total_size")),
        speed=_float(fields.get(b"speed", b"").rstrip(b"x")),
        fps=_float(fields.get(b"fps")) or 0.0,
        duplicated=_int(fields.get(b"dup_frames")) or 0,
        dropped=_int(fields.get(b"drop_frames")) or 0,
        ended=ended,
    )


def _out_time(fields: dict[bytes, bytes]) -> float | None:
    # Both keys are microseconds: `out_time_ms` was named wrongly, and 4.x has only that. Before the first
    # packet 5.1 writes -9223372036854775807 and 6 and later N/A; a negative time is a stream's start.
    microseconds = _int(fields.get(b"out_time_us", fields.get(b"out_time_ms")))
    if microseconds is None or microseconds < -(2**62):
        return None
    return microseconds / 1e6


def _int(value: bytes | None) -> int | None:
    number = _float(value)
    if number is None or number != number or abs(number) == float("inf"):  # noqa: PLR0124 - NaN
        return None
    try:
        return int(value or b"")
    except ValueError:
        return int(number)


def _float(value: bytes | None) -> float | None:
    try:
        return float(value) if value else None
    except ValueError:
        return None
