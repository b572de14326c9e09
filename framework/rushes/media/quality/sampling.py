"""Which parts of a clip stand for the whole of it, when trying a quality on all of it would cost too much.

Evenly spread, in the middle of equal shares, so that neither titles nor credits speak for a film. Pure
arithmetic on frame numbers; it must not open anything.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

__all__ = ["place_samples", "to_key_frames"]

WHOLE_S: Final = 10.0
"""A clip as short as this is its own sample."""
# Three tries on 8 % of a minute of 720p took 0.8 of an x264 encode; beyond 40 s samples tell no more.
_SHARE: Final = 0.06
_LEAST_S: Final = 3.6
_MOST_S: Final = 40.0
# Shorter, and the first key frame, which is better than what follows, would make up too much of it.
_SAMPLE_S: Final = 0.9


def place_samples(frames: int, rate: float, *, most: int | None = None) -> list[tuple[int, int]]:
    """Half-open frame ranges that stand for `frames` frames: all of them, or some 6 %, at most 40 s.

    Args:
        frames: of the clip.
        rate: frames a second.
        most: how many ranges at most, for a source in which every one is dear to reach; they are longer then.
    """
    if frames <= round(WHOLE_S * rate):
        return [(0, frames)]
    total = round(min(max(frames * _SHARE, _LEAST_S * rate), _MOST_S * rate))
    count = max(2, round(total / (_SAMPLE_S * rate)))
    count = count if most is None else min(count, most)
    length = max(1, total // count)
    share = frames / count
    starts = [int(share * number + (share - length) / 2) for number in range(count)]
    return [(start, start + length) for start in starts]


def to_key_frames(samples: Sequence[tuple[int, int]], keys: Sequence[int]) -> list[tuple[int, int]]:
    """The samples moved back to the key frame before them, where one is near: less is decoded for nothing.

    Args:
        samples: half-open ranges, in order.
        keys: frame numbers of key frames, in order; may be empty.
    """
    moved: list[tuple[int, int]] = []
    for start, stop in samples:
        floor = moved[-1][1] if moved else 0
        at = bisect_right(keys, start) - 1
        key = keys[at] if at >= 0 else -1
        # Further away than a sample's length, the parts would no longer be evenly spread.
        first = key if key >= floor and start - key <= 2 * (stop - start) else start
        moved.append((first, first + stop - start))
    return moved
