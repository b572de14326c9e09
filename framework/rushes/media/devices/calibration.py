"""Measuring how fast the encoders of this host are: a few sizes each, and the curve through them.

Each size is run with one frame and with many: the difference is what frames cost, without the start of the
process and of the device's session. One after another, with nothing beside it: two at once would measure each
other. This module must not know where curves are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from rushes.media.devices.capability import Capability, Curve, Finding, Point, SeenDevice
from rushes.media.devices.trial_rows import EncoderTrial, as_encoded, command, trials
from rushes.media.running.builds import Build
from rushes.media.running.process import Limits, Supervision, ToolRun, run_ffmpeg

__all__ = ["SIZES", "calibrate"]

SIZES: Final = ((640, 360), (1280, 720), (1920, 1080))
_FEW: Final = 4
# Long enough that a difference of two runs stands out of the noise of starting them.
_WANTED_S: Final = 0.7
_PICTURES: Final = 12
_MOST_FRAMES: Final = 480
_LIMIT_S: Final = 60.0


def calibrate(
    found: Capability,
    build_of: Callable[[str], Build],
    *,
    sizes: Sequence[tuple[int, int]] = SIZES,
    wanted_s: float = _WANTED_S,
    say: Callable[[Finding], None] | None = None,
    run: Callable[[Build, list[str]], ToolRun] | None = None,
) -> list[Curve]:
    """Measure every encoder that works; those whose measurements make no curve are left out.

    Args:
        found: what works here.
        build_of: gives the build of a family.
        sizes: pictures to measure with; a broadcast codec is measured with its own.
        wanted_s: seconds that the longer run of a size should about take.
        say: called before each encoder.
        run: carries a command out; for tests.

    Raises:
        RushesError: a build is not usable any more.
    """
    run = run or _run
    devices = {device.name: device for device in found.devices}
    curves = []
    for finding in found.working():
        trial = _trial_of(finding)
        if trial is None:
            continue
        if say is not None:
            say(finding)
        trial = as_encoded(trial)
        device = devices.get(finding.device) or _unseen(finding)
        own = _own_sizes(trial, sizes)
        build = build_of(finding.family)
        points = (_measured(replace(trial, width=w, height=h), device, build, wanted_s, run) for w, h in own)
        curve = Curve.fit(finding, [point for point in points if point is not None])
        if curve is not None:
            curves.append(curve)
    return curves


def _measured(
    trial: EncoderTrial,
    device: SeenDevice | None,
    build: Build,
    wanted_s: float,
    run: Callable[[Build, list[str]], ToolRun],
) -> Point | None:
    """Frames and seconds of one size, or None where it cannot be told."""
    start = run(build, _command(trial, device, 1))
    few = run(build, _command(trial, device, 1 + _FEW))
    if not start.ok or not few.ok:
        return None
    per_frame_s = max((few.seconds - start.seconds) / _FEW, wanted_s / _MOST_FRAMES)
    frames = max(_FEW, min(_MOST_FRAMES, round(wanted_s / per_frame_s)))
    many = run(build, _command(trial, device, 1 + frames))
    seconds = many.seconds - start.seconds
    return Point(trial.width, trial.height, frames, seconds) if many.ok and seconds > 0 else None


def _command(trial: EncoderTrial, device: SeenDevice | None, frames: int) -> list[str]:
    # Moving detail, for a flat picture costs an encoder next to nothing; a few pictures over and over, for a
    # card encodes faster than they are made.
    made = f"testsrc2=s={trial.width}x{trial.height}:r={trial.rate},format={trial.pix_fmt}"
    return command(trial, device, frames, f"{made},loop=loop=-1:size={_PICTURES}")


def _own_sizes(trial: EncoderTrial, sizes: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    plain = next((one for one in trials() if one.family == trial.family), trial)
    if (trial.width, trial.height) != (plain.width, plain.height):
        return [(trial.width, trial.height)]
    return list(sizes)


def _trial_of(finding: Finding) -> EncoderTrial | None:
    asked = (finding.family, finding.encoder, finding.codec, finding.depth)
    return next((t for t in trials() if (t.family, t.encoder, t.codec, t.depth) == asked), None)


def _unseen(finding: Finding) -> SeenDevice | None:
    """A device that works though no node of it was seen."""
    family, _, index = finding.device.partition(":")
    return SeenDevice(family, int(index)) if index.isdigit() else None


def _run(build: Build, args: list[str]) -> ToolRun:
    return run_ffmpeg(build, args, supervision=Supervision(limits=Limits(stall_s=None, time_s=_LIMIT_S)))
