"""One part of a clip, encoded and checked: a function of the clip, the profile and the part's order.

So it may run anywhere, and give the same. A part that comes out wrong is made once more, slowly and surely.
This module must not know of the other parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rushes.asset import Asset
from rushes.errors import MediaError, PlatformError
from rushes.media.box import weakest
from rushes.media.builds import Build
from rushes.media.capability import CPU
from rushes.media.choice import ANY
from rushes.media.chunk_commands import chunk_command
from rushes.media.device_graph import Spot
from rushes.media.dialect import classify, damage_in
from rushes.media.encode_folder import own_folder, stage
from rushes.media.fallback import really_decoded_by
from rushes.media.guard import input_args, output_args
from rushes.media.index import read_index, times_between
from rushes.media.inspection import describe
from rushes.media.part_order import PartOrder, digest_of_times
from rushes.media.process import Supervision, ToolRun, check, run_ffmpeg
from rushes.media.profile import Profile
from rushes.media.schema import MediaInfo
from rushes.media.stitch import check_part
from rushes.media.tries import Host, Tries, Try
from rushes.media.trying import first_that_works

if TYPE_CHECKING:
    from rushes.media.device_turns import DeviceTurns

__all__ = ["PartMade", "device_of", "make_part", "refuse_other_build"]

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
        seconds: wall time of its commands; 0 where it was found as an earlier attempt had left it.
        cpu_s: processor time of its commands.
        redone: how often it was made again.
        reason: why, the last time; "" where it never was.
        invocation: that made it; "" where it was made beside the others.
        argv: its last command.
        box: the weakest level of the box that one of them ran in.
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

    def moved_to(self, place: Path) -> PartMade:
        """The same part, its file at `place`; what was there is replaced."""
        self.path.replace(place)
        return replace(self, path=place)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able data for the receipt: where the file was is of no more use then."""
        facts = asdict(self)
        del facts["path"]
        return facts | {"argv": list(self.argv)}


def device_of(spot: Spot) -> str:
    """What findings and receipts call the device of a spot: ``cpu``, ``nvenc:0``."""
    return CPU if spot.family == "software" else f"{spot.family}:{spot.index}"


def _at_once(_one: Try) -> None:
    return None


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
    turns: Callable[[Try], DeviceTurns | None] = _at_once,
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
        turns: who says when it is this part's turn on its device; gives None where that is at once.

    Raises:
        CallerError: the profile does not fit the source.
        MediaError: the source is damaged, or is not the clip that the part was cut from.
        PlatformError: this machine could not do it, or the part is not what was planned (``bad-chunk``).
    """
    supervision = supervision or Supervision()
    refuse_other_build(build, order.ffmpeg)
    info = info or describe(source)
    times = _times_of(source, order, supervision.cancelled) if times is None else times
    runs: list[ToolRun] = []
    reasons: list[str] = []

    def make(*, seeks: bool) -> str:
        try:
            encoder = _encode(
                source, profile, order, target,
                build=build, supervision=supervision, info=info, seeks=seeks, runs=runs, turns=turns,
            )  # fmt: skip
            check_part(target, order, times)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return encoder

    try:
        encoder = make(seeks=True)
    except (PlatformError, MediaError) as error:
        if not _may_mend(error, order):
            raise
        reasons.append(error.message)
        # From the beginning of the file: slower, and it cannot enter at a wrong place.
        encoder = make(seeks=False)
    return PartMade(
        number=order.number,
        path=target,
        frames=len(order.chunk),
        encoder=encoder,
        decoder=really_decoded_by(Try("", encoder, order.spot), runs[-1].stderr_tail),
        seconds=round(sum(run.seconds for run in runs), 3),
        cpu_s=round(sum(run.cpu_s for run in runs), 3),
        redone=len(reasons),
        reason=reasons[-1] if reasons else "",
        argv=runs[-1].argv,
        box=weakest(run.box for run in runs),
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


def _encode(
    source: Asset,
    profile: Profile,
    order: PartOrder,
    target: Path,
    *,
    build: Build,
    supervision: Supervision,
    info: MediaInfo,
    seeks: bool,
    runs: list[ToolRun],
    turns: Callable[[Try], DeviceTurns | None],
) -> str:
    """Run the part's command, once it is its turn; gives ffmpeg's name of the encoder."""
    made = chunk_command(
        info,
        profile.model_copy(update={"threads": 1}),
        build,
        order,
        source=source,
        input_args=input_args(source, info.container.format),
        target=output_args(target)[-1],
        seeks=seeks,
    )
    # A device's driver maps far more address space than it uses.
    limits = supervision.limits
    limits = replace(limits, address_space=limits.address_space and order.spot.family == "software")

    def run(_one: Try, _planned: None) -> None:
        with own_folder(supervision.cwd) as folder:
            reads = (*supervision.reads, *stage(made, folder))
            done = run_ffmpeg(
                build,
                made.passes[0],
                supervision=replace(supervision, cwd=folder, reads=reads, limits=limits),
                total_s=made.expected.duration_s,
            )
        runs.append(done)
        check(done, build.major)
        if profile.on_damage == "fail" and damage_in(done) is not None:
            raise classify(done, build.major)

    one = Try(device_of(order.spot), made.encoder, order.spot)
    first_that_works(ANY, Tries((one,), ()), Host(), plan=lambda _: None, make=run, turns=turns(one))
    return made.encoder


def _may_mend(error: PlatformError | MediaError, order: PartOrder) -> bool:
    if error.details.get("action") in {"fallback", "busy", "sick"}:
        return False  # the device would do it again, and another family makes all parts
    # Entered amid a group of pictures, a whole file may look damaged.
    return error.code in _REDONE or (error.code == "damaged" and order.chunk.seek_us is not None)
