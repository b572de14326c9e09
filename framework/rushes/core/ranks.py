"""The classes of a pool by rank: which goes before which, and what each gives a show.

This module must not know what waits in them.
"""

from __future__ import annotations

from collections.abc import Sequence

from rushes.core.events import ClassPolicy, QueueKey
from rushes.core.ordering import Level

__all__ = ["Ranks"]


class Ranks:
    """Levels, the best first, and the classes that stand in them.

    Args:
        classes: one at least.
        credit_s: of each level.

    Raises:
        ValueError: there is none.
    """

    __slots__ = ("_placed", "levels")

    def __init__(self, classes: Sequence[ClassPolicy], credit_s: float) -> None:
        if not classes:
            raise ValueError("a pool needs at least one priority class")
        ranks = sorted({policy.rank for policy in classes})
        self.levels = [
            Level(rank, displaces=any(one.may_displace for one in classes if one.rank in ranks[at : at + 2]))
            for at, rank in enumerate(ranks)
        ]
        for level in self.levels:
            level.credit_s = credit_s
        self._placed = {one.name: (one, ranks.index(one.rank)) for one in classes}

    @property
    def classes(self) -> tuple[ClassPolicy, ...]:
        """All classes, the best first."""
        return tuple(sorted((one for one, _ in self._placed.values()), key=lambda one: (one.rank, one.name)))

    def policy(self, key: QueueKey) -> ClassPolicy:
        """The class of a queue; one that nobody knows goes last rather than nowhere."""
        return self._place(key)[0]

    def placed(self, key: QueueKey) -> tuple[ClassPolicy, Level, Level]:
        """The class of a queue, its level, and the one above, which at the top is the same."""
        policy, rank = self._place(key)
        return policy, self.levels[rank], self.levels[max(rank - 1, 0)]

    def _place(self, key: QueueKey) -> tuple[ClassPolicy, int]:
        return self._placed.get(key.priority) or max(self._placed.values(), key=lambda one: one[1])

    def weight(self, key: QueueKey) -> float:
        """The share of a queue's show against the others of its class."""
        placed = self._placed.get(key.priority)
        return max(placed[0].weights.get(key.show, 1.0), 1e-6) if placed else 1.0
