"""`encode_part`: the function that makes one part of a clip, as an invocation of the pool.

A body that encodes in chunks maps it over the parts (`OnThePool`). It is Rushes' own, and no entry point
names it: a part alone is of no use to anybody. This module must not know what becomes of the parts.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from rushes.asset import Asset, Output
from rushes.batch import Outcome
from rushes.context import Context
from rushes.declaration import Params, Resources, Result
from rushes.decorator import function
from rushes.errors import Cancelled, RushesError
from rushes.media.chunking.chunk_sound import SOUND
from rushes.media.chunking.cutting import Clip
from rushes.media.chunking.makers import part_name
from rushes.media.chunking.one_chunk import PartMade
from rushes.media.chunking.part_order import PartOrder, SoundOrder, order_from_json
from rushes.media.profile import Profile
from rushes.media.running.process import Supervision
from rushes.runtime.attempts.encoding import make_one_part
from rushes.runtime.attempts.local_context import LocalContext

__all__ = ["EncodePartParams", "EncodePartResult", "OnThePool", "encode_part"]


class EncodePartParams(Params):
    """Which part of a clip, and what the whole is to be."""

    part: str = Field(description="The part, as `PartOrder.to_json` or `SoundOrder.to_json` says it.")
    profile: Profile = Field(description="What the whole result should be.")


class EncodePartResult(Result):
    """A part that was made and checked: of the picture alone, or all of the sound (`number` is -1)."""

    part: Output
    number: int
    frames: int
    encoder: str
    decoder: str
    seconds: float
    cpu_s: float
    redone: int
    reason: str
    argv: tuple[str, ...]
    box: str
    device: str = ""
    waited_s: float = 0.0
    note: str = ""


# A part that fails is not tried again: what a second try may mend, it has had; for the rest, another encoder
# makes all parts. A slot that is lost costs no retry.
@function(version="1", resources=Resources(cpu=1, memory="2GiB"), retries=0)
def encode_part(clip: Asset, params: EncodePartParams, ctx: Context) -> EncodePartResult:
    """Encode one part of a clip that is encoded in chunks, and check that it holds just its frames.

    Or all of its sound, which is encoded once beside them.
    """
    assert isinstance(ctx, LocalContext)  # noqa: S101 - the runtime's own function, in the runtime's own hands
    order = order_from_json(params.part)
    codec = params.profile.video.codec
    out = ctx.output("sound.mov" if isinstance(order, SoundOrder) else part_name(order, codec))
    made = make_one_part(ctx, clip, out.path, params.profile, order)
    return EncodePartResult(
        part=out,
        number=made.number,
        frames=made.frames,
        encoder=made.encoder,
        decoder=made.decoder,
        seconds=made.seconds,
        cpu_s=made.cpu_s,
        redone=made.redone,
        reason=made.reason,
        argv=made.argv,
        box=made.box,
        device=made.device,
        waited_s=made.waited_s,
        note=made.note,
    )


class OnThePool:
    """Has the parts made as invocations of the pool that the body runs on."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def __call__(
        self,
        clip: Clip,
        orders: Sequence[PartOrder],
        folder: Path,
        *,
        heard: Path | None,
        supervision: Supervision,  # noqa: ARG002 - each invocation has one of its own
    ) -> list[PartMade]:
        """As of `rushes.media.chunking.makers.Makers`."""
        # The sound first: of a long clip it takes longer than a part, and would be waited for at the end.
        wanted: list[PartOrder | SoundOrder] = [*([clip.sound] if heard is not None else []), *orders]
        asked = [EncodePartParams(part=order.to_json(), profile=clip.profile) for order in wanted]
        self._ctx.progress(0.0, _said(len(orders), heard=heard is not None))
        outcomes = self._ctx.map(
            encode_part.with_options(receipts="none"), [(clip.source, one) for one in asked], out=folder
        )
        self._ctx.progress(0.0, f"joining {len(wanted)} parts")
        _raise_first(outcomes)
        made = sorted(map(_made, outcomes), key=lambda one: (one.number == SOUND, one.number))
        if heard is not None:
            # Beside the folder, for other encoders' parts have the same sound.
            made[-1] = _linked(made[-1], heard)
        return made


def _said(parts: int, *, heard: bool) -> str:
    sound = ", and the sound" if heard else ""
    return f"the picture in {parts} part{'s' if parts > 1 else ''}{sound}"


def _linked(made: PartMade, place: Path) -> PartMade:
    """The same, at `place` as well: where it was published it stays, for its key leads there."""
    aside = place.with_name(f"{place.stem}.part{place.suffix}")
    aside.unlink(missing_ok=True)
    try:
        aside.hardlink_to(made.path)
    except OSError:  # a file system without links
        shutil.copyfile(made.path, aside)
    return replace(made, path=aside).moved_to(place)


def _raise_first(outcomes: Sequence[Outcome[EncodePartResult]]) -> None:
    """The failure that tells most: a part that was cancelled was so because of another."""
    errors: list[RushesError] = []
    for outcome in outcomes:
        try:
            _ = outcome.result
        except RushesError as error:
            errors.append(error)
    told = [error for error in errors if not isinstance(error, Cancelled)]
    if errors:
        raise (told or errors)[0]


def _made(outcome: Outcome[EncodePartResult]) -> PartMade:
    found, end = outcome.result, outcome.finished
    lost = 0 if end.cached else end.attempts - 1
    return PartMade(
        number=found.number,
        path=Path(outcome.outputs[0]),
        frames=found.frames,
        encoder=found.encoder,
        decoder=found.decoder,
        seconds=found.seconds,
        cpu_s=found.cpu_s,
        redone=found.redone + lost,
        reason=found.reason or ("its slot was lost" if lost else ""),
        invocation=end.invocation,
        argv=found.argv,
        box=found.box,
        device=found.device,
        waited_s=found.waited_s,
        note=found.note,
    )
