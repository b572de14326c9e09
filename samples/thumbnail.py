"""A newcomer's function: one picture of each clip.

rushes run ./samples/thumbnail.py footage/ --out pictures/
"""

import ffmpeg

from rushes import Asset, Context, Output, Result, function


class Thumbnail(Result):
    picture: Output


@function(version="1")
def thumbnail(clip: Asset, ctx: Context) -> Thumbnail:
    """Take the first picture of a clip."""
    out = ctx.output(f"{clip.stem}.jpg")
    ctx.ffmpeg(ffmpeg.input(str(clip.path)).output(str(out.path), vframes=1))
    return Thumbnail(picture=out)
