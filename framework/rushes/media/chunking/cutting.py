"""What is decided of a chunked encode before anything is encoded: whether it can be, and where it is cut.

The clip's packets are read, its frames are not. What holds for the clip whichever encoder makes it is
`Ground`; with an encoder and its device it is `Clip`. This module must not know how parts are made or put
together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rushes.asset import Asset
from rushes.errors import CallerError
from rushes.media.chunking import chunk_commands as commands
from rushes.media.chunking.chunks import MOST_PARTS, ChunkPlan, Uncuttable, choose_count, plan_chunks
from rushes.media.chunking.part_order import PartOrder, SoundOrder, orders_of
from rushes.media.describing.index import FrameIndex, read_index
from rushes.media.describing.schema import MediaInfo
from rushes.media.encoding.verify import SourceTruth, source_truth
from rushes.media.planning.device_graph import Spot
from rushes.media.planning.plan import EncodePlan, plan_encode
from rushes.media.profile import Profile
from rushes.media.readers.guard import input_args, output_args
from rushes.media.running.builds import Build

__all__ = ["Clip", "Ground", "cut", "survey"]


@dataclass(frozen=True)
class Ground:
    """One clip and what is known of it before an encoder is chosen.

    Args:
        source: the clip.
        info: its description.
        opened: the options and ``-i`` that open it.
        truth: what it really holds.
        count: parts that it is to be cut into.
        cancelled: asked while its packets are read.
    """

    source: Asset
    info: MediaInfo
    opened: Sequence[str]
    truth: SourceTruth
    count: int
    cancelled: Callable[[], bool]

    @cached_property
    def index(self) -> FrameIndex:
        """All its frames; its packets are read when this is first asked."""
        return read_index(self.source, cancelled=self.cancelled)


@dataclass(frozen=True)
class Clip:
    """One clip and all that is known of how it is to be encoded in parts."""

    ground: Ground
    profile: Profile
    build: Build
    whole: EncodePlan
    plan: ChunkPlan
    orders: tuple[PartOrder, ...]

    @property
    def source(self) -> Asset:
        return self.ground.source

    @property
    def sound(self) -> SoundOrder:
        """Its sound, to be made once."""
        return SoundOrder(self.ground.index.start_us, self.spot.family, self.build.version)

    @property
    def spot(self) -> Spot:
        """The family that encodes all parts, and what decodes; its card is of no account."""
        return self.orders[0].spot

    def times(self, order: PartOrder) -> Sequence[int]:
        """When each frame of a part is shown, in ticks of the clip."""
        return self.ground.index.pts[order.chunk.start : order.chunk.stop]


def survey(
    source: Asset, profile: Profile, *, info: MediaInfo, chunks: int | None, cancelled: Callable[[], bool]
) -> Ground:
    """What can be said of a clip whichever encoder makes it.

    Raises:
        CallerError: nobody makes so many parts.
        Uncuttable: it has to be encoded in one piece.
        MediaError: the source is damaged, truncated or holds no such media.
    """
    if chunks is not None and chunks > MOST_PARTS:
        raise CallerError(
            f"{chunks} chunks are more than a clip is cut into.",
            code="bad-value",
            fix=f"Use {MOST_PARTS} at most.",
        )
    if info.is_sequence:
        raise Uncuttable("it is an image sequence")
    if profile.on_damage == "salvage":
        raise Uncuttable("what a damaged clip holds is only known once it is decoded")
    truth = source_truth(source, cancelled=cancelled)
    count = choose_count(truth.duration_s) if chunks is None else chunks
    if count < 2:
        raise Uncuttable(
            "one chunk was asked for" if chunks is not None else "it is too short to be worth cutting"
        )
    return Ground(source, info, input_args(source, info.container.format), truth, count, cancelled)


def cut(
    ground: Ground,
    profile: Profile,
    *,
    build: Build,
    target: Path,
    spot: Spot,
) -> Clip:
    """Everything that is decided before anything is encoded.

    Args:
        ground: the clip.
        profile: what the result should be, in the words of the encoder that makes it.
        build: the ffmpeg that does.
        target: the file that is wanted in the end.
        spot: the family and device that encode all parts: those of two encoders do not fit together.

    Raises:
        Uncuttable: it has to be encoded in one piece.
        CallerError: the profile does not fit the source, or not this encoder.
        PlatformError: the build lacks something.
    """
    truth = ground.truth
    whole = plan_encode(
        ground.info,
        profile,
        build,
        source=ground.source,
        input_args=ground.opened,
        target=output_args(target)[-1],
        present=truth.frames,
        present_s=truth.duration_s,
        spot=spot,
    )
    commands.refuse_uncuttable(ground.source, ground.info, profile, whole)
    index = ground.index
    if index.frames != truth.frames or index.frames != whole.expected.frames:
        raise Uncuttable(f"its packets tell of {index.frames} frames, its header of {truth.frames}")
    if truth.leading:
        raise Uncuttable("its first frames cannot be decoded")
    plan = plan_chunks(
        index,
        ground.count,
        rate=whole.expected.rate,
        duration_s=truth.duration_s,
        margin=commands.filter_margin(whole),
    )
    if len(plan.chunks) < 2:
        raise Uncuttable("it has too few frames to be worth cutting")
    orders = orders_of(plan, index.pts, spot=spot, ffmpeg=build.version)
    return Clip(ground, profile, build, whole, plan, orders)
