"""The encodes of an attempt: what `rushes.Context` promises of them, over `rushes.media`.

Each brings together what the media stack asks for (the host, its devices, the quality that is promised, the
limits) and leaves what was done in the attempt's evidence. Imported when the first is wanted. This module
must not know slots, outputs or receipts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rushes.asset import Asset, Output
from rushes.media.describing.inspection import describe
from rushes.media.devices.known_host import known_host
from rushes.media.devices.tries import KnownHost
from rushes.media.encoding.encode import Encoded, encode
from rushes.media.encoding.means import Means, WishSpelling
from rushes.media.measuring.gate import QualityGate
from rushes.media.planning.choice import EncoderChoice, parse_choice
from rushes.media.planning.wanted import wanted_of
from rushes.media.quality.curves import with_own
from rushes.media.quality.same_quality import SameQuality
from rushes.media.running.builds import find_build
from rushes.media.running.process import ToolRun
from rushes.runtime.attempts.supervising import checking, supervision
from rushes.runtime.outputs.provenance import Provenance

if TYPE_CHECKING:
    from rushes.context import Chunks
    from rushes.media.chunking.one_chunk import PartMade
    from rushes.media.chunking.part_order import PartOrder, SoundOrder
    from rushes.media.devices.device_turns import Devices
    from rushes.media.encoding.verify import Level
    from rushes.media.ladders.renditions import MadeLadder
    from rushes.media.ladders.rungs import Ladder
    from rushes.media.ladders.snapshots import Snapshots
    from rushes.media.ladders.still_branches import Stills
    from rushes.media.profile import Profile
    from rushes.media.quality.parity import Promise
    from rushes.runtime.attempts.local_context import LocalContext

__all__ = ["make_encode", "make_ladder", "make_one_part", "make_stills"]


def make_encode(
    ctx: LocalContext,
    source: Asset,
    target: Output | Path,
    profile: Profile,
    *,
    promise: Promise | None,
    check: bool,
    chunks: Chunks,
    encoder: str | Sequence[str] | None,
    fallback: str | float | None,
) -> Encoded:
    """As of `rushes.Context.encode`."""
    choice = _choice(ctx, encoder, fallback)
    info = describe(source)
    known = known_host(os.environ, time.time())
    quality = SameQuality(profile, info, with_own(known.worth) if known.worth else None)
    host = replace(known, quality=quality.expected(profile))
    how = encode if chunks == "off" else _in_chunks(ctx, chunks)
    devices = _devices(ctx, host)
    with _held_not_failed(devices):
        made = how(
            source,
            Path(target),
            profile,
            supervision=supervision(ctx),
            info=info,
            means=Means(choice, host, devices),
            spelling=WishSpelling(
                quality.spelt,
                QualityGate(
                    source,
                    info,
                    promise or quality.promise(profile),
                    choice,
                    always=check,
                    supervision=checking(ctx),
                ),
            ),
        )
    ctx.evidence.encodes.append(made)
    ctx.evidence.provenances.append(Provenance.of_encode(made))
    ctx.evidence.warnings.extend(made.warnings)
    return made


def _in_chunks(ctx: LocalContext, chunks: int | Literal["auto"]) -> Callable[..., Encoded]:
    """`encode_chunked`, on the pool where there is one, else here."""
    from rushes.media.chunking.chunked import encode_chunked  # noqa: PLC0415 - few encodes are cut

    count = None if chunks == "auto" else chunks
    if ctx.pool is None:
        return partial(encode_chunked, chunks=count)
    from rushes.runtime.attempts.encode_part import OnThePool  # noqa: PLC0415 - it needs this module

    return partial(encode_chunked, chunks=count, makers=OnThePool(ctx), keep=ctx.keep)


def make_one_part(
    ctx: LocalContext, source: Asset, target: Path, profile: Profile, order: PartOrder | SoundOrder
) -> PartMade:
    """Make one part of an encode in chunks, with the limits and the watchdog of an encode.

    Raises:
        RushesError: as of `rushes.media.chunking.one_chunk.make_part` and
        `rushes.media.chunking.chunk_sound.make_sound`.
    """
    from rushes.media.chunking.chunk_sound import make_sound  # noqa: PLC0415 - as above
    from rushes.media.chunking.one_chunk import make_part  # noqa: PLC0415
    from rushes.media.chunking.part_cards import Cards  # noqa: PLC0415
    from rushes.media.chunking.part_order import SoundOrder  # noqa: PLC0415

    if isinstance(order, SoundOrder):
        build = find_build(order.family)
        return make_sound(source, profile, order, target, build=build, supervision=supervision(ctx))
    info, host = describe(source), known_host(os.environ, time.time())
    return make_part(
        source,
        profile,
        order,
        target,
        build=find_build(order.spot.family),
        supervision=supervision(ctx),
        info=info,
        cards=Cards(_devices(ctx, host), wanted_of(info, profile, source.frames), host),
    )


def make_ladder(
    ctx: LocalContext,
    source: Asset,
    ladder: Ladder,
    folder: Path,
    *,
    stills_folder: Path,
    level: Level,
    share: float,
    check: bool,
    encoder: str | Sequence[str] | None,
    fallback: str | float | None,
) -> MadeLadder:
    """As of `rushes.Context.renditions`."""
    from rushes.media.ladders.renditions import make_renditions, supervised  # noqa: PLC0415 - as above

    choice, build = _choice(ctx, encoder, fallback), find_build()
    stills_folder.mkdir(parents=True, exist_ok=True)
    host = known_host(os.environ, time.time())
    devices = _devices(ctx, host)
    with _held_not_failed(devices):
        made = make_renditions(
            source,
            ladder,
            folder,
            stills_folder=stills_folder,
            build=build,
            run=supervised(build, supervision(ctx), share),
            level=level,
            cancelled=lambda: ctx.cancelled,
            means=Means(choice, host, devices),
            checking=checking(ctx),
            check=check,
        )
    ctx.evidence.runs.extend(made.runs)
    ctx.evidence.provenances.append(Provenance.of_ladder(made))
    ctx.evidence.warnings.extend(made.warnings)
    return made


def make_stills(ctx: LocalContext, source: Asset, stills: Stills, folder: Path) -> Snapshots:
    """As of `rushes.Context.snapshots`."""
    from rushes.media.ladders.renditions import supervised  # noqa: PLC0415 - as above
    from rushes.media.ladders.snapshots import make_snapshots  # noqa: PLC0415

    build = find_build()
    folder.mkdir(parents=True, exist_ok=True)
    watched = supervised(build, supervision(ctx))

    def run(args: Sequence[str], total_s: float | None) -> ToolRun:
        ctx.evidence.runs.append(done := watched(args, total_s))
        return done

    made = make_snapshots(source, stills, folder, build=build, run=run, cancelled=lambda: ctx.cancelled)
    ctx.evidence.warnings.extend(made.warnings)
    ctx.evidence.provenances.append(Provenance.of_stills(made, build.facts()))
    return made


def _choice(
    ctx: LocalContext, encoder: str | Sequence[str] | None, fallback: str | float | None
) -> EncoderChoice:
    """What the body asks for, else what its function does."""
    resources = ctx.task.function.resources
    return parse_choice(
        resources.encoder if encoder is None else encoder,
        resources.fallback if fallback is None else fallback,
    )


def _devices(ctx: LocalContext, host: KnownHost) -> Devices | None:
    """How this attempt shares the host's devices; None where there are none."""
    if not (host.named - {"software"} or (host.capability and host.capability.devices)):
        return None
    from rushes.media.devices.device_turns import MOST_WAIT_S, Devices  # noqa: PLC0415 - where there are devices alone
    from rushes.media.devices.ledger import open_ledger  # noqa: PLC0415

    limit_s = ctx.task.function.timeout_s
    return Devices(
        partial(open_ledger, os.environ),
        alive=lambda note: ctx.report(-1.0, note),
        cancelled=lambda: ctx.cancelled,
        # Of what a function is given, waiting leaves half for the work.
        wait_s=MOST_WAIT_S if limit_s is None else min(MOST_WAIT_S, limit_s / 2),
        what=ctx.invocation,
        rank=ctx.task.rank,
        lacking=ctx.task.pool.lacks if ctx.task.pool is not None else None,
    )


def _held_not_failed(devices: Devices | None) -> AbstractContextManager[None]:
    if devices is None:
        return nullcontext()
    from rushes.media.devices.device_faults import held_not_failed  # noqa: PLC0415 - as above

    return held_not_failed()
