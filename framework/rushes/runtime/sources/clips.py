"""The names in one folder, made into clips: numbered images become one sequence, never frames.

Pure: it takes names and gives names, in the order of their bytes. This module must not open anything.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from rushes.asset import IMAGE_SUFFIXES
from rushes.media_kinds import suffix_of

__all__ = ["clip_names", "sort_key"]

_NUMBERED: Final = re.compile(r"(.*?)([0-9]{1,18})(\.[^./\[\]]+)", re.DOTALL)
# Two images whose numbers are further apart than this, for each image that there is, are dates or serial
# numbers in names, not frames of one shot with a gap.
_SPARSE: Final = 100
_SPARSE_AT_LEAST: Final = 1000


def sort_key(name: str) -> bytes:
    """The order of names everywhere: by their bytes, so that it is the same in every locale."""
    return os.fsencode(name)


def clip_names(names: Iterable[str]) -> Iterator[str]:
    """The clips among the file names of one folder, sorted: single files and sequence patterns.

    ``["p.1001.exr", "p.1002.exr", "a.mov"]`` → ``a.mov``, ``p.[1001-1002].exr``. What the numbers leave
    out is a gap. Numbers with leading zeros are one sequence with others of the same width only; a change
    of width without leading zeros (``9``, ``10``) goes on with the same sequence.
    """
    found: list[str] = []
    shots: dict[tuple[str, str], _Shot] = {}
    for name in names:
        match = _NUMBERED.fullmatch(name) if suffix_of(name) in IMAGE_SUFFIXES else None
        if match is None:
            found.append(name)
        else:
            shots.setdefault((match[1], match[3]), _Shot()).add(match[2])
    for (prefix, suffix), shot in shots.items():
        for run in shot.runs():
            found.extend(run.names(prefix, suffix))
    found.sort(key=sort_key)
    yield from found


@dataclass(slots=True)
class _Run:
    """Numbers written with `width` digits at least. A dense run needs no list of its numbers."""

    width: int
    numbers: list[int] = field(default_factory=list)

    @property
    def first(self) -> int:
        return self.numbers[0]

    @property
    def last(self) -> int:
        return self.numbers[-1]

    @property
    def step(self) -> float:
        return (self.last - self.first) / (len(self.numbers) - 1) if len(self.numbers) > 1 else 1.0

    def names(self, prefix: str, suffix: str) -> list[str]:
        span = self.last - self.first + 1
        if len(self.numbers) > 1 and span <= _SPARSE * len(self.numbers) + _SPARSE_AT_LEAST:
            return [f"{prefix}[{self.first:0{self.width}d}-{self.last:0{self.width}d}]{suffix}"]
        return [f"{prefix}{number:0{self.width}d}{suffix}" for number in self.numbers]


class _Shot:
    """All numbers that stand between one prefix and one suffix, by how they are written."""

    __slots__ = ("_by_width",)

    def __init__(self) -> None:
        self._by_width: dict[tuple[int, bool], list[int]] = {}

    def add(self, digits: str) -> None:
        padded = digits[0] == "0" and len(digits) > 1
        self._by_width.setdefault((len(digits), padded), []).append(int(digits))

    def runs(self) -> Iterator[_Run]:
        runs: list[_Run] = []
        for width in sorted({width for width, _ in self._by_width}):
            padded = sorted(self._by_width.get((width, True), ()))
            plain = sorted(self._by_width.get((width, False), ()))
            if padded:  # 0998, 0999, 1000: one width, with and without a leading zero
                runs.append(_Run(width, padded + plain))
            elif runs and _goes_on(runs[-1], plain):
                runs[-1].numbers += plain
            else:
                runs.append(_Run(width, plain))
        yield from runs


def _goes_on(run: _Run, numbers: list[int]) -> bool:
    """True when wider numbers continue a run: 9, 10 or, in steps of 5, 95, 100."""
    step = max(run.step, _Run(0, numbers).step)
    return numbers[0] - run.last <= 2 * step
