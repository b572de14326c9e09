"""What this machine gives to its pool: of its settings and of its device nodes.

This module must not know who asks.
"""

from __future__ import annotations

from pathlib import Path

from rushes.core.events import Capacity
from rushes.runtime.configuration.settings import Settings

__all__ = ["capacity_of"]


def capacity_of(settings: Settings) -> Capacity:
    """What the pool of these settings has to give."""
    return Capacity(settings.cpu, float(settings.memory_bytes), gpu=float(_gpus()))


def _gpus() -> int:
    """NVIDIA devices of this machine, by their device nodes."""
    return sum(1 for _ in Path("/dev").glob("nvidia[0-9]*"))
