"""What encodes on this host: devices, and for each encoder whether it works, why not, and how fast it is.

Values only: what a probe found (`Capability`), what a calibration measured (`Curve`), and both as JSON and
back. `probe` finds it, `probe_cache` keeps it, the choice of an encoder reads it. This module must not start
a tool, nor read the clock, the environment or a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

__all__ = ["CPU", "SCHEMA", "Capability", "Curve", "Finding", "Point", "SeenDevice", "TriedBuild"]

SCHEMA: Final = 1
CPU: Final = "cpu"
"""The device of every software encoder."""


@dataclass(frozen=True, slots=True)
class SeenDevice:
    """One device that may encode.

    Args:
        family: ``nvenc``, ``netint``, ``ama``, ``qsv``, ``vaapi``.
        index: the number that the family's encoders know it by, from 0.
        path: its device node, or "" where there is none to see.
        model: what it calls itself, or "".
        driver: version of its driver or firmware, or "".
    """

    family: str
    index: int
    path: str = ""
    model: str = ""
    driver: str = ""

    @property
    def name(self) -> str:
        """``nvenc:0``: how findings, receipts and the command line call it."""
        return f"{self.family}:{self.index}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of trying one encoder on one device at one depth.

    Args:
        family: the encoder's family.
        device: `SeenDevice.name`, or ``cpu``.
        encoder: ffmpeg's name of it.
        codec: the wish that it fulfils.
        depth: bits a sample, 8 or 10.
        works: it encoded a frame, here.
        why: one sentence when it does not; else "".
        code: the error's code when it does not; else "".
        seconds: what the trial took; encoders tried in one process share its time. 0.0 if nothing was run.
        passing: the reason may be gone in a while (a full card, a sick one, a time limit).
    """

    family: str
    device: str
    encoder: str
    codec: str
    depth: int
    works: bool
    why: str = ""
    code: str = ""
    seconds: float = 0.0
    passing: bool = False


@dataclass(frozen=True, slots=True)
class TriedBuild:
    """The ffmpeg that was tried, and what tells that it is another now."""

    families: tuple[str, ...]
    path: str
    size_bytes: int
    mtime_ns: int
    version: str


@dataclass(frozen=True, slots=True)
class Capability:
    """What a probe of this host found.

    Args:
        builds: the ffmpeg builds that were tried.
        drivers: driver versions by what has them (``nvidia``, ``nvme0``, …).
        devices: those that were found.
        findings: one for each encoder, device and depth, in the order of the catalogue.
        key: digest of builds, drivers and device nodes: while it is the same, this holds.
        probed_at: UTC epoch seconds.
        thorough: encoders without a device to see were tried too.
    """

    builds: tuple[TriedBuild, ...]
    drivers: Mapping[str, str]
    devices: tuple[SeenDevice, ...]
    findings: tuple[Finding, ...]
    key: str
    probed_at: float
    thorough: bool = False

    def working(
        self, codec: str | None = None, depth: int | None = None, family: str | None = None
    ) -> tuple[Finding, ...]:
        """The findings that work, of one codec, depth or family where that is given."""
        return tuple(
            one
            for one in self.findings
            if one.works
            and codec in (None, one.codec)
            and depth in (None, one.depth)
            and family in (None, one.family)
        )

    @property
    def passing(self) -> bool:
        """Whether something does not work for a reason that may be gone in a while."""
        return any(one.passing for one in self.findings)

    def to_json(self) -> dict[str, Any]:
        """JSON-able data; `from_json` is its inverse."""
        return {"schema": SCHEMA, **asdict(self), "drivers": dict(self.drivers)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Capability:
        """What `to_json` wrote.

        Raises:
            ValueError: it is of another schema, or no such data.
        """
        try:
            if data["schema"] != SCHEMA:
                raise ValueError(f"schema {data['schema']!r} is not {SCHEMA}")
            builds = (
                TriedBuild(**{**one, "families": tuple(map(str, one["families"]))}) for one in data["builds"]
            )
            return cls(
                builds=tuple(builds),
                drivers={str(name): str(version) for name, version in data["drivers"].items()},
                devices=tuple(SeenDevice(**one) for one in data["devices"]),
                findings=tuple(Finding(**one) for one in data["findings"]),
                key=str(data["key"]),
                probed_at=float(data["probed_at"]),
                thorough=bool(data["thorough"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no capability: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement: so many frames of so many pixels took so many seconds, start-up not counted."""

    width: int
    height: int
    frames: int
    seconds: float

    @property
    def pixels(self) -> int:
        return self.width * self.height * self.frames


@dataclass(frozen=True, slots=True)
class Curve:
    """How long one encoder takes on one device: ``seconds = a·pixels + b·frames``.

    Args:
        per_pixel_s: a, seconds for each pixel.
        per_frame_s: b, seconds for each frame, whatever its size.
        points: the measurements that it was fitted to.
    """

    family: str
    device: str
    encoder: str
    codec: str
    depth: int
    per_pixel_s: float
    per_frame_s: float
    points: tuple[Point, ...]

    def seconds(self, pixels: float, frames: int) -> float:
        """What `frames` frames of `pixels` pixels in all will take."""
        return self.per_pixel_s * pixels + self.per_frame_s * frames

    def pixels_per_s(self, width: int, height: int) -> float:
        """Pixels encoded in a second, of frames of this size."""
        pixels = width * height
        return pixels / self.seconds(pixels, 1)

    def to_json(self) -> dict[str, Any]:
        """JSON-able data; `from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Curve:
        """What `to_json` wrote.

        Raises:
            ValueError: it is no such data.
        """
        try:
            curve = cls(**{**data, "points": tuple(Point(**one) for one in data["points"])})
            if not _fits(curve.per_pixel_s, curve.per_frame_s):
                raise ValueError("a curve whose frames take no time")
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no curve: {type(error).__name__}: {error}") from error
        return curve

    @classmethod
    def fit(cls, finding: Finding, points: Iterable[Point]) -> Curve | None:
        """The curve nearest to the measurements; None where they allow none.

        Relative errors are what is made least, or the largest size would decide alone. Neither part may be
        negative: a part that would be is left out.
        """
        found = tuple(one for one in points if one.seconds > 0 and one.frames > 0 and one.pixels > 0)
        fitted = _least_squares([(p.pixels / p.seconds, p.frames / p.seconds) for p in found])
        if fitted is None:
            return None
        return cls(
            family=finding.family,
            device=finding.device,
            encoder=finding.encoder,
            codec=finding.codec,
            depth=finding.depth,
            per_pixel_s=fitted[0],
            per_frame_s=fitted[1],
            points=found,
        )


def _fits(per_pixel_s: float, per_frame_s: float) -> bool:
    return min(per_pixel_s, per_frame_s) >= 0 and max(per_pixel_s, per_frame_s) > 0


def _least_squares(rows: list[tuple[float, float]]) -> tuple[float, float] | None:
    """(a, b) ≥ 0 with a·x + b·y nearest to 1 in every row."""
    if not rows:
        return None
    xx = sum(x * x for x, _ in rows)
    yy = sum(y * y for _, y in rows)
    xy = sum(x * y for x, y in rows)
    sum_x, sum_y = sum(x for x, _ in rows), sum(y for _, y in rows)
    determinant = xx * yy - xy * xy
    # One size alone, or sizes in one proportion, cannot tell the two parts from each other.
    if determinant > 1e-9 * xx * yy:
        a = (yy * sum_x - xy * sum_y) / determinant
        b = (xx * sum_y - xy * sum_x) / determinant
        if _fits(a, b):
            return a, b
    # All by pixels, or all by frames: the one that leaves the smaller error.
    by_pixels, by_frames = (sum_x / xx, 0.0), (0.0, sum_y / yy)
    return min(by_pixels, by_frames, key=lambda ab: sum((ab[0] * x + ab[1] * y - 1) ** 2 for x, y in rows))
