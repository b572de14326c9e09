"""How seconds follow from work: a start, and so much for each frame, megapixel, megabyte and second of it.

A curve is laid through runs by relative error: one that takes twice as long is not twice as important. No
part of it is below nothing. It is drawn towards the curve of more general work, which counts as `PRIOR_RUNS`
runs: first as a whole, for one kind of work differs from another most of all by a factor, then in its shape.
A run that is far off (somebody else had the machine) counts for less (P. J. Huber, Robust Estimation of a
Location Parameter, 1964). This module must not know what the parts are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log
from operator import mul
from statistics import median
from typing import Final, NamedTuple

__all__ = ["PRIOR_RUNS", "Curve", "Parts", "Seen", "at", "fitted"]

PRIOR_RUNS: Final = 4.0
"""What the more general curve counts for: after 40 runs of its own a curve says 91 %."""
# Parts go together (a long clip has many frames, pixels and bytes): what tells one from the other is only a
# little of each run, and a pull as strong as that of the height would never be outweighed.
_SHAPE_RUNS: Final = 1.0
_ROUNDS: Final = 4
_SWEEPS: Final = 60
# A run further off than this many times the usual error counts for less; errors below the second are usual.
_FAR: Final = 2.0
_USUAL: Final = 0.08

Curve = Mapping[str, float]
"""Seconds for each unit of each part, by its name."""
Parts = tuple[tuple[str, float], ...]
"""How much a run has of each part that it has. `decode/h264` and `decode/hevc` are parts of one family."""


class Seen(NamedTuple):
    """A run: how much of each part it had, the seconds that it took, how many like it it stands for."""

    parts: Parts
    seconds: float
    runs: float = 1.0


def at(curve: Curve, parts: Parts) -> float:
    """Seconds of work that has so much of each part."""
    return sum(_each(curve, name) * amount for name, amount in parts)


def fitted(seen: Sequence[Seen], towards: Curve, *, trust: float = PRIOR_RUNS) -> Curve:
    """The curve through `seen`.

    Args:
        seen: the runs; without any, `towards` is the answer.
        towards: the curve of more general work; above 0 for every run.
        trust: for how many runs its height counts; its shape counts for less.
    """
    if not seen:
        return towards
    factor = _factor(seen, towards, trust)
    names = sorted({name for one in seen for name, _ in one.parts} | set(towards))
    lower = [_each(towards, name) * factor for name in names]
    places = {name: place for place, name in enumerate(names)}
    rows = [[(places[name], amount) for name, amount in one.parts if amount] for one in seen]
    curve = lower
    for _ in range(_ROUNDS):
        curve = _solved(rows, seen, _weights(rows, seen, curve), lower, curve)
    return dict(zip(names, curve, strict=True))


def _each(curve: Curve, name: str) -> float:
    """Seconds for each unit of a part; of one that was never seen, as its family's middle member has it."""
    known = curve.get(name)
    if known is not None:
        return known
    family = name.partition("/")[0] + "/"
    if family in curve:
        return curve[family]
    return median([each for other, each in curve.items() if other.startswith(family)] or [0.0])


def _factor(seen: Sequence[Seen], towards: Curve, trust: float) -> float:
    """By how much the runs are dearer than `towards` says, all together."""
    runs = sum(one.runs for one in seen)
    off = median(log(one.seconds / max(at(towards, one.parts), 1e-9)) for one in seen)
    return exp(off * runs / (runs + trust))


Row = Sequence[tuple[int, float]]


def _weights(rows: Sequence[Row], seen: Sequence[Seen], curve: Sequence[float]) -> list[float]:
    says = [
        max(sum(curve[place] * amount for place, amount in row), 0.05 * one.seconds, 1e-9)
        for row, one in zip(rows, seen, strict=True)
    ]
    off = [abs(log(one.seconds / said)) for one, said in zip(seen, says, strict=True)]
    far = max(_FAR * median(off), _USUAL)
    return [
        one.runs * (1.0 if error <= far else far / error) / (said * said)
        for one, said, error in zip(seen, says, off, strict=True)
    ]


def _solved(
    rows: Sequence[Row],
    seen: Sequence[Seen],
    weights: Sequence[float],
    towards: Sequence[float],
    start: Sequence[float],
) -> list[float]:
    """Least squares with no part below 0, by going down one part after the other."""
    square, right = _normal_equations(rows, seen, weights, towards)
    found = list(start)
    for _ in range(_SWEEPS):
        moved = 0.0
        for place, line in enumerate(square):
            own = line[place]
            if own <= 0.0:
                continue
            new = max(0.0, found[place] + (right[place] - sum(map(mul, line, found))) / own)
            moved = max(moved, abs(new - found[place]) * own**0.5)
            found[place] = new
        if moved < 1e-5:
            break
    return found


def _normal_equations(
    rows: Sequence[Row], seen: Sequence[Seen], weights: Sequence[float], towards: Sequence[float]
) -> tuple[list[list[float]], list[float]]:
    square = [[0.0] * len(towards) for _ in towards]
    right = [0.0] * len(towards)
    having = [0.0] * len(towards)
    for row, one, weight in zip(rows, seen, weights, strict=True):
        for place, amount in row:
            having[place] += one.runs
            weighed = weight * amount
            right[place] += weighed * one.seconds
            line = square[place]
            for other, more in row:
                line[other] += weighed * more
    for place, line in enumerate(square):
        # What no run had any of says nothing, and stays as the more general curve has it.
        pull = _SHAPE_RUNS * line[place] / (having[place] or 1.0)
        line[place] += pull
        right[place] += pull * towards[place]
    return square, right
