"""The levels of quality that a person asks for by name, and the VMAF that each stands for. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

__all__ = ["LEVELS", "Level"]

Level = Literal["visually-lossless", "high", "medium", "proxy"]

LEVELS: Final[Mapping[Level, float]] = {
    # Six points of VMAF are about one just noticeable difference (Ozer, "Finding the Just Noticeable
    # Difference with Netflix VMAF", 2017), and 93 is where most viewers see nothing that disturbs.
    "visually-lossless": 97.0,
    "high": 93.0,
    "medium": 87.0,
    "proxy": 75.0,
}
"""VMAF of each level, on average over clips."""
