"""Thumbnails and contact sheets: a look at clips without making anything of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rushes import Asset, Context, Output, Params, Resources, Result, function
from rushes.media.ladders.still_branches import Stills

__all__ = ["ThumbnailsParams", "ThumbnailsResult", "thumbnails"]


class ThumbnailsParams(Params):
    """Options of `thumbnails`."""

    every: float | None = Field(None, gt=0, le=3600, description="A picture every so many seconds.")
    sheet: str | None = Field(
        None,
        pattern=r"^[1-9]\d?x[1-9]\d?$",
        examples=["4x4"],
        description="COLUMNSxROWS of a contact sheet; 4x4 where nothing else is asked for.",
    )
    height: int = Field(180, ge=32, le=2160, description="Height of each picture, never above the clip's.")
    picture: Literal["jpg", "png"] = Field("jpg", description="Format of the files.")

    def stills(self) -> Stills:
        """The stills that these options ask for."""
        sheet = self.sheet or ("4x4" if self.every is None else "")
        columns, _, rows = sheet.partition("x")
        return Stills(
            every_s=self.every,
            columns=int(columns) if columns else None,
            rows=int(rows) if rows else None,
            height=self.height,
            kind=self.picture,
        )


class ThumbnailsResult(Result):
    """Stills in their folder."""

    folder: Output
    thumbnails: int
    contact_sheet: str | None
    width: int
    height: int
    keys_only: bool


@function(version="1", resources=Resources(cpu=1, memory="2GiB"), retries=2, frame_ranges=False)
def thumbnails(clip: Asset, params: ThumbnailsParams, ctx: Context) -> ThumbnailsResult:
    """Take pictures of a clip: one every so often, and a contact sheet."""
    out = ctx.output(clip.stem)
    made = ctx.snapshots(clip, params.stills(), out.path)
    return ThumbnailsResult(
        folder=out,
        thumbnails=made.thumbnails,
        contact_sheet=made.sheet,
        width=made.width,
        height=made.height,
        keys_only=made.keys_only,
    )
