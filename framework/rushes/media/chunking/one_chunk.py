"""One part of a clip, encoded and checked: a function of the clip, the profile and the part's order.

So it may run anywhere, and give the same. A part that comes out wrong is made once more, slowly and surely.
This module must not know of the other parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rushes.asset import Asset
from rushes.errors import MediaError, PlatformError, RushesError
from rushes.media.chunking.chunk_commands import chunk_command
from rushes.media.chunking.part_cards import Cards
from rushes.media.chunking.part_order import PartOrder, digest_of_times
from rushes.media.chunking.stitch import check_part
from rushes.media.describing.index import read_index, times_between
from rushes.media.describing.inspection import describe
from rushes.media.describing.schema import MediaInfo
from rushes.media.devices.device_faults import news_of
from rushes.media.devices.fallback import Tried, really_decoded_by
from rushes.media.devices.tries import KnownHost, Tries, Try
from rushes.media.encoding.encode_folder import own_folder, stage
from rushes.media.encoding.trying import first_that_works
from rushes.media.planning.choice import ANY
from rushes.media.planning.plan import EncodePlan
from rushes.media.profile import Profile
from rushes.media.readers.guard import input_args, output_args
from rushes.media.running.box import weakest
from rushes.media.running.builds import Build
from rushes.media.running.dialect import classify, damage_in
from rushes.media.running.process import Supervision, ToolRun, check, run_ffmpeg

__all__ = ["PartMade", "make_part", "refuse_other_build"]

_REDONE: Final = frozenset({"bad-chunk", "killed", "crashed", "tool-failed"})
"""What a second try of one part may mend; a lack of memory or disk it does not."""


@dataclass(frozen=True, slots=True)
class PartMade:
    """A part that was made and checked.

    Args:
        number: which, from 0.
        path: its file.
        frames: that it holds.
        encoder: ffmpeg's name.
        decoder: what really decoded the source: ``software`` or ``device``.
        device: that made it: ``cpu``, ``nvenc:1``; "" where it was found as an earlier attempt had left it.
        seconds: wall time of its commands; 0 where it was found as an earlier attempt had left it.
        cpu_s: processor time of its commands.
        redone: how often it was made again.
        reason: why, the last time; "" where it never was.
        invocation: that made it; "" where it was made beside the others.
        argv: its last command.
        box: the weakest level of the box that one of them ran in.
        waited_s: wall time that its device was waited for.
        note: what for, in one sentence.
    """

    number: int
    path: Path
    frames: int
    encoder: str
    decoder: str = "software"
    seconds: float = 0.0
    cpu_s: float = 0.0
    redone: int = 0
    reason: str = ""
    invocation: str = ""
    argv: tuple[str, ...] = ()
    box: str = "none"
    device: str = ""
    waited_s: float = 0.0
    note: str = ""

    def moved_to(self, place: Path) -> PartMade:
        """The same part, its file at `place`; what was there is replaced."""
        self.path.replace(place)
        return replace(self, path=place)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able data for the receipt: where the file was is of no more use then."""
        facts = asdict(self)
        del facts["path"]
        return facts | {"argv": list(self.argv)}


def make_part(
    source: Asset,
    profile: Profile,
    order: PartOrder,
    target: Path,
    *,
    build: Build,
    supervision: Supervision | None = None,
    info: MediaInfo | None = None,
    times: Sequence[int] | None = None,
    cards: Cards | None = None,
) -> PartMade:
    """Make one part, checked; its picture only, on one thread.

    One that comes out wrong is made again by decoding the file from its beginning.

    Args:
        source: the clip.
        profile: what the result should be.
        order: the part.
        target: the file to write, a mov or mp4 as `chunk_commands.HELD_IN` says; nothing is there afterwards
            when this raises.
        build: the ffmpeg to use; the same for all parts.
        supervision: limits, progress, cancellation and log.
        info: a description of `source`, where the caller has one already.
        times: when each frame of the part is shown, in ticks of the source, likewise.
        cards: the cards that may make it; None for the one that the order names, at once.

    Raises:
        CallerError: the profile does not fit the source.
        MediaError: the source is damaged, or is not the clip that the part was cut from.
        PlatformError: this machine could not do it, or the part is not what was planned (``bad-chunk``).
    """
    supervision = supervision or Supervision()
    refuse_other_build(build, order.ffmpeg)
    info = info or describe(source)
    times = _times_of(source, order, supervision.cancelled) if times is None else times
    work = _Work(source, profile, order, target, build, supervision, info, cards or Cards())

    def make(*, seeks: bool) -> Tried:
        try:
            made = work.encode(seeks=seeks)
            check_part(target, order, times)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return made

    try:
        made = make(seeks=True)
    except (PlatformError, MediaError) as error:
        elsewhere = work.leave_what_failed(error)
        if not elsewhere and not _may_mend(error, order):
            raise
        work.reasons.append(error.message)
        # From the beginning of the file: slower, and it cannot enter at a wrong place.
        made = make(seeks=elsewhere)
    runs, waits = work.runs, [one for one in work.tried if one.waited_s]
    return PartMade(
        number=order.number,
        path=target,
        frames=len(order.chunk),
        encoder=made.encoder,
        decoder=made.decoder,
        seconds=round(sum(run.seconds for run in runs), 3),
        cpu_s=round(sum(run.cpu_s for run in runs), 3),
        redone=len(work.reasons),
        reason=work.reasons[-1] if work.reasons else "",
        argv=runs[-1].argv,
        box=weakest(run.box for run in runs),
        device=made.device,
        waited_s=round(sum(one.waited_s for one in waits), 3),
        note=waits[-1].note if waits else "",
    )


def refuse_other_build(build: Build, ffmpeg: str) -> None:
    """Pass if `build` is of the version that all parts are made with.

    Raises:
        PlatformError: it is another (``other-ffmpeg``).
    """
    if build.version != ffmpeg:
        raise PlatformError(
            f"the part is to be made by ffmpeg {ffmpeg}; here it is {build.version}.",
            code="other-ffmpeg",
            fix="Use the same build on all machines: parts of two builds do not fit together.",
        )


def _times_of(source: Asset, order: PartOrder, cancelled: Callable[[], bool]) -> Sequence[int]:
    chunk = order.chunk
    near = times_between(source, chunk.start_pts, chunk.stop_pts, cancelled=cancelled)
    if digest_of_times(near) == order.times:
        return near
    # Where a container cannot be entered exactly, all of it tells.
    found = read_index(source, cancelled=cancelled).pts[chunk.start : chunk.stop]
    if digest_of_times(found) != order.times:
        raise MediaError(
            f"{source.name} is not the clip that this part was cut from: its frames have other times.",
            code="source-changed",
            fix="Leave the clip alone while it is encoded, and start again.",
            details={"source": str(source.path), "part": order.number},
        )
    return found


@dataclass
class _Work:
    """The making of one part: what was run for it, what became of each card, and why it was made again."""

    source: Asset
    profile: Profile
    order: PartOrder
    target: Path
    build: Build
    supervision: Supervision
    info: MediaInfo
    cards: Cards
    runs: list[ToolRun] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def leave_what_failed(self, error: RushesError) -> bool:
        """Keep away from cards that have failed; False where no other is left, or it was no card's fault."""
        if news_of(error) not in {"lost", "fault"}:
            return False
        failed = {one.device for one in self.tried if one.outcome == "failed"}
        others = tuple(one.device for one in self.cards.of(self.order) if one.device not in failed)
        self.order = replace(self.order, only=others)
        return bool(others)

    def encode(self, *, seeks: bool) -> Tried:
        """Run the part's command on the first card that makes it, once it is its turn; tells which did."""
        tries = self.cards.of(self.order)
        turns = self.cards.turns(tries, len(self.order.chunk))
        own = self.supervision
        if turns is not None:
            own = replace(own, on_progress=turns.watching(own.on_progress))
        try:
            made, used, tried = first_that_works(
                ANY,
                Tries(tries, ()),
                KnownHost(),
                plan=lambda one: self._command(one, seeks=seeks),
                make=lambda one, command: self._run(one, command, own),
                turns=turns,
            )
        except RushesError as error:
            self.tried += [Tried(**one) for one in error.details.get("tried", ())]
            raise
        self.tried += tried
        # A card that had no session for it had begun nothing.
        began = [one for one in tried if one.outcome == "failed" and one.code != "encoder-busy"]
        self.reasons += [f"{one.device}: {one.reason}" for one in began]
        decoder = really_decoded_by(used, self.runs[-1].stderr_tail)
        return replace(tried[-1], encoder=made.encoder, decoder=decoder)

    def _command(self, one: Try, *, seeks: bool) -> EncodePlan:
        return chunk_command(
            self.info,
            self.profile.model_copy(update={"threads": 1}),
            self.build,
            replace(self.order, spot=one.spot),
            source=self.source,
            input_args=input_args(self.source, self.info.container.format),
            target=output_args(self.target)[-1],
            seeks=seeks,
        )

    def _run(self, one: Try, command: EncodePlan, supervision: Supervision) -> EncodePlan:
        # A device's driver maps far more address space than it uses.
        limits = supervision.limits
        limits = replace(limits, address_space=limits.address_space and one.family == "software")
        with own_folder(supervision.cwd) as folder:
            reads = (*supervision.reads, *stage(command, folder))
            done = run_ffmpeg(
                self.build,
                command.passes[0],
                supervision=replace(supervision, cwd=folder, reads=reads, limits=limits),
                total_s=command.expected.duration_s,
            )
        self.runs.append(done)
        check(done, self.build.major)
        if self.profile.on_damage == "fail" and damage_in(done) is not None:
            raise classify(done, self.build.major)
        return command


def _may_mend(error: PlatformError | MediaError, order: PartOrder) -> bool:
    if error.details.get("action") in {"fallback", "busy", "sick"}:
        return False  # the device would do it again, and another family makes all parts
    # Entered amid a group of pictures, a whole file may look damaged.
    return error.code in _REDONE or (error.code == "damaged" and order.chunk.seek_us is not None)
