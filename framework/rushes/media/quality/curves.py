"""What the values of each encoder's quality scale are worth: curves that were measured, and estimates.

They are read from `curves.json`, which ``samples/calibrate_quality.py`` writes, once a process. This
module must not choose among them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from rushes.errors import CallerError
from rushes.media.quality.estimates import ESTIMATES, SCALES, ScaleEstimate
from rushes.media.quality.interpolation import Falling, falling

__all__ = ["QualityCurve", "load_curves", "with_own"]

_DATA: Final = Path(__file__).with_name("curves.json")


@dataclass(frozen=True, slots=True)
class QualityCurve:
    """What the values of one encoder and preset are worth at one height.

    Args:
        encoder: ffmpeg's name.
        preset: its preset; empty where one curve stands for all.
        height: of the pictures that were measured, as 16:9; 0 where it is not known.
        vmaf: over the encoder's value.
        bits: ratio of bit rate to libx264 medium at 23, by value; empty where it is not known.
        measured: by us, rather than somebody's estimate.
        source: where it is from.
    """

    encoder: str
    preset: str
    height: int
    vmaf: Falling
    bits: tuple[tuple[float, float], ...]
    measured: bool
    source: str

    def bits_at(self, value: float) -> float | None:
        """Bit rate as a ratio to libx264 medium at 23, between the points by its logarithm."""
        if not self.bits:
            return None
        return math.exp(falling((at, math.log(ratio)) for at, ratio in self.bits).at(value))

    def to_json(self) -> dict[str, Any]:
        """JSON-able data; `from_json` is its inverse."""
        return {
            "encoder": self.encoder,
            "preset": self.preset,
            "height": self.height,
            "points": [list(point) for point in self.vmaf.points],
            "bits": [list(point) for point in self.bits],
            "measured": self.measured,
            "source": self.source,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> QualityCurve:
        """What `to_json` wrote.

        Raises:
            ValueError: it is no such data.
        """
        try:
            return cls(
                encoder=str(data["encoder"]),
                preset=str(data["preset"]),
                height=int(data["height"]),
                vmaf=falling((float(x), float(y)) for x, y in data["points"]),
                bits=tuple((float(x), float(ratio)) for x, ratio in data["bits"]),
                measured=bool(data["measured"]),
                source=str(data["source"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no quality curve: {type(error).__name__}: {error}") from error


@cache
def load_curves(path: Path = _DATA) -> tuple[QualityCurve, ...]:
    """The curves of a file that ``samples/calibrate_quality.py`` wrote, and the estimates.

    Raises:
        CallerError: the file is missing or is none of them.
    """
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        source = (
            f"measured {document['date']} with ffmpeg {document['build']} on {len(document['clips'])} clips"
        )
        measured = [_of_row(row, source) for row in document["curves"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CallerError(
            f"the quality curves in {path.name} cannot be read: {error}.",
            code="bad-curves",
            fix="Write them with samples/calibrate_quality.py.",
        ) from error
    return (*measured, *(made for row in ESTIMATES for made in _of_estimate(row, measured)))


def with_own(own: Sequence[QualityCurve]) -> tuple[QualityCurve, ...]:
    """The curves that ship, but what was measured on this host in the place of what others said of it."""
    known = {curve.encoder for curve in own}
    return (*own, *(one for one in load_curves() if one.measured or one.encoder not in known))


def _of_row(row: Mapping[str, Any], source: str) -> QualityCurve:
    return QualityCurve(
        encoder=str(row["encoder"]),
        preset=str(row["preset"]),
        height=int(row["height"]),
        vmaf=falling((float(point[0]), float(point[1])) for point in row["points"]),
        bits=tuple((float(point[0]), float(point[2])) for point in row["points"]),
        measured=True,
        source=source,
    )


def _of_estimate(row: ScaleEstimate, measured: Sequence[QualityCurve]) -> list[QualityCurve]:
    if row.points:
        return [QualityCurve(row.encoder, "", 0, falling(row.points), (), measured=False, source=row.source)]
    (a, own_a), (b, own_b) = row.pairs
    scale = SCALES[row.encoder]
    made = []
    for curve in measured:
        if (curve.encoder, curve.preset) != row.like:
            continue
        moved = [(own_a + (x - a) * (own_b - own_a) / (b - a), y) for x, y in curve.vmaf.points]
        kept = [(x, y) for x, y in moved if scale.low <= x <= scale.high]
        made.append(
            QualityCurve(row.encoder, "", curve.height, falling(kept), (), measured=False, source=row.source)
        )
    return made
