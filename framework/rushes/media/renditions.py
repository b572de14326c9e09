"""Makes the renditions of a ladder: describe, plan, one command, verify each against the source.

Everything that decides is elsewhere and pure; this module only does. It writes into the folders that it is
given, and leaves nothing in them when it raises. It must not know how renditions are packaged.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from rushes.asset import Asset
from rushes.errors import PlatformError
from rushes.media.builds import Build
from rushes.media.dialect import classify, damage_in
from rushes.media.guard import check_source, input_args, output_args
from rushes.media.inspection import describe
from rushes.media.ladder import LadderPlan, Rendition, plan_ladder
from rushes.media.process import Supervision, ToolRun, check, never, run_ffmpeg
from rushes.media.rungs import Ladder
from rushes.media.schema import MediaInfo
from rushes.media.still_branches import SHEET, THUMBNAILS, Stills
from rushes.media.verify import Expected, Level, SourceTruth, Verification, source_truth, verify

__all__ = ["Made", "Runner", "make_renditions", "supervised", "taken_stills"]


class Runner(Protocol):
    """Runs one ffmpeg command, watched; raises what its failure means."""

    def __call__(self, args: Sequence[str], total_s: float | None) -> ToolRun: ...


@dataclass(frozen=True, slots=True)
class Made:
    """Renditions that passed.

    Args:
        plan: what was planned.
        folder: where they are, ``{name}.mp4`` each.
        pictures, sounds: what was found in each, in the plan's order.
        thumbnails: how many were taken.
        sheet: the contact sheet's name.
        run: the command that made them.
    """

    plan: LadderPlan
    folder: Path
    pictures: tuple[Verification, ...]
    sounds: tuple[Verification, ...]
    thumbnails: int
    sheet: str | None
    run: ToolRun

    def file(self, name: str) -> Path:
        """The file of a rendition or a sound."""
        return self.folder / f"{name}.mp4"


def supervised(build: Build, supervision: Supervision | None = None) -> Runner:
    """A runner under `supervision`."""

    def run(args: Sequence[str], total_s: float | None) -> ToolRun:
        return check(run_ffmpeg(build, args, supervision=supervision, total_s=total_s), build.major)

    return run


def make_renditions(
    source: Asset,
    ladder: Ladder,
    folder: Path,
    *,
    stills_folder: Path,
    build: Build,
    run: Runner,
    level: Level = "packets",
    cancelled: Callable[[], bool] = never,
) -> Made:
    """Every rung, sound and still of `ladder`, made by one command and verified against the source.

    Args:
        source: the clip; its frame range is honoured.
        ladder: the wish.
        folder: where renditions go; made here, and removed where this raises.
        stills_folder: where stills go.
        build: the ffmpeg that `run` runs.
        run: how a command is run.
        level: how thoroughly each is read back.
        cancelled: asked while files are read.

    Raises:
        CallerError: the ladder does not fit the source; nothing has run.
        MediaError: the source is damaged, truncated or has no picture.
        PlatformError: this machine could not do it, or a result is not what was planned.
        Cancelled: somebody said so.
    """
    check_source(source)
    info = describe(source)
    rate = _sequence_rate(info, ladder)
    info = _at_rate(info, rate)
    truth = source_truth(source, frame_rate=rate, cancelled=cancelled)
    plan = plan_ladder(
        info,
        ladder,
        build,
        source=source,
        input_args=input_args(source, info.container.format, frame_rate=rate),
        place=output_args(folder)[-1],
        stills_place=output_args(stills_folder)[-1],
        present=truth.frames,
        present_s=truth.duration_s,
        leading=truth.leading if source.frames is None else 0,
    )
    folder.mkdir(parents=True)
    thumbnails = stills_folder / THUMBNAILS
    if ladder.stills.every_s is not None:
        thumbnails.mkdir(parents=True)
    try:
        done = _refuse_damaged(run(plan.args, plan.duration_s), build)
        pictures = [
            verify(folder / f"{r.name}.mp4", _expected(r, plan, source, truth), level, cancelled=cancelled)
            for r in plan.renditions
        ]
        heard = _expected_sound(plan, source, truth)
        sounds = [verify(folder / f"{s.name}.mp4", heard, level, cancelled=cancelled) for s in plan.sounds]
        _refuse_odd(plan, pictures)
        taken, sheet = taken_stills(ladder.stills, stills_folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(thumbnails, ignore_errors=True)
        (stills_folder / f"{SHEET}.{ladder.stills.kind}").unlink(missing_ok=True)
        raise
    return Made(plan, folder, tuple(pictures), tuple(sounds), taken, sheet, done)


def _refuse_damaged(run: ToolRun, build: Build) -> ToolRun:
    """A command on damaged pictures may end with success; what it printed tells."""
    if damage_in(run) is not None:
        raise classify(run, build.major)
    return run


def _expected(rendition: Rendition, plan: LadderPlan, source: Asset, truth: SourceTruth) -> Expected:
    """What a rendition is held to: the plan's promise, measured on what the source really has."""
    whole = source.frames is None
    return Expected(
        has_video=True,
        audio_tracks=0,
        width=rendition.width,
        height=rendition.height,
        frames=plan.frames,
        tolerance_frames=plan.slack,
        leading=truth.leading if whole else 0,
        duration_s=None if plan.frames is None else float(plan.frames / plan.rate),
        source_problem=truth.problem,
    )


def _expected_sound(plan: LadderPlan, source: Asset, truth: SourceTruth) -> Expected:
    whole = source.frames is None
    shortest = min(truth.audio_s, default=None) if whole else plan.duration_s
    return Expected(
        has_video=False,
        audio_tracks=1,
        audio_s=None if shortest is None else max(0.0, shortest - plan.late_s),
        source_problem=truth.problem,
    )


def _refuse_odd(plan: LadderPlan, found: Sequence[Verification]) -> None:
    """Within the slack of a rate conversion they may differ from the source, never from each other."""
    counts = {r.name: v.frames for r, v in zip(plan.renditions, found, strict=True)}
    if len(set(counts.values())) > 1:
        raise PlatformError(
            f"The rungs differ in frames: {', '.join(f'{n} has {c}' for n, c in counts.items())}.",
            code="bad-output",
            fix="It is made again; if that does not help, try another encoder or ffmpeg build.",
            details={"frames": counts},
        )


def taken_stills(stills: Stills, folder: Path) -> tuple[int, str | None]:
    """How many thumbnails there are, and the name of the contact sheet."""
    taken = len(list((folder / THUMBNAILS).iterdir())) if stills.every_s is not None else 0
    sheet = f"{SHEET}.{stills.kind}" if stills.sheet else None
    missing = [THUMBNAILS] if stills.every_s is not None and not taken else []
    missing += [sheet] if sheet is not None and not (folder / sheet).is_file() else []
    if missing:
        raise PlatformError(
            f"The command said that it had succeeded and made no {missing[0]}.",
            code="bad-output",
            fix="Leave the stills out, or try another ffmpeg build.",
        )
    return taken, sheet


def _sequence_rate(info: MediaInfo, ladder: Ladder) -> Fraction | None:
    stream = info.primary_video
    if not info.is_sequence or stream is None:
        return None
    named = ladder.frame_rate or stream.frame_rate
    return Fraction(named) if named else None


def _at_rate(info: MediaInfo, rate: Fraction | None) -> MediaInfo:
    """The description of a sequence that is read at the wished rate."""
    stream = info.primary_video
    if rate is None or stream is None:
        return info
    frames = info.sequence.frames if info.sequence else 0
    timed = stream.model_copy(update={"frame_rate": str(rate), "duration_s": float(frames / rate)})
    return info.model_copy(update={"video": [timed if v is stream else v for v in info.video]})
