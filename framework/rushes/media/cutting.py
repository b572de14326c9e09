"""What is decided of a chunked encode before anything is encoded: whether it can be, and where it is cut.

The clip's packets are read, its frames are not. This module must not know how parts are made or put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rushes.asset import Asset
from rushes.media import chunk_commands as commands
from rushes.media.builds import Build
from rushes.media.chunks import ChunkPlan, Uncuttable, choose_count, plan_chunks
from rushes.media.device_graph import Spot
from rushes.media.guard import input_args, output_args
from rushes.media.index import FrameIndex, read_index
from rushes.media.plan import EncodePlan, plan_encode
from rushes.media.process import Supervision
from rushes.media.profile import Profile
from rushes.media.schema import MediaInfo
from rushes.media.verify import SourceTruth, source_truth

__all__ = ["Clip", "cut"]


@dataclass(frozen=True)
class Clip:
    """One clip and all that is known of how it is to be encoded."""

    source: Asset
    profile: Profile
    build: Build
    info: MediaInfo
    opened: Sequence[str]
    truth: SourceTruth
    index: FrameIndex
    whole: EncodePlan
    plan: ChunkPlan
    spot: Spot


def cut(
    source: Asset,
    profile: Profile,
    *,
    build: Build,
    info: MediaInfo,
    chunks: int | None,
    parallel: int,
    target: Path,
    supervision: Supervision,
    spot: Spot,
) -> Clip:
    """Everything that is decided before anything is encoded.

    Raises:
        Uncuttable: it has to be encoded in one piece.
    """
    if info.is_sequence:
        raise Uncuttable("it is an image sequence")
    if profile.on_damage == "salvage":
        raise Uncuttable("what a damaged clip holds is only known once it is decoded")
    truth = source_truth(source, cancelled=supervision.cancelled)
    count = choose_count(truth.duration_s, parallel) if chunks is None else chunks
    if count < 2:
        raise Uncuttable(
            "one chunk was asked for" if chunks is not None else "it is too short to be worth cutting"
        )
    opened = input_args(source, info.container.format)
    whole = plan_encode(
        info,
        profile,
        build,
        source=source,
        input_args=opened,
        target=output_args(target)[-1],
        present=truth.frames,
        present_s=truth.duration_s,
        spot=spot,
    )
    commands.refuse_uncuttable(source, info, profile, whole)
    index = read_index(source, cancelled=supervision.cancelled)
    if index.frames != truth.frames or index.frames != whole.expected.frames:
        raise Uncuttable(f"its packets tell of {index.frames} frames, its header of {truth.frames}")
    if truth.leading:
        raise Uncuttable("its first frames cannot be decoded")
    plan = plan_chunks(
        index,
        count,
        rate=whole.expected.rate,
        duration_s=truth.duration_s,
        margin=commands.filter_margin(whole),
    )
    if len(plan.chunks) < 2:
        raise Uncuttable("it has too few frames to be worth cutting")
    return Clip(source, profile, build, info, opened, truth, index, whole, plan, spot)
