"""Stills beside a ladder: a picture every so many seconds, and a sheet of pictures spread over the clip.

They are taken from a rung that is scaled already, so that they cost neither a decode nor a large scaling.
Pure; it must not know encoders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rushes.errors import CallerError
from rushes.media.ladders.fanout import Branch
from rushes.media.planning.filters import Step, step
from rushes.media.planning.geometry import Geometry

__all__ = ["SHEET", "THUMBNAILS", "Stills", "still_branches"]

THUMBNAILS: Final = "thumbnails"
SHEET: Final = "contact-sheet"


@dataclass(frozen=True, slots=True)
class Stills:
    """Which stills are taken.

    Args:
        every_s: seconds between thumbnails; None for none.
        columns, rows: of the contact sheet; None for none.
        height: of each still in pixels, never above the largest rung's.
        kind: of the files.
    """

    every_s: float | None = None
    columns: int | None = None
    rows: int | None = None
    height: int = 180
    kind: Literal["jpg", "png"] = "jpg"

    @property
    def sheet(self) -> tuple[int, int] | None:
        """Columns and rows of the contact sheet."""
        return (self.columns, self.rows) if self.columns and self.rows else None

    def output(self, end: str, place: str) -> list[str]:
        """The output's arguments and name, for the end of a branch.

        Args:
            end: `THUMBNAILS` or `SHEET`.
            place: the folder as ffmpeg is to name it.
        """
        # -q:v is ffmpeg's own JPEG scale; 3 shows no blocks at these sizes.
        coded = ["-c:v", "mjpeg", "-q:v", "3"] if self.kind == "jpg" else ["-c:v", "png"]
        args = [
            *coded,
            "-threads:v",
            "1",
            "-fps_mode:v",
            "passthrough",
            "-map_metadata",
            "-1",
            "-f",
            "image2",
        ]
        if end == SHEET:
            return [*args, "-frames:v", "1", "-update", "1", f"{place}/{SHEET}.{self.kind}"]
        # A per cent sign in the folder's name is no pattern.
        return [*args, f"{place.replace('%', '%%')}/{THUMBNAILS}/%05d.{self.kind}"]


def still_branches(
    stills: Stills, sizes: Sequence[Geometry], *, duration_s: float | None
) -> list[tuple[int, Branch]]:
    """What is taken from which rung.

    Args:
        stills: the wish.
        sizes: of the rungs, the largest first.
        duration_s: of the clip, over which the contact sheet spreads.

    Raises:
        CallerError: a contact sheet of a clip whose duration is unknown.
    """
    large_enough = [n for n, size in enumerate(sizes) if size.height >= stills.height]
    rung = max(large_enough, default=0)
    found: list[tuple[int, Branch]] = []
    if stills.every_s is not None:
        found.append((rung, Branch(_taken(stills, sizes[rung], stills.every_s), THUMBNAILS)))
    if stills.sheet is not None:
        if not duration_s:
            raise CallerError(
                "a contact sheet needs a duration, and the source states none.",
                code="bad-option",
                fix="Leave the contact sheet out.",
            )
        columns, rows = stills.sheet
        steps = _taken(stills, sizes[rung], duration_s / (columns * rows))
        tile = step("tile", layout=f"{columns}x{rows}", padding=4, margin=4)
        found.append((rung, Branch((*steps, tile), SHEET)))
    return found


def _taken(stills: Stills, size: Geometry, every_s: float) -> tuple[Step, ...]:
    height = min(stills.height, size.height)
    width = max(2, 2 * round(size.width * height / size.height / 2))
    picked = step("select", expr=f"gte(t-start_t,selected_n*{every_s:.6f})")
    # JPEG is read as full range whatever is said of it.
    levels = "pc" if stills.kind == "jpg" else None
    scaled = step("scale", w=width, h=height, flags="bicubic+accurate_rnd", out_range=levels)
    steps = (picked, scaled, step("setsar", sar="1/1"))
    if stills.kind == "png":
        return (*steps, step("format", pix_fmts="rgb24"))
    return (*steps, step("format", pix_fmts="yuv420p"), step("setparams", range="pc"))
