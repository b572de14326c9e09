"""What the reader of results should know beside them: notes of the same kind counted, a line each. Pure.

A note is what a receipt has under ``warnings``: that a clip was encoded whole, that software stepped in.
Bounded, however many clips a batch has. This module must not know where ends come from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rushes.cli.show import one_line, short_name

if TYPE_CHECKING:
    from rushes.invocation import Finished

__all__ = ["NOTES_SHOWN", "Notes"]

NOTES_SHOWN: Final = 6
_KINDS_KEPT: Final = 200
_FIGURES: Final = re.compile(r"\d[\d.,:]*")


@dataclass(slots=True)
class _Kind:
    """Notes that differ in figures alone: the first of them, and how many there are."""

    text: str
    asset: str
    invocation: str
    count: int = 0
    clips: int = 0
    is_same: bool = True


@dataclass(slots=True)
class Notes:
    """The notes of the results that have been seen."""

    kinds: dict[str, _Kind] = field(default_factory=dict)
    unkept: int = 0

    def add(self, one: Finished) -> None:
        """Count the notes of a result."""
        met: set[str] = set()
        for text in one.warnings:
            line = one_line(text)
            # A clip's name and its figures make no other kind of note.
            shape = _FIGURES.sub("#", line.replace(short_name(one.asset), "…"))
            kind = self.kinds.get(shape)
            if kind is None:
                if len(self.kinds) >= _KINDS_KEPT:
                    self.unkept += 1
                    continue
                kind = self.kinds[shape] = _Kind(line, one.asset, one.invocation)
            kind.count += 1
            kind.clips += shape not in met
            met.add(shape)
            kind.is_same = kind.is_same and kind.text == line

    def lines(self, batch: str) -> list[str]:
        """A line for each kind, the most frequent first; where the rest can be read."""
        ranked = sorted(self.kinds.values(), key=lambda kind: (-kind.clips, -kind.count))
        found = [_line(kind) for kind in ranked[:NOTES_SHOWN]]
        more = sum(kind.count for kind in ranked[NOTES_SHOWN:]) + self.unkept
        if more:
            found.append(f"and {more:,} more: rushes results {batch} --notes")
        return found


def _line(kind: _Kind) -> str:
    if kind.clips == 1:
        more = f", and {kind.count - 1:,} like it" if kind.count > 1 else ""
        return f"{short_name(kind.asset)}: {kind.text}{more} (rushes why {kind.invocation})"
    such = "" if kind.is_same else f", such as {short_name(kind.asset)}"
    return f"{kind.clips:,} clips{such}: {kind.text}"
