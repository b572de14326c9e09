"""Finding the quality value that gives a clip a wished VMAF, by trying it on samples; and what it will cost.

The idea is ab-av1's (github.com/alexheretic/ab-av1): encode a few short parts, measure them, interpolate.
What to try next is decided in `rushes.media.quality.search`, where in the clip in
`rushes.media.quality.sampling`; this module only does it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rushes.asset import Asset
from rushes.errors import CallerError
from rushes.media.describing.inspection import describe
from rushes.media.describing.schema import MediaInfo
from rushes.media.encoders import VideoEncoder
from rushes.media.encoding.encode import encode
from rushes.media.encoding.verify import source_truth
from rushes.media.measuring.lossless import cut, encoder_alone, samples_of
from rushes.media.measuring.metrics import Measured, measure
from rushes.media.profile import Profile
from rushes.media.quality.levels import Level
from rushes.media.quality.scale import (
    curve_for,
    row_for,
    scale_of,
    shown_height,
    value_of,
    vmaf_of,
    with_quality,
)
from rushes.media.quality.search import Settled, next_step, prior_over
from rushes.media.readers.packets import open_source
from rushes.media.running.builds import Build, find_build
from rushes.media.running.process import Supervision

__all__ = ["Found", "Prediction", "find_quality", "spot_check"]

# One frame in three is scored where that leaves enough of them. Never in two or four: encoders give those
# more bits, and the mean was 1.3 points of VMAF too high (SVT-AV1).
_EVERY: Final = 3
# Of the shortest samples, 3.6 s of 24 pictures a second, 28 are scored then.
_SCORED: Final = 28
# Less than this short of the target counts as met; the encoder's scale or its steps ended there.
_NEAR_ENOUGH: Final = 1.0
# Frames from one key frame to the next where none is wished: x264's and x265's own; a cut makes more of them.
_KEY_EVERY: Final = 250
_TRIAL: Final = "trial.mkv"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What an encode with the found value should be, for the whole clip.

    Args:
        vmaf: mean.
        size_bytes: of the picture.
        seconds: of encoding on this machine, if it is as free as it was.
    """

    vmaf: float
    size_bytes: int
    seconds: float
    bit_rate: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """The value that gives the wished VMAF, how it was found, and what to expect.

    Args:
        profile: the same wish with this value in it.
        quality: on the encoder's own scale.
        predicted: of the whole clip.
        tries: (value, VMAF) of each try, in order.
        samples: half-open ranges of the clip's frames; None in place of all of it.
        note: a sentence where the target could not be met closely; empty otherwise.
    """

    profile: Profile
    quality: float
    predicted: Prediction
    tries: tuple[tuple[float, float], ...]
    samples: tuple[tuple[int, int] | None, ...]
    note: str = ""


def find_quality(
    source: Asset,
    profile: Profile,
    wish: Level | float,
    *,
    build: Build | None = None,
    info: MediaInfo | None = None,
    supervision: Supervision | None = None,
    say: Callable[[str], None] | None = None,
) -> Found:
    """The profile with the quality value that gives `source` a VMAF of `wish`.

    VMAF compares the encode with what the encoder was given: after scaling, LUT and the like.

    Args:
        source: the clip; its frame range is honoured.
        profile: the wish for everything else.
        wish: a VMAF, or a level that stands for one.
        build: an ffmpeg with libvmaf; None for the one that the environment names.
        info: a description of `source`, where the caller has one already.
        supervision: limits, progress and cancellation of every command; its folder takes the samples.
        say: told a line after each try.

    Raises:
        CallerError: the codec has no such scale, or the clip does not reach that VMAF with it.
        MediaError: the clip is damaged, or has no picture.
        PlatformError: this ffmpeg has no libvmaf.
    """
    supervision = supervision or Supervision()
    build = build or find_build()
    info = info or describe(source)
    row = row_for(profile)
    value_of(profile, min(vmaf_of(wish), 90.0), info, row)  # refuses what has no scale, before anything runs
    folder = Path(tempfile.mkdtemp(prefix="quality-", dir=supervision.cwd))
    try:
        own = replace(supervision, cwd=folder)
        search = _Search(source, profile, row, info=info, build=build, supervision=own)
        return search.run(vmaf_of(wish), say or (lambda _: None))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def spot_check(
    source: Asset,
    result: Path,
    profile: Profile,
    *,
    samples: Sequence[tuple[int, int] | None] | None = None,
    build: Build | None = None,
    info: MediaInfo | None = None,
    supervision: Supervision | None = None,
) -> Measured | None:
    """Measure the same parts of a finished encode; None where its frames are not the source's, one by one.

    Args:
        source: the clip; its frame range is honoured.
        result: what was made of it.
        profile: how.
        samples: ranges of the source's frames; None for the usual ones.
        build: an ffmpeg with libvmaf.
        info: a description of `source`.
        supervision: as of `find_quality`.

    Raises:
        MediaError: one of them is damaged.
        PlatformError: this ffmpeg has no libvmaf.
    """
    supervision = supervision or Supervision()
    build = build or find_build()
    info = info or describe(source)
    made = describe(Asset.of(result))
    if made.primary_video is None or info.primary_video is None:
        return None
    converts = profile.video.cfr and info.primary_video.rate_mode != "cfr"
    if profile.video.frame_rate is not None or converts:
        return None
    folder = Path(tempfile.mkdtemp(prefix="check-", dir=supervision.cwd))
    try:
        own = replace(supervision, cwd=folder)
        chosen = tuple(samples) if samples is not None else samples_of(source, info)[0]
        first = source.frames.start if source.frames is not None else 0
        moved = [None if s is None else (s[0] - first, s[1] - first) for s in chosen]
        if source.frames is not None and chosen == ((source.frames.start, source.frames.stop),):
            moved = [None]
        before, after = folder / "before.mkv", folder / "after.mkv"
        cut(source, chosen, before, profile, info=info, build=build, supervision=own)
        cut(Asset.of(result), moved, after, _unfiltered(profile), info=made, build=build, supervision=own)
        return measure(
            after, before, build=build, supervision=own, threads=profile.threads, every=_every(before)
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Search:
    """The loop of one search."""

    def __init__(
        self,
        source: Asset,
        profile: Profile,
        row: VideoEncoder,
        *,
        info: MediaInfo,
        build: Build,
        supervision: Supervision,
    ) -> None:
        self._profile, self._row, self._build, self._own = profile, row, build, supervision
        self._folder = supervision.cwd or Path()
        scale = scale_of(row.name)
        # x264's 0 is lossless, which is a profile of its own.
        self._scale = replace(scale, low=max(scale.low, 1.0)) if row.name == "libx264" else scale
        height = shown_height(profile, info)
        curve, _ = curve_for(row.name, profile.video.speed or row.speed, height)
        self._prior = prior_over(curve.vmaf, self._scale)
        self._samples, self._frames, self._rate = samples_of(source, info)
        self._reference = self._folder / "reference.mkv"
        cut(source, self._samples, self._reference, profile, info=info, build=build, supervision=supervision)
        self._about = describe(Asset.of(self._reference))
        self._every = _every(self._reference)
        self._sampled = _count(self._samples, self._frames)
        wished_s = profile.video.keyframe_interval_s
        self._key_every = _KEY_EVERY if wished_s is None else max(1, round(wished_s * (self._rate or 25)))

    def run(self, target: float, say: Callable[[str], None]) -> Found:
        tries: list[tuple[float, float]] = []
        costs: dict[float, tuple[int, float]] = {}
        while True:
            step = next_step(tries, self._prior, target, self._scale)
            if isinstance(step, Settled):
                return self._found(step, target, tries, costs[step.value])
            measured, size, seconds = self._try(step.value)
            tries.append((step.value, measured))
            costs[step.value] = (size, seconds)
            say(f"{self._row.name} at {step.value:g} gives a VMAF of {measured:.1f} (wished: {target:g})")

    def _try(self, value: float) -> tuple[float, int, float]:
        target = self._folder / _TRIAL
        profile = encoder_alone(self._profile, value)
        made = encode(
            Asset.of(self._reference),
            target,
            profile,
            supervision=self._own,
            build=self._build,
            info=self._about,
        )
        score = measure(
            target,
            self._reference,
            build=self._build,
            supervision=self._own,
            every=self._every,
            threads=profile.threads,
            also=False,
        )
        size = _size_of_all(target, self._frames, self._key_every)
        target.unlink()
        return score.vmaf.mean, size, made.seconds * self._frames / self._sampled

    def _found(
        self, settled: Settled, target: float, tries: Sequence[tuple[float, float]], cost: tuple[int, float]
    ) -> Found:
        short = target - settled.vmaf
        if short > _NEAR_ENOUGH and settled.limit == "best":
            raise CallerError(
                f"this clip reaches a VMAF of {settled.vmaf:.1f} with {self._row.name} at its best "
                f"({settled.value:g}), not {target:g}.",
                code="unreachable-quality",
                fix="Ask for less, or choose a mezzanine codec.",
            )
        note = ""
        if abs(short) > _NEAR_ENOUGH:
            why = "the encoder's scale ends there" if settled.limit else f"the nearest of {len(tries)} tries"
            note = f"a VMAF of {target:g} was wished and {settled.vmaf:.1f} is expected: {why}"
        size, seconds = cost
        bits = size * 8 * float(self._rate) / self._frames if self._rate else None
        return Found(
            profile=with_quality(self._profile, settled.value),
            quality=settled.value,
            predicted=Prediction(settled.vmaf, size, seconds, bits),
            tries=tuple(tries),
            samples=self._samples,
            note=note,
        )


def _count(samples: Sequence[tuple[int, int] | None], frames: int) -> int:
    return sum(frames if sample is None else sample[1] - sample[0] for sample in samples)


def _size_of_all(trial: Path, frames: int, key_every: int) -> int:
    """Bytes of so many frames encoded as those of a trial, whose samples begin with a key frame each."""
    keys: list[int] = []
    others: list[int] = []
    with open_source(trial) as container:
        for packet in container.demux(video=0):
            if packet.size:
                (keys if packet.is_keyframe else others).append(packet.size)
    if not others or len(keys) + len(others) >= frames:
        return round(sum((*keys, *others)) * frames / max(1, len(keys) + len(others)))
    wanted = max(1, round(frames / key_every))
    return round(sum(keys) / max(1, len(keys)) * wanted + sum(others) / len(others) * (frames - wanted))


def _every(reference: Path) -> int:
    frames = source_truth(reference, strict=False).frames or 0
    return 1 if frames < _SCORED * _EVERY else _EVERY


def _unfiltered(profile: Profile) -> Profile:
    return encoder_alone(profile, 0)
