"""One encode, from a wish to a verified file: describe, plan, run, classify, verify.

Everything that decides is elsewhere and pure; this module only does: one try after another, until one makes
it or its error stands. It writes `target` and nothing beside it, in a folder of its own for what a graph
reads, and leaves no half of a result behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rushes.asset import Asset, Output
from rushes.errors import PlatformError
from rushes.media.describing.inspection import describe
from rushes.media.describing.schema import MediaInfo
from rushes.media.describing.second_opinion import blamed
from rushes.media.devices.fallback import Tried, really_decoded_by, warning_of
from rushes.media.devices.tries import Try
from rushes.media.encoding.encode_folder import own_folder, stage
from rushes.media.encoding.means import Means, WishSpelling
from rushes.media.encoding.passes import measure_loudness, run_plan
from rushes.media.encoding.trying import first_that_works
from rushes.media.encoding.verify import ExpectedOutput, SourceTruth, Verification, source_truth, verify
from rushes.media.planning.plan import EncodePlan, PlannedOutput, plan_encode
from rushes.media.planning.wanted import wanted_of
from rushes.media.profile import Profile
from rushes.media.readers.guard import check_source, input_args, output_args
from rushes.media.readers.sequence_rate import assumption, at_rate, sequence_rate
from rushes.media.running.box import weakest
from rushes.media.running.builds import Build, find_build, named_families
from rushes.media.running.dialect import damage_in
from rushes.media.running.process import Supervision, ToolRun

if TYPE_CHECKING:
    from rushes.media.devices.device_turns import DeviceTurns
    from rushes.media.planning.tracks import Loudness
    from rushes.media.quality.parity import Parity

__all__ = ["AS_IT_IS", "USUAL", "Encoded", "build_of", "encode", "expected_of"]

USUAL: Final = Means()
AS_IT_IS: Final = WishSpelling()


@dataclass(frozen=True)
class Encoded:
    """What came of an encode.

    Args:
        frames: frames of the result, counted in the file.
        duration_s: its duration.
        encoder: ffmpeg's name of the encoder that made it.
        tried: every try, in order, with what became of it; the last one made it.
        argv: the last command.
        seconds: wall time of all commands, those of tries that failed too.
        cpu_s: processor time of all commands, children included.
        size_bytes: size of the result.
        build: name, version and configuration of the ffmpeg that was used.
        verification: what was checked, at which level, and what was found.
        warnings: what the caller should know.
        commands: every command that was run, the last one included.
        expected: what the plan promised of the result.
        box: the weakest level of the box that a command ran in.
        family: the family of the encoder that made it.
        quality: what was promised and what was measured, where asked (`rushes.media.measuring.gate`).
        parts: of an encode in chunks, what is known of each: number, frames, encoder, seconds, cpu_s, redone,
            the invocation that made it (`rushes.media.chunking.one_chunk.PartMade`).
    """

    frames: int
    duration_s: float
    encoder: str
    tried: tuple[Tried, ...]
    argv: tuple[str, ...]
    seconds: float
    cpu_s: float
    size_bytes: int
    build: Mapping[str, str]
    verification: Mapping[str, Any]
    expected: PlannedOutput
    warnings: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = field(default=())
    box: str = "none"
    family: str = "software"
    quality: Parity | None = None
    parts: tuple[Mapping[str, Any], ...] = ()


def encode(
    source: Asset,
    target: Output | Path,
    profile: Profile,
    *,
    supervision: Supervision | None = None,
    build: Build | None = None,
    info: MediaInfo | None = None,
    means: Means = USUAL,
    spelling: WishSpelling = AS_IT_IS,
) -> Encoded:
    """Encode `source` into `target` as `profile` wishes, and verify the result against the source.

    Args:
        source: the clip; its frame range is honoured.
        profile: what the result should be.
        target: the file to write; nothing is there afterwards when this raises.
        supervision: limits, progress, cancellation and log of every command.
        build: the ffmpeg to use; None for the one that the environment names.
        info: a description of `source`, where the caller has one already.
        means: by what it may be made.
        spelling: how each encoder is given the profile, and what measures the result.

    Raises:
        CallerError: the profile does not fit the source; nothing has run.
        MediaError: the source is damaged, truncated or holds no such media.
        PlatformError: this machine could not do it, or the result is not what was planned.
    """
    supervision = supervision or Supervision()
    check_source(source)
    info = info or describe(source)
    software = build or find_build()
    assumed = assumption(info, profile.video.frame_rate)
    rate = sequence_rate(info, profile.video.frame_rate)
    info = at_rate(info, rate)
    strict = profile.on_damage != "salvage"
    truth = source_truth(source, frame_rate=rate, strict=strict, cancelled=supervision.cancelled)
    opened = input_args(source, info.container.format, frame_rate=rate)
    with own_folder(supervision.cwd) as folder:
        own = replace(supervision, cwd=folder)
        making = _Making(
            source, Path(target), profile, info, opened, truth, software, build, spelling, own, folder
        )
        making.measure()
        way = means.way(wanted_of(info, profile, source.frames))
        making.share(way.turns)
        encoded, used, tried = first_that_works(
            means.choice, way.tries, way.host, plan=making.plan, make=making.make, turns=way.turns
        )
    decoder = really_decoded_by(used, making.runs[-1].stderr_tail)
    tried = (*tried[:-1], replace(tried[-1], encoder=encoded.encoder, decoder=decoder))
    warning = warning_of(tried)
    warnings = encoded.warnings if warning is None else (warning, *encoded.warnings)
    warnings += (*(encoded.quality.reasons if encoded.quality is not None else ()), *assumed)
    return replace(encoded, family=used.family, tried=tried, warnings=warnings)


@dataclass(frozen=True)
class _Planned:
    """One try, ready to be run."""

    build: Build
    profile: Profile
    plan: EncodePlan


@dataclass
class _Making:
    """What all tries of one encode share; how one is planned, and how it is made.

    Args:
        opened: the options and ``-i`` that open the source.
        truth: what the source really has.
        software, given: the build for software; the one that the caller gave, if any.
        spelling, supervision: as of `encode`, with the encode's own folder.
        folder: where what a graph reads is staged.
    """

    source: Asset
    path: Path
    profile: Profile
    info: MediaInfo
    opened: Sequence[str]
    truth: SourceTruth
    software: Build
    given: Build | None
    spelling: WishSpelling
    supervision: Supervision
    folder: Path
    loudness: list[Loudness] | None = None
    turns: DeviceTurns | None = None
    runs: list[ToolRun] = field(default_factory=list)

    @property
    def salvages(self) -> bool:
        return self.profile.on_damage == "salvage"

    def measure(self) -> None:
        """The loudness of the source, where the profile wishes one."""
        self.loudness = measure_loudness(
            self.info,
            self.profile,
            self.software,
            source=self.source,
            opened=self.opened,
            supervision=self.supervision,
            runs=self.runs,
        )

    def share(self, turns: DeviceTurns | None) -> None:
        """Take turns with others; they hear how the encode gets on."""
        self.turns = turns
        if turns is not None:
            heard = turns.watching(self.supervision.on_progress)
            self.supervision = replace(self.supervision, on_progress=heard)

    def plan(self, one: Try) -> _Planned:
        """What is to be run for a try."""
        build = self.software if one.family == "software" else build_of(one.family, self.given)
        wish = self.spelling.wish_of(self.profile, one)
        plan = plan_encode(
            self.info,
            wish,
            build,
            source=self.source,
            input_args=self.opened,
            target=output_args(self.path)[-1],
            present=None if self.salvages else self.truth.frames,
            present_s=None if self.salvages else self.truth.duration_s,
            loudness=self.loudness,
            spot=one.spot,
        )
        return _Planned(build, wish, plan)

    def make(self, one: Try, planned: _Planned) -> Encoded:
        """Run a try and verify what it made; nothing of it is left when it fails."""
        inside = self._inside(one, planned)
        try:
            verification = self._run(planned, inside)
            quality = self.spelling.judge(self.path, planned.profile, one)
        except BaseException as error:
            self.path.unlink(missing_ok=True)
            if one.family == "software" and isinstance(error, PlatformError) and not self.salvages:
                cancelled = self.supervision.cancelled
                raise blamed(error, self.source, cancelled=cancelled) from error.__cause__
            raise
        made = _encoded(
            planned.plan, planned.profile, planned.build, self.path, runs=self.runs, verification=verification
        )
        return replace(made, quality=quality)

    def _inside(self, one: Try, planned: _Planned) -> Supervision:
        """With what the graph reads, staged."""
        own = self.supervision
        # A device's driver maps far more address space than it uses.
        limits = replace(own.limits, address_space=own.limits.address_space and one.family == "software")
        return replace(own, limits=limits, reads=(*own.reads, *stage(planned.plan, self.folder)))

    def _run(self, planned: _Planned, inside: Supervision) -> Verification:
        run_plan(planned.plan, planned.profile, planned.build, self.path, supervision=inside, runs=self.runs)
        if self.turns is not None:
            self.turns.give_back()  # what follows is done by the processor
        expected = expected_of(planned.plan, self.source, self.truth, salvages=self.salvages)
        return verify(self.path, expected, self.profile.verify, cancelled=inside.cancelled)


def build_of(family: str, given: Build | None) -> Build:
    """The build for a family: the one named for it, else the one that the caller gave, else the usual one."""
    return find_build(family) if given is None or family in named_families() else given


def expected_of(plan: EncodePlan, source: Asset, truth: SourceTruth, *, salvages: bool) -> ExpectedOutput:
    """What verification holds the result to: the plan's promise, measured on what the source really has."""
    promised = plan.expected
    part = ExpectedOutput(
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
        longest_s=truth.duration_s if whole else None,
        audio_s=min(truth.audio_s, default=None) if whole and promised.audio_channels else None,
    )


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
        tried=(),
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
