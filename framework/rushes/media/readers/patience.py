"""How long a reader is waited for: as long as it gets on, inside its memory. This module must not end it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from rushes.errors import Cancelled, MediaError, PlatformError
from rushes.media.running.allowance import allowed_bytes
from rushes.media.running.family import cpu_seconds, moved_bytes, resident_bytes

__all__ = ["FIX", "TICK_S", "ClipWatch", "ReaderWatch", "Starting", "UnreadableError", "allowed_for_reading"]

TICK_S: Final = 0.25
FIX: Final = "Look at where the file comes from; copy it again, or set it aside."
# Interpreter, PyAV and models, measured: 75 MB in each of the two processes.
_ASKER_BYTES: Final = 96 * 1024**2
_READER_BYTES: Final = 128 * 1024**2
_LEAST_BYTES: Final = 128 * 1024**2
_START_TICKS: Final = 240
# Nothing is read for this long: a loop in a decoder, or a disk that has gone.
_STILL_TICKS: Final = 480
# Headers of the largest files take a second.
_BRIEF_CPU_S: Final = 60.0


class UnreadableError(MediaError):
    """The file made the reader die, hang, bloat or talk nonsense."""


class ReaderWatch(Protocol):
    """Looks at a reader that is waited for."""

    def look(self) -> None:
        """Raises when it is over; called every `TICK_S`."""


class ClipWatch:
    """Watches a reader that is asked about one clip.

    Args:
        pid: the reader.
        name: of the clip.
        brief: only headers are read, so that a minute of computing is a hang.
        cancelled: whether the answer is still wanted.
    """

    def __init__(self, pid: int, name: str, *, brief: bool, cancelled: Callable[[], bool] | None) -> None:
        self._pid = pid
        self._name = name
        self._brief = brief
        self._cancelled = cancelled
        self._read: int | None = None
        self._still = 0
        self._cpu_s = self._cpu_then_s = 0.0

    def look(self) -> None:
        if self._cancelled is not None and self._cancelled():
            raise Cancelled
        if resident_bytes(self._pid) > allowed_for_reading() + _READER_BYTES:
            raise UnreadableError(
                f"{self._name} asks for more memory than its function may have.",
                code="too-large",
                fix="Check its source, or give the function more memory (Resources(memory=...)).",
            )
        read, cpu_s = moved_bytes(self._pid)[0], cpu_seconds(self._pid)
        if self._read is None:
            self._cpu_s = cpu_s
        if read != self._read:
            self._read, self._still, self._cpu_then_s = read, 0, cpu_s
        # Counted and not timed: while this process is paused, so is the reader.
        self._still += 1
        is_over = self._still > _STILL_TICKS
        is_busy = cpu_s - self._cpu_then_s > _STILL_TICKS * TICK_S / 2
        if (self._brief and cpu_s - self._cpu_s > _BRIEF_CPU_S) or (is_over and is_busy):
            raise UnreadableError(f"{self._name} makes its reader hang.", code="unreadable", fix=FIX)
        if is_over:
            raise PlatformError(
                f"nothing more of {self._name} could be read for {_STILL_TICKS * TICK_S:.0f} s.",
                code="stalled",
                fix="It is tried again; if it stalls again, look at its disk.",
            )


class Starting:
    """Watches a reader that has not said anything yet."""

    def __init__(self) -> None:
        self._ticks = 0

    def look(self) -> None:
        self._ticks += 1
        if self._ticks > _START_TICKS:
            raise PlatformError(
                f"a reader was not ready after {_START_TICKS * TICK_S:.0f} s.",
                code="no-reader",
                fix="It is tried again; the machine may be overloaded.",
            )


def allowed_for_reading() -> int:
    """How much memory a reader may add to what it takes anyway."""
    return max(_LEAST_BYTES, allowed_bytes() - _ASKER_BYTES - _READER_BYTES)
