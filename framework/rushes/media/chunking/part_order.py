"""What one part of a chunked encode is, as a value: small, sent as JSON, and enough to make it anywhere.

With the clip and the profile it says which frames, by which encoder, and how the finished part is known to
be right; or that it is the sound. Pure; this module must not know how a part is made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any, Final

from rushes.media.chunking.chunks import Chunk, ChunkPlan
from rushes.media.planning.device_graph import Spot

__all__ = ["PartOrder", "SoundOrder", "digest_of_times", "order_from_json", "orders_of"]

_SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class PartOrder:
    """One part of a clip, to be made.

    Args:
        number: which part, from 0.
        count: how many there are.
        chunk: its frames, in the clip's ticks.
        times: digest of when each of them is shown; another file under the same name has another.
        time_base: seconds a tick of the clip.
        frames: of the whole clip.
        rate: constant frames a second of the result; None when each frame keeps its own time.
        duration_s: of the whole picture.
        spot: the family that encodes it and what decodes, the same for all parts. Which card of the family
            is left open, and the spot's are of no account.
        ffmpeg: version of the build, the same for all parts.
        only: the devices that may make it, where those that are there did not all fit; empty: any.
    """

    number: int
    count: int
    chunk: Chunk
    times: str
    time_base: Fraction
    frames: int
    rate: Fraction | None
    duration_s: float | None
    spot: Spot
    ffmpeg: str
    only: tuple[str, ...] = ()

    @property
    def is_last(self) -> bool:
        """Whether no other part follows."""
        return self.number + 1 == self.count

    def to_json(self) -> str:
        """Text that `from_json` reads; equal orders give equal text."""
        facts: dict[str, Any] = asdict(self)
        facts |= {"schema": _SCHEMA, "time_base": str(self.time_base)}
        facts["rate"] = None if self.rate is None else str(self.rate)
        return json.dumps(facts, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> PartOrder:
        """The order that `to_json` wrote.

        Raises:
            ValueError: it is no such text, or of another version.
        """
        facts = json.loads(text)
        if not isinstance(facts, dict) or facts.pop("schema", None) != _SCHEMA:
            msg = f"this is no part of a clip of version {_SCHEMA}"
            raise ValueError(msg)
        try:
            rate = facts.pop("rate")
            return cls(
                chunk=Chunk(**facts.pop("chunk")),
                time_base=Fraction(facts.pop("time_base")),
                rate=None if rate is None else Fraction(rate),
                spot=Spot(**facts.pop("spot")),
                only=tuple(facts.pop("only", ())),
                **facts,
            )
        except (KeyError, TypeError) as error:
            msg = f"this part of a clip lacks or does not know {error}"
            raise ValueError(msg) from error


@dataclass(frozen=True, slots=True)
class SoundOrder:
    """The sound of a clip, all of it, to be made once beside the parts of its picture.

    Args:
        start_us: where the clip's clock starts, in microseconds.
        family: whose build of ffmpeg makes it, for it makes the picture too.
        ffmpeg: version of that build.
    """

    start_us: int
    family: str
    ffmpeg: str

    def to_json(self) -> str:
        """Text that `order_from_json` reads; equal orders give equal text."""
        facts = {"schema": _SCHEMA, "sound": asdict(self)}
        return json.dumps(facts, sort_keys=True, separators=(",", ":"))


def order_from_json(text: str) -> PartOrder | SoundOrder:
    """What `PartOrder.to_json` or `SoundOrder.to_json` wrote.

    Raises:
        ValueError: it is no such text, or of another version.
    """
    facts = json.loads(text)
    if isinstance(facts, dict) and facts.get("schema") == _SCHEMA and "sound" in facts:
        return SoundOrder(**facts["sound"])
    return PartOrder.from_json(text)


def orders_of(plan: ChunkPlan, pts: Sequence[int], *, spot: Spot, ffmpeg: str) -> tuple[PartOrder, ...]:
    """The orders for all parts of a plan.

    Args:
        plan: the parts.
        pts: when each frame of the clip is shown, in its ticks.
        spot: the family that encodes them all, and what decodes.
        ffmpeg: version of the build that does.
    """
    # Whichever card makes a part, its order is the same, so that another attempt finds what was finished.
    spot = replace(spot, index=0, node="")
    return tuple(
        PartOrder(
            number=number,
            count=len(plan.chunks),
            chunk=chunk,
            times=digest_of_times(pts[chunk.start : chunk.stop]),
            time_base=plan.time_base,
            frames=plan.frames,
            rate=plan.rate,
            duration_s=plan.duration_s,
            spot=spot,
            ffmpeg=ffmpeg,
        )
        for number, chunk in enumerate(plan.chunks)
    )


def digest_of_times(pts: Sequence[int]) -> str:
    """A digest of times in ticks, the same on every machine."""
    return hashlib.sha256(",".join(map(str, pts)).encode()).hexdigest()[:32]
