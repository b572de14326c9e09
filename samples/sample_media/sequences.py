"""Image sequences: frames as files, whole and with gaps.

A sequence's path is a pattern, ``plate.[1001-1012].png``.
"""

from __future__ import annotations

from pathlib import Path

from sample_media.containers import card
from sample_media.recipe import Facts, Recipe, Workshop

__all__ = ["RECIPES"]

_PICTURES = {
    "png": ("-pix_fmt", "rgb24"),
    "dpx": ("-pix_fmt", "gbrp10le"),
    "exr": ("-pix_fmt", "gbrpf32le", "-compression", "zip1"),
    "tif": ("-pix_fmt", "rgb48le"),
    "jpg": ("-pix_fmt", "yuvj420p", "-q:v", "4"),
}
_FIRST, _LAST = 1001, 1012


def _sequence(suffix: str, missing: tuple[int, ...]) -> Recipe:
    gaps = "_gaps" if missing else ""

    def make(workshop: Workshop, folder: Path) -> Path:
        options = ("-frames:v", str(_LAST - _FIRST + 1), *_PICTURES[suffix], "-start_number", str(_FIRST))
        workshop.encode(folder / f"plate.%04d.{suffix}", card("160x96"), options=options)
        for number in missing:
            (folder / f"plate.{number}.{suffix}").unlink()
        return folder / f"plate.[{_FIRST}-{_LAST}].{suffix}"

    facts = Facts(
        expect="good",
        format="image2",
        codec={"tif": "tiff", "jpg": "mjpeg"}.get(suffix, suffix),
        width=160,
        height=96,
        frames=_LAST - _FIRST + 1 - len(missing),
        frame_range=(_FIRST, _LAST),
        missing_frames=list(missing),
    )
    return Recipe(f"sequence{gaps}.{suffix}", "good", make, facts, alone=False)


def _still(suffix: str) -> Recipe:
    """One picture, whose name is no sequence."""

    def make(workshop: Workshop, folder: Path) -> Path:
        options = ("-frames:v", "1", "-update", "1", *_PICTURES[suffix])
        return workshop.encode(folder / f"still.{suffix}", card("160x96"), options=options)

    facts = Facts(expect="good", width=160, height=96, frames=1)
    return Recipe(f"still.{suffix}", "good", make, facts)


RECIPES = (
    *(_sequence(suffix, ()) for suffix in _PICTURES),
    _sequence("exr", (1004, 1005, 1009)),
    _sequence("png", (1002,)),
    _still("png"),
)
