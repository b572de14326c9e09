"""Time that only moves when a test says so. This module must not know what the time is."""

from __future__ import annotations

__all__ = ["FakeClock"]


class FakeClock:
    """A `rushes.ports.Clock` whose time stands still until `advance`.

    Args:
        now_s: UTC epoch seconds to start from.
    """

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self._now_s = now_s

    def now(self) -> float:
        """UTC epoch seconds."""
        return self._now_s

    def advance(self, seconds: float) -> float:
        """Let `seconds` pass, and return the new time.

        Raises:
            ValueError: time does not go back.
        """
        if seconds < 0:
            msg = f"time was asked to go back by {-seconds} s"
            raise ValueError(msg)
        self._now_s += seconds
        return self._now_s
