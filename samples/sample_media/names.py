"""File names that break careless programs: each is a good clip, and must round-trip byte by byte."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from sample_media.recipe import Facts, Recipe, Workshop

__all__ = ["RECIPES"]

_CAFE = "café.mp4"

_NAMES = (
    "-i.mp4", "-y", "--help.mp4", "-o.mp4", "a:b.mp4", "concat:x|y.mp4", "pipe:0", "subfile,,start,0,,:x.mp4",
    "data:x.mp4", "crypto:x.mp4", "http:x.mp4", "file:x.mp4", "tcp:x.mp4", "x%03dy.mp4", "%d.mp4", "%.mp4",
    "new\nline.mp4", "tab\tname.mp4", "it's.mp4", 'say "cut".mp4', "$(id).mp4", "`id`.mp4", "a;b&c|d.mp4",
    "*?.mp4", "[1-3].mp4", "{stem}.mp4", "<img onerror=alert(1)>.mp4", "..\\..\\x.mp4", "...mp4",
    "a b  c.mp4", " lead and trail .mp4", "@list.mp4", "#hash.mp4", "~.mp4", "=cmd.mp4", "clip.tar.mp4",
    "no_extension", "UPPER.MP4", "\x1b[31mred.mp4", "日本語 🎬.mp4", "\u202egnp.mp4",
    unicodedata.normalize("NFC", _CAFE), unicodedata.normalize("NFD", _CAFE),
    "n" * 251 + ".mp4",
)  # fmt: skip

# Valid on Linux, no valid text: Python carries the byte as a lone surrogate.
_NOT_UTF8 = os.fsdecode(b"caf\xe9.mp4")

_GOOD_COPY = Facts(expect="good", codec="h264", frames=50, width=320, height=180)


def _named(name: str, source: str = "h264.mp4") -> Recipe:
    def make(workshop: Workshop, folder: Path) -> Path:
        target = folder / name
        target.write_bytes(workshop.get(source).read_bytes())
        return target

    return Recipe(name, "names", make, _GOOD_COPY)


# Extensions lie: what a file is, its bytes say.
_WRONG = (("mkv_inside.mp4", "h264.mkv"), ("mp4_inside.avi", "h264.mp4"), ("ts_inside.mov", "h264.ts"),
          ("mxf_inside.bin", "h264.mxf"))  # fmt: skip

RECIPES = (
    *(_named(name) for name in (*_NAMES, _NOT_UTF8)),
    *(_named(name, source) for name, source in _WRONG),
)
