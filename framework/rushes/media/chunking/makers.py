"""Who makes the parts of a clip: a port, and the crew that makes them side by side in this process.

Another crew hands them to a pool. This module must not know why they are made, nor what becomes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rushes.errors import PlatformError
from rushes.media.chunking.chunk_commands import HELD_IN
from rushes.media.chunking.chunk_sound import SOUND, make_sound
from rushes.media.chunking.cutting import Clip
from rushes.media.chunking.one_chunk import PartMade, make_part
from rushes.media.chunking.part_cards import Cards
from rushes.media.chunking.part_order import PartOrder
from rushes.media.chunking.stitch import check_part
from rushes.media.running.crew import run_together
from rushes.media.running.process import Supervision

__all__ = ["Makers", "SideBySide", "part_name"]


class Makers(Protocol):
    """Makes parts, in any order and anywhere."""

    def __call__(
        self,
        clip: Clip,
        orders: Sequence[PartOrder],
        folder: Path,
        *,
        heard: Path | None,
        supervision: Supervision,
    ) -> list[PartMade]:
        """The parts that `orders` ask for, in their order, and behind them the sound where it is wanted.

        A part that lies in `folder` already, finished, is not made again.

        Args:
            clip: which they are parts of.
            orders: the parts.
            folder: where they are wanted, by names that each maker chooses.
            heard: where the sound is wanted, beside them; None where it is there, or there is none.
            supervision: limits, progress, cancellation and log, of all parts together.

        Raises:
            RushesError: what kept the first one that failed from being made.
        """
        ...


def part_name(order: PartOrder, codec: str) -> str:
    """The name of a part's file, for a picture in `codec`."""
    return f"{order.number:04d}.{HELD_IN[codec]}"


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Makes parts in this process, so many at once, each by tools of its own on one thread.

    Args:
        parallel: how many at once.
        cards: those that may make them, where it is not the processor.
    """

    parallel: int
    cards: Cards = field(default_factory=Cards)

    def __call__(
        self,
        clip: Clip,
        orders: Sequence[PartOrder],
        folder: Path,
        *,
        heard: Path | None,
        supervision: Supervision,
    ) -> list[PartMade]:
        """As of `Makers`."""
        # The longest first: a short one at the end leaves the others idle for a short time only.
        longest_first = sorted(orders, key=lambda one: -len(one.chunk))
        jobs = [_job(clip, one, folder, self.cards) for one in longest_first]
        if heard is not None:
            jobs.append(_sound_job(clip, heard))
        frames = sum(len(one.chunk) for one in orders)
        made = run_together(jobs, parallel=self.parallel, supervision=supervision, frames=frames)
        return sorted(made, key=lambda one: (one.number == SOUND, one.number))


def _sound_job(clip: Clip, heard: Path) -> Callable[[Supervision], PartMade]:
    def job(supervision: Supervision) -> PartMade:
        return make_sound(
            clip.source,
            clip.profile,
            clip.sound,
            heard,
            build=clip.build,
            supervision=supervision,
            info=clip.ground.info,
        )

    return job


def _job(clip: Clip, order: PartOrder, folder: Path, cards: Cards) -> Callable[[Supervision], PartMade]:
    place = folder / part_name(order, clip.profile.video.codec)

    def job(supervision: Supervision) -> PartMade:
        finished = _finished(clip, order, place)
        if finished is not None:
            return finished
        made = make_part(
            clip.source,
            clip.profile,
            order,
            place.with_name(f"{place.stem}.part{place.suffix}"),
            build=clip.build,
            supervision=supervision,
            info=clip.ground.info,
            times=clip.times(order),
            cards=cards,
        )
        return made.moved_to(place)

    return job


def _finished(clip: Clip, order: PartOrder, place: Path) -> PartMade | None:
    """A part that an earlier call has finished; a broken one is thrown away."""
    if not place.exists():
        return None
    try:
        check_part(place, order, clip.times(order))
    except PlatformError:
        place.unlink()
        return None
    return PartMade(order.number, place, len(order.chunk), clip.whole.encoder)
