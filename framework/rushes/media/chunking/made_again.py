"""Holds the parts that were made against what they should be, and has those made again that are not.

A part that is broken is made again alone, once; so is one that does not fit the others. This module must not
know who makes parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rushes.errors import PlatformError
from rushes.media.chunking.cutting import Clip
from rushes.media.chunking.makers import Makers
from rushes.media.chunking.one_chunk import PartMade
from rushes.media.chunking.part_order import PartOrder
from rushes.media.chunking.stitch import CheckedPart, check_part
from rushes.media.running.process import Supervision

__all__ = ["checked", "misfits"]


def checked(
    clip: Clip, made: Sequence[PartMade], folder: Path, *, makers: Makers, supervision: Supervision
) -> tuple[list[CheckedPart], list[PartMade]]:
    """The parts as they lie there, all good and of one kind, and how each was made.

    Args:
        clip: which they are parts of.
        made: all of them, as they were made.
        folder: where they lie.
        makers: makes the bad ones again.
        supervision: of that.

    Raises:
        PlatformError: one is bad again (``bad-chunk``).
    """
    check = _Check(clip, folder, makers, supervision, {one.number: one for one in made})
    bad: dict[int, str] = {}
    for one in made:
        try:
            check.look(one)
        except PlatformError as error:
            bad[one.number] = error.message
    check.again(bad)
    odd, fit = misfits(check.found, {number: one.device for number, one in check.made.items()})
    check.again(odd, only=fit)
    numbers = sorted(check.made)
    return [check.found[number] for number in numbers], [check.made[number] for number in numbers]


@dataclass
class _Check:
    """What is known so far: each part as it was made, and those that were found good."""

    clip: Clip
    folder: Path
    makers: Makers
    supervision: Supervision
    made: dict[int, PartMade]
    found: dict[int, CheckedPart] = field(default_factory=dict)

    def look(self, one: PartMade) -> None:
        order = self.clip.orders[one.number]
        self.found[one.number] = check_part(one.path, order, self.clip.times(order), decodes=False)

    def again(self, reasons: Mapping[int, str], *, only: tuple[str, ...] = ()) -> None:
        """Have these made once more, each for its reason."""
        if not reasons:
            return
        for number in reasons:
            self.made[number].path.unlink(missing_ok=True)
        orders: list[PartOrder] = [replace(self.clip.orders[number], only=only) for number in reasons]
        for one in self.makers(self.clip, orders, self.folder, heard=None, supervision=self.supervision):
            # The makers count anew: what the first one had cost is of the encode as well.
            before = self.made[one.number]
            self.made[one.number] = replace(
                one,
                redone=before.redone + one.redone + 1,
                reason=reasons[one.number],
                seconds=round(before.seconds + one.seconds, 3),
                cpu_s=round(before.cpu_s + one.cpu_s, 3),
            )
            self.look(one)


def misfits(
    found: Mapping[int, CheckedPart], devices: Mapping[int, str]
) -> tuple[dict[int, str], tuple[str, ...]]:
    """The parts whose parameter sets are not those of the most, each with why; and the devices of the most.

    None where a device that made the most has made others as well: it would do so again.

    Args:
        found: the parts by their numbers.
        devices: what made each; "" where nobody knows.
    """
    alike: dict[tuple[object, ...], list[int]] = {}
    for number, part in found.items():
        alike.setdefault(part.parameters, []).append(number)
    most = max(alike.values(), key=len)
    fit = tuple(sorted({devices[number] for number in most} - {""}))
    others = [number for number in found if number not in most]
    if not fit or any(devices[number] in fit for number in others):
        return {}, fit
    names = ", ".join(fit)
    return {
        number: f"the parameter sets of {devices[number] or 'an earlier attempt'} are not those of {names}"
        for number in others
    }, fit
