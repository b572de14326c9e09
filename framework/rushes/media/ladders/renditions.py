"""Makes the renditions of a ladder: describe, plan, as few commands as will do, verify each rendition.

Everything that decides is elsewhere and pure; this module only does. It writes into the folders that it is
given, and leaves nothing in them when it raises. It must not know how renditions are packaged.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from rushes.asset import Asset
from rushes.media.describing.inspection import describe
from rushes.media.describing.schema import MediaInfo
from rushes.media.devices.fallback import Tried, warning_of
from rushes.media.encoding.means import Means
from rushes.media.encoding.verify import Level, SourceTruth, Verification, source_truth
from rushes.media.ladders.ladder import LadderPlan, plan_ladder
from rushes.media.ladders.rendition_files import refuse_odd, taken_stills
from rushes.media.ladders.rung_making import LadderRunner, RungMaking, RungSpelling
from rushes.media.ladders.rung_plan import RungWish, rung_wishes
from rushes.media.ladders.rungs import Ladder
from rushes.media.ladders.still_branches import SHEET, THUMBNAILS
from rushes.media.measuring.gate import QualityGate
from rushes.media.planning.choice import SOFTWARE
from rushes.media.quality.curves import with_own
from rushes.media.quality.parity import Parity
from rushes.media.quality.same_quality import SameQuality
from rushes.media.readers.guard import check_source, input_args, output_args
from rushes.media.readers.sequence_rate import at_rate, stated_rate
from rushes.media.running.builds import Build
from rushes.media.running.process import Progress, Supervision, ToolRun, check, never, run_ffmpeg

__all__ = [
    "IN_SOFTWARE_ALONE",
    "LadderRunner",
    "MadeLadder",
    "Runner",
    "make_renditions",
    "plan_here",
    "supervised",
    "taken_stills",
]

IN_SOFTWARE_ALONE: Final = Means(SOFTWARE)


class Runner(Protocol):
    """Runs one ffmpeg command, watched; raises what its failure means."""

    def __call__(self, args: Sequence[str], total_s: float | None) -> ToolRun: ...


@dataclass(frozen=True, slots=True)
class MadeLadder:
    """Renditions that passed.

    Args:
        plan: what was planned, and is there.
        folder: where they are, ``{name}.mp4`` each.
        pictures, sounds: what was found in each, in the plan's order.
        thumbnails: how many were taken.
        sheet: the contact sheet's name.
        runs: the commands that made them.
        tried: what was tried for each rung, in order; ``output`` is its name.
        quality: of rungs that another encoder made: what was promised and what was measured.
        build: the usual ffmpeg.
        warnings: what the caller should know.
    """

    plan: LadderPlan
    folder: Path
    pictures: tuple[Verification, ...]
    sounds: tuple[Verification, ...]
    thumbnails: int
    sheet: str | None
    runs: tuple[ToolRun, ...]
    tried: tuple[Tried, ...] = ()
    quality: Mapping[str, Parity] = field(default_factory=dict)
    build: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def file(self, name: str) -> Path:
        """The file of a rendition or a sound."""
        return self.folder / f"{name}.mp4"


def supervised(build: Build, supervision: Supervision | None = None, share: float = 1.0) -> LadderRunner:
    """A runner under `supervision`, whose commands are `share` of the whole together."""
    given = supervision or Supervision()

    def run(
        args: Sequence[str],
        total_s: float | None,
        *,
        on: Build | None = None,
        part: tuple[float, float] = (0.0, 1.0),
    ) -> ToolRun:
        own = _sharing(given, (share * part[0], share * part[1]))
        if on is not None:
            # A device's driver maps far more address space than it uses.
            own = replace(own, limits=replace(own.limits, address_space=False))
        used = on or build
        return check(run_ffmpeg(used, args, supervision=own, total_s=total_s), used.major)

    return run


def make_renditions(
    source: Asset,
    ladder: Ladder,
    folder: Path,
    *,
    stills_folder: Path,
    build: Build,
    run: LadderRunner,
    level: Level = "packets",
    cancelled: Callable[[], bool] = never,
    means: Means = IN_SOFTWARE_ALONE,
    checking: Supervision | None = None,
    check: bool = False,
) -> MadeLadder:
    """Every rung, sound and still of `ladder`, from one decode where one can feed all, each verified.

    Args:
        source: the clip; its frame range is honoured.
        ladder: the wish.
        folder: where renditions go; made here, and removed where this raises.
        stills_folder: where stills go.
        build: the ffmpeg of software.
        run: how a command is run.
        level: how thoroughly each is read back.
        cancelled: asked while files are read.
        means: by what a rung may be made.
        checking: of the commands that measure what another encoder made; None: nothing is measured.
        check: measure every rung, whatever made it.

    Raises:
        CallerError: the ladder does not fit the source; nothing has run.
        MediaError: the source is damaged, truncated or has no picture.
        PlatformError: this machine could not do it, or a result is not what was planned.
        Cancelled: somebody said so.
    """
    clip = _Clip.of(source, ladder, cancelled)
    wishes, said = rung_wishes(clip.info, ladder)
    making = RungMaking(
        source=source,
        info=clip.info,
        truth=clip.truth,
        ladder=ladder,
        opened=clip.opened,
        folder=folder,
        stills_folder=stills_folder,
        build=build,
        run=run,
        level=level,
        cancelled=cancelled,
        wishes={wish.name: wish for wish in wishes},
        spellings={wish.name: _spelling(clip, wish, means, checking, always=check) for wish in wishes},
    )
    folder.mkdir(parents=True)
    try:
        making.make_all(means)
        refuse_odd({name: making.pictures[name].frames for name in making.wishes})
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(stills_folder / THUMBNAILS, ignore_errors=True)
        (stills_folder / f"{SHEET}.{ladder.stills.kind}").unlink(missing_ok=True)
        raise
    plan = _as_made(making, said)
    return MadeLadder(
        plan=plan,
        folder=folder,
        pictures=tuple(making.pictures[one.name] for one in plan.renditions),
        sounds=tuple(making.sounds),
        thumbnails=making.stills[0],
        sheet=making.stills[1],
        runs=tuple(making.runs),
        tried=tuple(making.tried),
        quality=dict(making.quality),
        build=build.facts(),
        warnings=(*plan.warnings, *_fallbacks(making)),
    )


def plan_here(
    source: Asset, ladder: Ladder, folder: Path, *, stills_folder: Path, build: Build
) -> LadderPlan:
    """What `make_renditions` would run in software.

    Raises:
        CallerError: the ladder does not fit the source.
        MediaError: the source has no picture, or cannot be read.
        PlatformError: the build lacks an encoder or a filter.
    """
    clip = _Clip.of(source, ladder, never)
    return plan_ladder(
        clip.info,
        ladder,
        build,
        source=source,
        input_args=clip.opened,
        place=output_args(folder)[-1],
        stills_place=output_args(stills_folder)[-1],
        present=clip.truth.frames,
        present_s=clip.truth.duration_s,
        leading=clip.truth.leading if source.frames is None else 0,
    )


@dataclass(frozen=True, slots=True)
class _Clip:
    """The source, looked at."""

    source: Asset
    info: MediaInfo
    truth: SourceTruth
    opened: Sequence[str]

    @classmethod
    def of(cls, source: Asset, ladder: Ladder, cancelled: Callable[[], bool]) -> _Clip:
        check_source(source)
        info = describe(source)
        rate = stated_rate(info, ladder.frame_rate)
        info = at_rate(info, rate)
        truth = source_truth(source, frame_rate=rate, cancelled=cancelled)
        return cls(source, info, truth, input_args(source, info.container.format, frame_rate=rate))


def _spelling(
    clip: _Clip,
    wish: RungWish,
    means: Means,
    checking: Supervision | None,
    *,
    always: bool,
) -> RungSpelling:
    worth = means.known().worth
    same = SameQuality(wish.profile, clip.info, with_own(worth) if worth else None)
    expected = same.expected(wish.profile)
    if checking is None:
        return RungSpelling(same.spelt, expected=expected)
    promise = same.promise(wish.profile)
    gate = QualityGate(clip.source, clip.info, promise, means.choice, always=always, supervision=checking)
    return RungSpelling(same.spelt, gate, expected)


def _as_made(making: RungMaking, said: Sequence[str]) -> LadderPlan:
    """One plan of all that was made, of those of the commands."""
    # The last plan of a rung is the one that made it.
    made = {one.name: one for plan in making.plans for one in plan.renditions}
    warnings = dict.fromkeys([*said, *(w for plan in making.plans for w in plan.warnings)])
    return replace(
        making.plans[0],
        args=making.plans[-1].args,
        renditions=tuple(made[name] for name in making.wishes),
        sounds=next((plan.sounds for plan in making.plans if plan.sounds), ()),
        warnings=tuple(warnings),
    )


def _fallbacks(making: RungMaking) -> Iterator[str]:
    for name in making.wishes:
        said = warning_of([one for one in making.tried if one.output in {"", name}])
        if said is not None:
            yield f"{name}: {said}"
        if name in making.quality:
            yield from (f"{name}: {reason}" for reason in making.quality[name].reasons)


def _sharing(supervision: Supervision, part: tuple[float, float]) -> Supervision:
    """Progress of one command as its part of the whole, so that a bar never runs backwards."""
    receive, (low, high) = supervision.on_progress, part
    if receive is None:
        return supervision

    def scaled(progress: Progress) -> None:
        share = progress.share
        receive(progress if share is None else replace(progress, share=low + (high - low) * share))

    return replace(supervision, on_progress=scaled)
