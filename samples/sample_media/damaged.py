"""Footage as it arrives from a pulled card or a broken copy: cut short, bytes flipped, not media at all.

Most of these describe themselves as whole, and FFmpeg leaves 0 on them: the truth has to be counted.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from sample_media.recipe import Expectation, Facts, Recipe, Workshop

__all__ = ["RECIPES"]

_CUTS = (10, 40, 60, 90, 99)  # per cent of the file that is kept

# Where the index lies decides what a cut leaves readable.
_CUT_SOURCES = {
    "moov_last.mp4": "h264.mp4",
    "faststart.mp4": "h264_faststart.mp4",
    "fragmented.mp4": "h264_fragmented.mp4",
    "prores_moov_last.mov": "prores.mov",
    "prores_faststart.mov": "prores_faststart.mov",
    "h264.mkv": "h264.mkv",
    "ffv1.mkv": "ffv1.mkv",
    "h264.ts": "h264.ts",
    "mpeg2.mxf": "mpeg2.mxf",
    "dnxhr.mxf": "dnxhr.mxf",
    "mjpeg.avi": "mjpeg.avi",
    "sound.wav": "sound.wav",
}


def _cut(name: str, source: str, per_cent: int) -> Recipe:
    def make(workshop: Workshop, folder: Path) -> Path:
        data = workshop.get(source).read_bytes()
        target = folder / f"cut{per_cent}_{name}"
        target.write_bytes(data[: len(data) * per_cent // 100])
        return target

    expect, why = _cut_expectation(name, per_cent)
    facts = Facts(expect=expect, why=why)
    return Recipe(f"cut{per_cent}_{name}", "broken", make, facts)


def _cut_expectation(name: str, per_cent: int) -> tuple[Expectation, str]:
    if "moov_last" in name:
        return "unreadable", "the index at the end is gone"
    if name.endswith(".ts"):
        return "unprovable", "a transport stream says nowhere how long it is"
    if name.startswith("fragmented"):
        return "unprovable", "each fragment is whole in itself; only a cut inside one shows"
    if per_cent == 99:
        return "unprovable", "what is missing may be the index or padding alone"
    return "damaged", "fewer frames than the header declares"


def _flipped(source: str, expect: Expectation = "unprovable") -> Recipe:
    def make(workshop: Workshop, folder: Path) -> Path:
        data = bytearray(workshop.get(source).read_bytes())
        middle = len(data) // 2
        for at in range(middle, min(middle + 4096, len(data)), 7):
            data[at] ^= 0xFF
        target = folder / f"flipped_{source}"
        target.write_bytes(data)
        return target

    why = "flipped bytes inside the pictures' data"
    return Recipe(f"flipped_{source}", "broken", make, Facts(expect=expect, why=why))


def _hole(source: str) -> Recipe:
    """A copy that left a block of zeros, as a sparse file does."""

    def make(workshop: Workshop, folder: Path) -> Path:
        data = bytearray(workshop.get(source).read_bytes())
        middle = len(data) // 2
        data[middle : middle + 16384] = bytes(len(data[middle : middle + 16384]))
        target = folder / f"hole_{source}"
        target.write_bytes(data)
        return target

    facts = Facts(expect="damaged", why="16 KiB of zeros inside the pictures' data")
    return Recipe(f"hole_{source}", "broken", make, facts)


def _bytes(name: str, content: Callable[[], bytes], why: str) -> Recipe:
    def make(_workshop: Workshop, folder: Path) -> Path:
        target = folder / name
        target.write_bytes(content())
        return target

    return Recipe(name, "broken", make, Facts(expect="unreadable", why=why))


def _noise() -> bytes:
    return random.Random(20).randbytes(65536)  # noqa: S311 - test data, seeded on purpose


_NOT_MEDIA = (
    _bytes("empty.mp4", lambda: b"", "no bytes"),
    _bytes("one_byte.mov", lambda: b"\0", "one byte"),
    _bytes("random.mp4", _noise, "random bytes"),
    _bytes("random.mxf", _noise, "random bytes"),
    _bytes("zeros.mp4", lambda: bytes(65536), "zeros"),
    _bytes("zeros.mkv", lambda: bytes(65536), "zeros"),
    _bytes("text.mov", lambda: b"This is the camera report for day 3.\n" * 50, "text"),
    _bytes("page.mp4", lambda: b"<!doctype html><title>404</title><h1>Not found</h1>\n", "a web page"),
    _bytes("archive.mxf", lambda: b"PK\x05\x06" + bytes(18), "an empty zip archive"),
)

RECIPES = (
    *(_cut(name, source, keep) for name, source in _CUT_SOURCES.items() for keep in _CUTS),
    _flipped("h264.mp4", "damaged"),
    _flipped("h264.mkv", "damaged"),
    _flipped("h264.ts", "damaged"),
    _flipped("prores.mov", "damaged"),
    _flipped("mpeg2.mxf"),
    _flipped("ffv1.mkv", "damaged"),
    _hole("h264.mp4"),
    _hole("prores.mov"),
    _hole("h264.mkv"),
    *_NOT_MEDIA,
)
