"""Where time comes from."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Clock"]


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """UTC epoch seconds."""
        ...
