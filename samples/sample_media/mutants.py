"""Mutants: small real files with a few bytes changed, as many as wanted, each the same on every machine.

A mutant is named by its number. Most changes fall into headers and indexes, where a few bytes decide what a
demuxer believes: counts, sizes, offsets. The rest falls anywhere. Nothing here knows what a change means.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path

from sample_media.recipe import Workshop

__all__ = ["SOURCES", "mutant"]

# Every container and every decoder that clips of cameras need, as small as they come.
SOURCES = (
    "h264.mp4", "h264_faststart.mp4", "h264_fragmented.mp4", "h264.mkv", "h264.ts", "h264.mxf", "h264.flv",
    "hevc.mp4", "hevc.mkv", "vp9.webm", "av1.mp4", "av1.mkv", "prores.mov", "dnxhr.mov", "dnxhr.mxf",
    "mpeg2.mxf", "jpeg2000.mxf", "cineform.mov", "mjpeg.mov", "qtrle.mov", "ffv1.mkv", "dv_pal.dv",
    "mpeg2.ts", "mpeg2.mpg", "mjpeg.avi", "mpeg4.avi", "wmv.asf", "theora.ogv", "timecode.mov",
    "timecode.mxf", "edit_list.mp4", "hdr10.mp4", "multi_mono_8.mov", "subtitles.mkv", "chapters.mkv",
    "cover.mp4", "tagged.mov", "sound.wav", "sound.flac", "sound.mp3", "sound.m4a", "sound.aiff",
    "still.png",
)  # fmt: skip
# What makes a parser multiply, allocate, loop or go back.
_TELLING = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
_HEAD_BYTES = 4096

_Change = Callable[[random.Random, bytearray], None]


def mutant(workshop: Workshop, number: int, folder: Path) -> Path:
    """The mutant with this number, written into `folder`."""
    chance = random.Random(number)  # noqa: S311 - the same on every machine, not secret
    source = SOURCES[number % len(SOURCES)]
    data = bytearray(workshop.get(source).read_bytes())
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        chance.choice(_CHANGES)(chance, data)
    target = folder / f"mutant_{number}_{source}"
    target.write_bytes(data)
    return target


def _place(chance: random.Random, data: bytearray) -> int:
    """An offset: in the first or the last bytes more often than between them."""
    where = chance.random()
    if where < 0.5:
        return chance.randrange(min(_HEAD_BYTES, len(data)))
    if where < 0.7:
        return max(0, len(data) - 1 - chance.randrange(min(_HEAD_BYTES, len(data))))
    return chance.randrange(len(data))


def _flip(chance: random.Random, data: bytearray) -> None:
    data[_place(chance, data)] ^= 1 << chance.randrange(8)


def _byte(chance: random.Random, data: bytearray) -> None:
    data[_place(chance, data)] = chance.randrange(256)


def _number(chance: random.Random, data: bytearray) -> None:
    """A telling number in place of another one, in either byte order."""
    at = _place(chance, data)
    form = chance.choice((">B", ">H", "<H", ">I", "<I", ">Q", "<Q"))
    size = struct.calcsize(form)
    data[at : at + size] = struct.pack(form, chance.choice(_TELLING) & (256**size - 1))[: len(data) - at]


def _noise(chance: random.Random, data: bytearray) -> None:
    at = _place(chance, data)
    length = min(chance.choice((4, 16, 64, 512)), len(data) - at)
    data[at : at + length] = chance.randbytes(length)


def _zeros(chance: random.Random, data: bytearray) -> None:
    at = _place(chance, data)
    length = min(chance.choice((4, 64, 512)), len(data) - at)
    data[at : at + length] = bytes(length)


def _cut_out(chance: random.Random, data: bytearray) -> None:
    at = _place(chance, data)
    if len(data) > 2 * _HEAD_BYTES:
        del data[at : at + chance.choice((1, 4, 64, 1024))]


def _repeat(chance: random.Random, data: bytearray) -> None:
    """A piece of the file a second time: boxes within boxes, streams twice."""
    at, to = _place(chance, data), _place(chance, data)
    data[to:to] = data[at : at + chance.choice((8, 64, 1024))]


def _swap(chance: random.Random, data: bytearray) -> None:
    """A piece of the file over another one."""
    at, to = _place(chance, data), _place(chance, data)
    length = min(chance.choice((4, 16, 256)), len(data) - max(at, to))
    data[to : to + length] = data[at : at + length]


_CHANGES: tuple[_Change, ...] = (_flip, _byte, _number, _number, _noise, _zeros, _cut_out, _repeat, _swap)
