"""Image sequences: which frames are there, which are missing.

One pass over the folder's names, no picture opened. This module must not know what a picture holds.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from rushes.asset import ImageSequence
from rushes.errors import CallerError, MediaError
from rushes.media.describing.schema import SequenceInfo

__all__ = ["FoundFrames", "scan_sequence"]


@dataclass(frozen=True, slots=True)
class FoundFrames:
    """The frames of a sequence that exist, in order, with their sizes."""

    numbers: list[int]
    sizes: list[int]

    @property
    def size_bytes(self) -> int:
        return sum(self.sizes)


def scan_sequence(name: str, sequence: ImageSequence) -> tuple[SequenceInfo, FoundFrames]:
    """What exists of a sequence, between its first and last frame.

    Raises:
        CallerError: the folder or all frames are missing, or it may not be read.
        MediaError: every frame is empty.
    """
    found: dict[int, int] = {}
    head, tail = len(sequence.prefix), len(sequence.suffix)
    try:
        with os.scandir(sequence.directory) as entries:
            for entry in entries:
                if not (entry.name.startswith(sequence.prefix) and entry.name.endswith(sequence.suffix)):
                    continue
                digits = entry.name[head : len(entry.name) - tail]
                # An unpadded number may outgrow the padding, as printf's does; a shorter one is another name.
                if not digits.isascii() or not digits.isdigit() or len(digits) < sequence.padding:
                    continue
                number = int(digits)
                if sequence.first <= number <= sequence.last and entry.is_file():
                    found[number] = entry.stat().st_size
    except OSError as error:
        raise CallerError(
            f"{sequence.directory} cannot be listed: {error.strerror}.",
            code="not-found",
            fix="Check the folder of the sequence and its permissions.",
        ) from error
    if not found:
        raise CallerError(
            f"no frame of {name} exists in {sequence.directory}.",
            code="not-found",
            fix="Check the prefix, the padding and the range.",
        )
    numbers = sorted(found)
    sizes = [found[n] for n in numbers]
    if not any(sizes):
        raise MediaError(f"every frame of {name} is empty.", code="empty", fix="Copy the sequence again.")
    info = SequenceInfo(
        pattern=name,
        first=numbers[0],
        last=numbers[-1],
        frames=len(numbers),
        missing=_gaps(numbers, sequence.first, sequence.last),
        empty=[n for n, size in zip(numbers, sizes, strict=True) if not size],
    )
    return info, FoundFrames(numbers, sizes)


def _gaps(numbers: list[int], first: int, last: int) -> list[tuple[int, int]]:
    gaps = []
    expected = first
    for number in numbers:
        if number > expected:
            gaps.append((expected, number - 1))
        expected = number + 1
    if expected <= last:
        gaps.append((expected, last))
    return gaps
