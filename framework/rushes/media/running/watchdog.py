"""When a running tool has to be stopped: cancelled, stalled, too long, too much memory, too much output.

Pure: it is told what is seen and what time it is. This module must not know of processes or clocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from rushes.media.running.progress import Progress

__all__ = ["TICK_S", "Limits", "Seen", "Stopped", "Watchdog"]

Stopped = Literal["cancelled", "stalled", "timeout", "memory", "output"]

TICK_S: Final = 0.25
# A look that comes later than this was late because we were paused ourselves (displaced in place, or the
# laptop's lid was shut): that time is nobody's stall.
_LONGEST_TICK_S: Final = 4 * TICK_S
# A slow encode is no hang: 8K AV1 may take a minute a frame. Its own pace sets the bound.
_PACES: Final = 20.0
# Files being read or written are a sign of life (a moov atom moved to the front of 500 GB reports no
# frames); less than this is a poll or a heartbeat.
_SIGN_OF_LIFE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one tool may use; None for no limit.

    Args:
        stall_s: seconds without any progress; or 20 times its mean time a frame, if that is longer.
        time_s: seconds of running altogether, pauses not counted.
        memory_bytes: resident memory of the tool and all it started.
        output_bytes: size of what it writes.
        cpu_s: processor seconds.
        address_space: also hold its address space to `memory_bytes` with headroom, which stops one huge
            allocation that is faster than our looking. False for GPU work: CUDA maps far more than it uses.
    """

    stall_s: float | None = 120.0
    time_s: float | None = None
    memory_bytes: int | None = None
    output_bytes: int | None = None
    cpu_s: float | None = None
    address_space: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a tool found.

    Args:
        progress: its newest report, or None.
        read_bytes: bytes that it has read in its life.
        written_bytes: bytes that it has written in its life, what it wrote to us not counted.
        heard_bytes: bytes of text that it wrote to us, where that text is its sign of life; else 0.
        memory_bytes: its resident memory now.
        cancelled: somebody wants it to stop.
    """

    progress: Progress | None = None
    read_bytes: int = 0
    written_bytes: int = 0
    heard_bytes: int = 0
    memory_bytes: int = 0
    cancelled: bool = False


class Watchdog:
    """Says why a tool must stop, or None; fed about four times a second.

    Args:
        limits: what it may use.
        now: monotonic seconds at its start.
    """

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._last_look = now
        self._ran_s = 0.0
        self._alive_at_s = 0.0
        self._alive_as = Seen()

    def look(self, seen: Seen, now: float) -> Stopped | None:
        """The reason to stop, or None."""
        self._ran_s += min(max(0.0, now - self._last_look), _LONGEST_TICK_S)
        self._last_look = now
        if _lives(self._alive_as, seen):
            self._alive_at_s = self._ran_s
            self._alive_as = seen
        if seen.cancelled:
            return "cancelled"
        return self._exceeded(seen)

    def _exceeded(self, seen: Seen) -> Stopped | None:
        limits = self._limits
        written = seen.progress.size_bytes if seen.progress else None
        if limits.memory_bytes is not None and seen.memory_bytes > limits.memory_bytes:
            return "memory"
        if limits.output_bytes is not None and (written or 0) > limits.output_bytes:
            return "output"
        if limits.time_s is not None and self._ran_s > limits.time_s:
            return "timeout"
        if limits.stall_s is not None and self._ran_s - self._alive_at_s > self._patience_s(limits.stall_s):
            return "stalled"
        return None

    def _patience_s(self, stall_s: float) -> float:
        progress = self._alive_as.progress
        if progress is None or progress.frames <= 0:
            return stall_s
        return max(stall_s, _PACES * self._alive_at_s / progress.frames)


def _lives(before: Seen, after: Seen) -> bool:
    if after.progress is not None and after.progress.moved_since(before.progress):
        return True
    return (
        after.read_bytes - before.read_bytes >= _SIGN_OF_LIFE_BYTES
        or after.written_bytes - before.written_bytes >= _SIGN_OF_LIFE_BYTES
        or after.heard_bytes > before.heard_bytes
    )
