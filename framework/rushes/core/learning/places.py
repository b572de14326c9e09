"""Clips of one place are alike: how busy their pictures are no header says, but those beside them do.

A place is a folder: the clips of one roll, scene or shot. What its pictures take more than others' is a part
of a curve, where enough of its clips were seen; all other places are one. This module must not know how
curves are laid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from rushes.core.learning.curves import Seen

__all__ = ["LEAST_RUNS", "MOST_PLACES", "told_apart"]

PLACE: Final = "place/"
LEAST_RUNS: Final = 3
"""Runs of a place before it is told from others."""
MOST_PLACES: Final = 12
"""That are told apart, those with the most runs: each is one more unknown."""


def told_apart(seen: Iterable[Seen]) -> list[Seen]:
    """The same runs, with one name for all places of which too little was seen."""
    runs = list(seen)
    counted = Counter(name for one in runs for name, _ in one.parts if name.startswith(PLACE))
    kept = {name for name, count in counted.most_common(MOST_PLACES) if count >= LEAST_RUNS}
    return [
        one._replace(
            parts=tuple(
                (PLACE if name.startswith(PLACE) and name not in kept else name, amount)
                for name, amount in one.parts
            )
        )
        for one in runs
    ]
