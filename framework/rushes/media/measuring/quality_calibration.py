"""What the values of this host's own devices are worth: measured, where all that is known is somebody's word.

Short parts of clips are encoded on a device at several values, and by the codec's software encoder at several
of its own. What counts is which two look the same: the curve that ships says what a software value is worth
over clips in general, so that one clip, even a generated one, is enough to tell what a device's value is.
This module must not know where curves are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rushes.asset import Asset
from rushes.errors import RushesError
from rushes.media.describing.inspection import describe
from rushes.media.devices.capability import Capability, Finding
from rushes.media.devices.tries import KnownHost
from rushes.media.encoders import VideoEncoder, rows_of
from rushes.media.encoding.encode import encode
from rushes.media.encoding.means import Means
from rushes.media.measuring.gate import measuring_build
from rushes.media.measuring.lossless import cut
from rushes.media.measuring.metrics import measure
from rushes.media.planning.choice import SOFTWARE, EncoderChoice
from rushes.media.profile import Profile
from rushes.media.quality.curves import QualityCurve
from rushes.media.quality.interpolation import Falling, falling
from rushes.media.quality.scale import curve_for, scale_of
from rushes.media.running.builds import Build
from rushes.media.running.process import Limits, Supervision, check, run_ffmpeg
from rushes.temporary import temporary_folder

__all__ = ["HEIGHTS", "calibrate_quality", "translated"]

HEIGHTS: Final = (360, 720)
_SHARES: Final = (0.28, 0.4, 0.52, 0.64, 0.76)
"""Of an encoder's scale: 15 to 39 of 51. Below, nothing is lost; above, nobody looks at it."""
_FRAMES: Final = 30
_LIMITS: Final = Limits(stall_s=60.0, time_s=300.0)
# Grain, slow motion and detail at all scales: of what can be generated the nearest to pictures.
_PICTURE: Final = (
    "mandelbrot=s=1280x720:r=25:start_scale=0.2:end_scale=0.01:end_pts=250,noise=alls=5:allf=t+u:all_seed=1"
)

Trial = tuple[float, float, int]
"""A value, its VMAF, and bytes."""


def calibrate_quality(
    found: Capability,
    build_of: Callable[[str], Build],
    *,
    clips: Sequence[Path] = (),
    heights: Sequence[int] = HEIGHTS,
    say: Callable[[Finding], None] | None = None,
    day: str = "",
) -> list[QualityCurve]:
    """A curve for each device encoder that works; those that make none are left out.

    Args:
        found: what works here.
        build_of: gives the build of a family.
        clips: footage to measure with; none for a generated picture.
        heights: of the pictures.
        say: called before each encoder.
        day: when, for the curve's source.

    Raises:
        RushesError: a clip cannot be read, or no ffmpeg here has libvmaf.
    """
    wanted = _encoders(found)
    if not wanted or measuring_build() is None:
        return []
    curves = []
    with temporary_folder("quality") as folder:
        software = build_of("software")
        sources = list(clips) or [_generated(folder, software)]
        shown = {height: _references(sources, height, folder, software) for height in heights}
        bench = _Bench(folder, found)
        for row, finding in wanted:
            if say is not None:
                say(finding)
            for height, references in shown.items():
                curve = bench.curve(row, finding, height, references, f"{day} with {len(sources)} clip(s)")
                if curve is not None:
                    curves.append(curve)
    return curves


def translated(
    device: Iterable[Trial], ruler: Iterable[Trial], average: Falling
) -> list[tuple[float, float, float]]:
    """What a device's values are worth over clips in general, of what two encoders did to one clip. Pure.

    Args:
        device: its trials.
        ruler: those of the software encoder, on the same clip; its second value is the usual one.
        average: what the software encoder's values are worth over clips in general.

    Returns:
        (value, VMAF, ratio of bytes to the ruler's usual value), of values that lie within the ruler.
    """
    known = sorted(ruler)
    own = falling((value, vmaf) for value, vmaf, _ in known)
    base = known[min(1, len(known) - 1)][2]
    return [
        (value, average.at(own.solve(vmaf)), size / base)
        for value, vmaf, size in sorted(device)
        if own.worst <= vmaf <= own.best
    ]


def _encoders(found: Capability) -> list[tuple[VideoEncoder, Finding]]:
    """Each device encoder with a quality scale, on the first device where it works."""
    seen: dict[str, tuple[VideoEncoder, Finding]] = {}
    for finding in found.working(depth=8):
        for row in rows_of(finding.codec, finding.family):
            if row.name == finding.encoder and row.quality is not None and row.family != "software":
                seen.setdefault(row.name, (row, finding))
    return list(seen.values())


@dataclass
class _Bench:
    """Runs trials, and remembers the software ones."""

    folder: Path
    found: Capability

    def __post_init__(self) -> None:
        self._rulers: dict[tuple[str, Path], list[Trial]] = {}

    def curve(
        self, row: VideoEncoder, finding: Finding, height: int, references: Sequence[Path], when: str
    ) -> QualityCurve | None:
        software = rows_of(row.codec, "software")[0]
        average, _ = curve_for(software.name, None, height)
        points: dict[float, list[tuple[float, float]]] = {}
        for reference in references:
            device = list(self._trials(row, reference, EncoderChoice((row.family,), "forbid")))
            ruler = self._ruler(software, reference) if device else []
            if len(ruler) > 1:
                for value, vmaf, ratio in translated(device, ruler, average.vmaf):
                    points.setdefault(value, []).append((vmaf, ratio))
        if len(points) < 2:
            return None
        means = {value: _means(found) for value, found in sorted(points.items())}
        return QualityCurve(
            encoder=row.name,
            preset="",
            height=height,
            vmaf=falling((value, vmaf) for value, (vmaf, _) in means.items()),
            bits=tuple((value, ratio) for value, (_, ratio) in means.items()),
            measured=True,
            source=f"measured on this host ({finding.device}) beside {software.name}, {when}".replace(
                " ,", ","
            ),
        )

    def _ruler(self, software: VideoEncoder, reference: Path) -> list[Trial]:
        key = software.name, reference
        if key not in self._rulers:
            self._rulers[key] = list(self._trials(software, reference, SOFTWARE))
        return self._rulers[key]

    def _trials(self, row: VideoEncoder, reference: Path, choice: EncoderChoice) -> Iterator[Trial]:
        scale = scale_of(row.name)
        for share in _SHARES:
            value = scale.nearest(scale.low + share * (scale.high - scale.low))
            profile = Profile.model_validate(
                {
                    "container": "mkv",
                    "video": {"codec": row.codec, "quality": value, "pix_fmt": "yuv420p"},
                    "audio": {"codec": "none"},
                }
            )
            target = self.folder / "trial.mkv"
            own = Supervision(limits=_LIMITS, cwd=self.folder)
            try:
                encode(
                    Asset.of(reference),
                    target,
                    profile,
                    supervision=own,
                    means=Means(choice, KnownHost(self.found)),
                )
            except RushesError:
                continue  # it does not take this size, or its card is full: fewer points, or no curve
            found = measure(target, reference, build=measuring_build(), supervision=own, also=False)
            yield value, found.vmaf.mean, target.stat().st_size


def _means(found: Sequence[tuple[float, float]]) -> tuple[float, float]:
    vmafs, ratios = zip(*found, strict=True)
    return sum(vmafs) / len(vmafs), sum(ratios) / len(ratios)


def _generated(folder: Path, build: Build) -> Path:
    """A lossless picture with grain that moves."""
    target = folder / "generated.mkv"
    args = ["-y", "-f", "lavfi", "-i", _PICTURE, "-frames:v", str(_FRAMES), "-pix_fmt", "yuv420p"]
    args += ["-c:v", "ffv1", f"file:{target}"]
    check(run_ffmpeg(build, args, supervision=Supervision(limits=_LIMITS, cwd=folder)), build.major)
    return target


def _references(sources: Sequence[Path], height: int, folder: Path, build: Build) -> list[Path]:
    """Lossless parts of clips at one height, from their middle; smaller clips are left out."""
    made = []
    for number, source in enumerate(sources):
        info = describe(Asset.of(source))
        picture = info.primary_video
        if picture is None or min(picture.display_size) < height:
            continue
        frames = picture.frames_declared or _FRAMES
        first = max(0, (frames - _FRAMES) // 2)
        target = folder / f"{height}-{number}.mkv"
        wish = Profile.model_validate(
            {
                "container": "mkv",
                "video": {"codec": "h264", "height": height, "pix_fmt": "yuv420p", "deinterlace": "on"},
            }
        )
        cut(
            Asset.of(source),
            [(first, first + min(_FRAMES, frames))],
            target,
            wish,
            info=info,
            build=build,
            supervision=Supervision(limits=_LIMITS, cwd=folder),
        )
        made.append(target)
    return made
