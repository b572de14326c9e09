"""One encode, from a wish to a verified file: describe, plan, run, classify, verify.

Everything that decides is elsewhere and pure; this module only does. It writes `target` and nothing beside
it, in a folder of its own for what a graph reads, and leaves no half of a result behind.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from rushes.asset import Asset, Output
from rushes.media.box import weakest
from rushes.media.builds import Build, find_build
from rushes.media.dialect import classify, damage_in
from rushes.media.fonts import find_font
from rushes.media.guard import check_source, input_args, output_args
from rushes.media.inspection import describe
from rushes.media.loudness import read_loudness
from rushes.media.plan import EncodePlan, Expectation, plan_encode, plan_loudness
from rushes.media.process import Supervision, ToolRun, check, run_ffmpeg
from rushes.media.profile import Profile
from rushes.media.schema import MediaInfo
from rushes.media.tracks import Loudness
from rushes.media.umid import stamp_umid
from rushes.media.verify import Expected, SourceTruth, Verification, source_truth, verify

__all__ = ["Encoded", "encode"]


@dataclass(frozen=True)
class Encoded:
    """What came of an encode.

    Args:
        frames: frames of the result, counted in the file.
        duration_s: its duration.
        encoder: ffmpeg's name of the encoder that made it.
        tried: the encoders that were tried, in order; the last one made it.
        argv: the last command.
        seconds: wall time of all commands.
        cpu_s: processor time of all commands, children included.
        size_bytes: size of the result.
        build: name, version and configuration of the ffmpeg that was used.
        verification: what was checked, at which level, and what was found.
        warnings: what the caller should know.
        commands: every command, the last one included.
        expected: what the plan promised of the result.
        box: the weakest level of the box that a command ran in.
    """

    frames: int
    duration_s: float
    encoder: str
    tried: tuple[str, ...]
    argv: tuple[str, ...]
    seconds: float
    cpu_s: float
    size_bytes: int
    build: Mapping[str, str]
    verification: Mapping[str, Any]
    expected: Expectation
    warnings: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = field(default=())
    box: str = "none"


def encode(
    source: Asset,
    target: Output | Path,
    profile: Profile,
    *,
    supervision: Supervision | None = None,
    build: Build | None = None,
    info: MediaInfo | None = None,
) -> Encoded:
    """Encode `source` into `target` as `profile` wishes, and verify the result against the source.

    Args:
        source: the clip; its frame range is honoured.
        profile: what the result should be.
        target: the file to write; nothing is there afterwards when this raises.
        supervision: limits, progress, cancellation and log of every command.
        build: the ffmpeg to use; None for the one that the environment names.
        info: a description of `source`, where the caller has one already.

    Raises:
        CallerError: the profile does not fit the source; nothing has run.
        MediaError: the source is damaged, truncated or holds no such media.
        PlatformError: this machine could not do it, or the result is not what was planned.
    """
    supervision = supervision or Supervision()
    path = Path(target)
    check_source(source)
    info = info or describe(source)
    build = build or find_build()
    rate = _sequence_rate(info, profile)
    info = _at_rate(info, rate)
    salvages = profile.on_damage == "salvage"
    truth = source_truth(source, frame_rate=rate, strict=not salvages, cancelled=supervision.cancelled)
    opened = input_args(source, info.container.format, frame_rate=rate)
    with _folder(supervision) as folder:
        own = replace(supervision, cwd=folder)
        runs: list[ToolRun] = []
        measured = _measure(info, profile, build, source=source, opened=opened, supervision=own, runs=runs)
        plan = plan_encode(
            info,
            profile,
            build,
            source=source,
            input_args=opened,
            target=output_args(path)[-1],
            present=None if salvages else truth.frames,
            present_s=None if salvages else truth.duration_s,
            loudness=measured,
        )
        own = replace(own, reads=(*supervision.reads, *_stage(plan, folder)))
        try:
            _run(plan, profile, build, path, supervision=own, runs=runs)
            expected = _expected(plan, source, truth, salvages=salvages)
            verification = verify(path, expected, profile.verify, cancelled=supervision.cancelled)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return _encoded(plan, profile, build, path, runs=runs, verification=verification)


def _run(
    plan: EncodePlan,
    profile: Profile,
    build: Build,
    path: Path,
    *,
    supervision: Supervision,
    runs: list[ToolRun],
) -> None:
    """Run every command, and take ffmpeg at its word only where nothing it printed says otherwise."""
    for number, args in enumerate(plan.passes, start=1):
        shown = _share_of(supervision, number, len(plan.passes))
        run = run_ffmpeg(build, args, supervision=shown, total_s=plan.expected.duration_s)
        runs.append(check(run, build.major))
    last = runs[-1]
    if profile.on_damage == "fail" and damage_in(last) is not None:
        raise classify(last, build.major)
    if profile.container == "mxf":
        stamp_umid(path, "\0".join(_portable(plan)))


def _expected(plan: EncodePlan, source: Asset, truth: SourceTruth, *, salvages: bool) -> Expected:
    """What verification holds the result to: the plan's promise, measured on what the source really has."""
    promised = plan.expected
    part = Expected(
        has_video=promised.size is not None,
        audio_tracks=len(promised.audio_channels),
        width=promised.size[0] if promised.size else None,
        height=promised.size[1] if promised.size else None,
        source_problem=truth.problem,
    )
    if salvages:
        return part
    whole = source.frames is None
    if promised.rate is not None and promised.frames is not None:
        duration_s, tolerance_s = float(promised.frames / promised.rate), None
    elif promised.frames is not None:
        # The last picture of a variable rate has no end of its own: muxers repeat the one before, by hours.
        duration_s, tolerance_s = None, None
    else:
        duration_s, tolerance_s = (truth.duration_s if whole else promised.duration_s), 0.5
    return replace(
        part,
        frames=promised.frames,
        tolerance_frames=promised.slack,
        leading=truth.leading if whole else 0,
        duration_s=duration_s,
        tolerance_s=tolerance_s,
        audio_s=min(truth.audio_s, default=None) if whole and promised.audio_channels else None,
    )


def _measure(
    info: MediaInfo,
    profile: Profile,
    build: Build,
    *,
    source: Asset,
    opened: Sequence[str],
    supervision: Supervision,
    runs: list[ToolRun],
) -> list[Loudness] | None:
    planned = plan_loudness(info, profile, source=source, input_args=opened)
    if planned is None:
        return None
    args, tracks = planned
    run = check(
        run_ffmpeg(build, args, supervision=supervision, total_s=info.duration_s, level="info"), build.major
    )
    runs.append(run)
    return read_loudness(run.stderr_tail, tracks)


def _stage(plan: EncodePlan, folder: Path) -> list[Path]:
    """Put beside the encode what its graph reads; gives the files that this leads to."""
    led: list[Path] = []
    for staged in plan.staged:
        place = folder / staged.name
        if staged.path is None:
            place.write_text(staged.text or "", encoding="utf-8", errors="replace")
        else:
            check_source(staged.path)
            led.append(staged.path.absolute())
            place.symlink_to(led[-1])
    if plan.needs_font:
        led.append(find_font())
        (folder / "font.ttf").symlink_to(led[-1])
    return led


def _encoded(
    plan: EncodePlan,
    profile: Profile,
    build: Build,
    path: Path,
    *,
    runs: Sequence[ToolRun],
    verification: Verification,
) -> Encoded:
    size = path.stat().st_size
    warnings = list(plan.warnings)
    if plan.target_bytes is not None and size > plan.target_bytes * 1.03:
        warnings.append(f"the result has {size} bytes, more than the {plan.target_bytes} that were wished")
    if profile.on_damage == "salvage" and damage_in(runs[-1]) is not None:
        warnings.append("the source is damaged: the result holds what could be decoded")
    return Encoded(
        frames=verification.frames or 0,
        duration_s=verification.duration_s or 0.0,
        encoder=plan.encoder,
        tried=(plan.encoder,),
        argv=runs[-1].argv,
        seconds=sum(run.seconds for run in runs),
        cpu_s=sum(run.cpu_s for run in runs),
        size_bytes=size,
        build=build.facts(),
        verification=verification.to_dict(),
        expected=plan.expected,
        warnings=tuple(warnings),
        commands=tuple(run.argv for run in runs),
        box=weakest(run.box for run in runs),
    )


@contextmanager
def _folder(supervision: Supervision) -> Iterator[Path]:
    """A folder of this encode's own: pass logs, staged files. Its name never enters a filter graph."""
    parent = supervision.cwd
    folder = Path(tempfile.mkdtemp(prefix="encode-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _share_of(supervision: Supervision, number: int, passes: int) -> Supervision:
    """Progress of one pass as a part of the whole, so that a bar never runs backwards."""
    receive = supervision.on_progress
    if receive is None or passes == 1:
        return supervision
    return replace(
        supervision,
        on_progress=lambda p: receive(
            replace(p, share=None if p.share is None else (number - 1 + p.share) / passes)
        ),
    )


def _sequence_rate(info: MediaInfo, profile: Profile) -> Fraction | None:
    """An image sequence has the rate that the caller names, else the one that its headers state."""
    if not info.is_sequence:
        return None
    stream = info.primary_video
    named = profile.video.frame_rate or (stream.frame_rate if stream else None)
    return Fraction(named) if named else None


def _at_rate(info: MediaInfo, rate: Fraction | None) -> MediaInfo:
    """The description of a sequence that is read at the rate that the caller names."""
    stream = info.primary_video
    if rate is None or stream is None:
        return info
    frames = info.sequence.frames if info.sequence else 0
    timed = stream.model_copy(update={"frame_rate": str(rate), "duration_s": float(frames / rate)})
    return info.model_copy(update={"video": [timed if v is stream else v for v in info.video]})


def _portable(plan: EncodePlan) -> Iterator[str]:
    """The words of a plan that are the same on every machine, whatever its result is called."""
    for *args, _ in plan.passes:
        yield from (Path(word).name if word.startswith("file:") else word for word in args)
