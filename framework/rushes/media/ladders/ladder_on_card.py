"""The graph of a ladder whose pictures stay on the card that decodes, scales and encodes them.

Each rung of the card is scaled there from its next larger one. What the processor makes (rungs in software,
stills) is brought down from the rung above, once it is small. Pure; this module must not know encoders.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from rushes.media.ladders.fanout import Branch
from rushes.media.ladders.ladder_graph import scaled
from rushes.media.planning.colour import depth_of
from rushes.media.planning.device_graph import HERE, Spot, moved
from rushes.media.planning.filters import Step, step
from rushes.media.planning.picture import Picture

__all__ = ["card_tree", "stays_on_card"]


def stays_on_card(
    pictures: Sequence[Picture], decoded: Spot, *, stills: bool, filters: Collection[str]
) -> bool:
    """Whether the rungs of a card can be made without their pictures leaving it.

    Only where nothing but the size changes, as of a single encode: a card's colours, levels and rounding are
    not bit for bit the processor's. The largest rung has to be the card's.

    Args:
        pictures: of the rungs, the largest first.
        decoded: where the source is decoded.
        stills: some are taken beside.
        filters: that the build has.
    """
    first = pictures[0]
    if not _is_on(first, decoded) or not decoded.may_keep(replace(first, spot=HERE).chain()):
        return False
    own = [one for one in pictures if _is_on(one, decoded)]
    if any(one.colour is None or depth_of(one.colour.pix_fmt) != decoded.depth for one in own):
        return False
    if any(one.colour is not None and one.colour.tags.range == "pc" for one in pictures):
        return False
    down = decoded.download if stills or len(own) < len(pictures) else ()
    comes_down = bool(down) or (not stills and len(own) == len(pictures))
    return comes_down and {one.name for one in (decoded.scaled(2, 2), *down)} <= set(filters)


def card_tree(
    rungs: Sequence[tuple[str, Picture]],
    stills: Sequence[tuple[int, Branch]],
    before: tuple[Step, ...],
    decoded: Spot,
    after: tuple[Step, ...] = (),
) -> Branch:
    """Every rung taken from the next larger one on the card, or below it on the processor.

    Args:
        rungs: name and picture of each, the largest first, on the card.
        stills: branches, and the number of the rung that each is taken from.
        before: steps before those of the largest.
        decoded: the card.
        after: steps behind them.
    """
    return _CardTree(rungs, stills, decoded).branch(
        0, (*before, *moved(replace(rungs[0][1], spot=HERE).chain(), decoded), *after)
    )


@dataclass(frozen=True, slots=True)
class _CardTree:
    rungs: Sequence[tuple[str, Picture]]
    stills: Sequence[tuple[int, Branch]]
    card: Spot

    def branch(self, number: int, steps: tuple[Step, ...]) -> Branch:
        """One rung, and all that is taken from it."""
        below = [
            self.branch(other, self._steps(other, number))
            for other in range(number + 1, len(self.rungs))
            if self._parent(other) == number
        ]
        taken = [self._still(number, one) for rung, one in self.stills if rung == number]
        return Branch(steps, self.rungs[number][0], (*below, *taken))

    def _on_card(self, number: int) -> bool:
        return _is_on(self.rungs[number][1], self.card)

    def _parent(self, number: int) -> int:
        larger = range(number - 1, -1, -1)
        return next(other for other in larger if self._on_card(other) or not self._on_card(number))

    def _steps(self, number: int, parent: int) -> tuple[Step, ...]:
        picture, larger = self.rungs[number][1], self.rungs[parent][1]
        if self._on_card(number):
            # Only how it is called there differs from what the processor would do.
            return moved(scaled(picture, larger), self.card)
        down = self._down(number) if self._on_card(parent) else ()
        return (*down, *scaled(picture, larger))

    def _down(self, number: int) -> tuple[Step, ...]:
        """From the card, in the layout of a rung's own."""
        colour, down = self.rungs[number][1].colour, self.card.download
        own = () if colour is None else (step("format", pix_fmts=colour.pix_fmt),)
        return (*down, *(one for one in own if one not in down))

    def _still(self, number: int, branch: Branch) -> Branch:
        if not self._on_card(number):
            return branch
        picked, *rest = branch.steps  # first which pictures: the others need not come down
        return replace(branch, steps=(picked, *self._down(number), *rest))


def _is_on(picture: Picture, card: Spot) -> bool:
    return (picture.spot.family, picture.spot.index) == (card.family, card.index)
