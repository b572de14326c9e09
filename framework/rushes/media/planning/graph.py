"""The inputs of somebody's own ffmpeg graph: limited as ours are, and image sequences read as what they are.

This module must not know what a graph does with its inputs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction

from rushes.asset import Asset, ImageSequence
from rushes.errors import CallerError, MediaError
from rushes.media.readers.guard import DEMUXERS, input_args
from rushes.media.readers.sequence_rate import ASSUMED_RATE

__all__ = ["guard_graph"]

_OWN_END = frozenset({"-t", "-to", "-start_number"})


def guard_graph(args: Sequence[str]) -> list[str]:
    """The arguments of somebody's own ffmpeg graph, each input limited to local files and safe formats.

    An input whose format the graph itself names (``-f``: a test source, raw video) keeps it, and may still
    read local files only. The pattern of an image sequence, which is what `Asset.path` gives, is read as that
    sequence.

    Raises:
        CallerError: no frame of a sequence is there, or its rate is none.
        MediaError: a sequence has holes.
    """
    guarded: list[str] = []
    own: list[str] = []  # the options of the next input or output so far
    for arg in args:
        if own and own[-1] == "-i":
            guarded += _input(arg, own[:-1])
            own = []
            continue
        own.append(arg)
    return [*guarded, *own]


def _input(name: str, own: Sequence[str]) -> list[str]:
    named = "-f" in own
    plain = name.startswith("/") and not named
    sequence = Asset(name).sequence if plain else None
    if sequence is not None and not os.path.lexists(name):
        return _sequence(name, sequence, own)
    options = ["-protocol_whitelist", "file"]
    options += [] if named else ["-format_whitelist", ",".join(DEMUXERS)]
    return [*options, *own, "-i", f"file:{name}" if plain else name]


def _sequence(pattern: str, sequence: ImageSequence, own: Sequence[str]) -> list[str]:
    _refuse_holes(pattern.rpartition("/")[2], sequence)
    rate = own[own.index("-framerate") + 1] if "-framerate" in own else str(ASSUMED_RATE)
    *options, dash_i, source = input_args(Asset(pattern), frame_rate=rate)
    if _OWN_END.isdisjoint(own):
        try:
            # image2 reads on while there are files. Half a frame less: a time rounded up would let one in.
            options += ["-to", f"{float((len(sequence) - Fraction(1, 2)) / Fraction(rate)):.6f}"]
        except (ValueError, ZeroDivisionError) as error:
            raise CallerError(
                f"{rate!r} is no frame rate.", code="bad-value", fix="Write 24, 23.976 or 24000/1001."
            ) from error
    return [*options, *own, dash_i, source]


def _refuse_holes(name: str, sequence: ImageSequence) -> None:
    """At the first hole ffmpeg ends, and calls it a success."""
    from rushes.media.describing.sequences import scan_sequence  # noqa: PLC0415 - needs the schema; few graphs need it

    info, _ = scan_sequence(name, sequence)
    holes = [f"{a}" if a == b else f"{a}-{b}" for a, b in info.missing]
    holes += [f"{n} (0 bytes)" for n in info.empty]
    if holes:
        raise MediaError(
            f"{name} lacks frames {', '.join(holes[:5])}.",
            code="missing-frames",
            fix="Render or copy them again, or name a range without holes.",
        )
