"""Running a plan: its commands in order, with progress over all of them, and what they say of the source.

This module must not know which encoder was chosen, or what is done when a command fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rushes.asset import Asset
from rushes.media.describing.schema import MediaInfo
from rushes.media.planning.loudness import read_loudness
from rushes.media.planning.plan import EncodePlan, plan_loudness
from rushes.media.planning.tracks import Loudness
from rushes.media.planning.umid import stamp_umid
from rushes.media.profile import Profile
from rushes.media.running.builds import Build
from rushes.media.running.dialect import classify, damage_in
from rushes.media.running.process import Supervision, ToolRun, check, run_ffmpeg

__all__ = ["measure_loudness", "run_plan"]


def run_plan(
    plan: EncodePlan,
    profile: Profile,
    build: Build,
    path: Path,
    *,
    supervision: Supervision,
    runs: list[ToolRun],
) -> None:
    """Run every command, and take ffmpeg at its word only where nothing it printed says otherwise.

    Args:
        plan: the commands.
        profile: what it was planned for.
        build: the ffmpeg that it was planned for.
        path: the output, as the plan names it.
        supervision: limits, progress, cancellation and log of every command.
        runs: where each command's end is added, that of one that failed too.

    Raises:
        RushesError: what `dialect.classify` makes of a command that failed.
    """
    for number, args in enumerate(plan.passes, start=1):
        shown = _share_of(supervision, number, len(plan.passes))
        run = run_ffmpeg(build, args, supervision=shown, total_s=plan.expected.duration_s)
        runs.append(run)
        check(run, build.major)
    last = runs[-1]
    if profile.on_damage == "fail" and damage_in(last) is not None:
        raise classify(last, build.major)
    if profile.container == "mxf":
        stamp_umid(path, "\0".join(_portable(plan)))


def measure_loudness(
    info: MediaInfo,
    profile: Profile,
    build: Build,
    *,
    source: Asset,
    opened: Sequence[str],
    supervision: Supervision,
    runs: list[ToolRun],
) -> list[Loudness] | None:
    """The loudness of each track, where the profile wishes one; None where it does not."""
    planned = plan_loudness(info, profile, source=source, input_args=opened)
    if planned is None:
        return None
    args, tracks = planned
    run = check(
        run_ffmpeg(build, args, supervision=supervision, total_s=info.duration_s, level="info"), build.major
    )
    runs.append(run)
    return read_loudness(run.stderr_tail, tracks)


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


def _portable(plan: EncodePlan) -> Iterator[str]:
    """The words of a plan that are the same on every machine, whatever its result is called."""
    for *args, _ in plan.passes:
        yield from (Path(word).name if word.startswith("file:") else word for word in args)
