"""Functions with graphs and tools of their own, for `test_context.py`."""

import ffmpeg

from rushes import Asset, Context, Output, Result, function


class Made(Result):
    file: Output


class Said(Result):
    said: str


@function(version="1")
def half(clip: Asset, ctx: Context) -> Made:
    """Half the size."""
    out = ctx.output("half.mp4")
    stream = ffmpeg.input(str(clip.path)).video.filter("scale", "iw/2", "ih/2")
    ctx.ffmpeg(stream.output(str(out.path), vcodec="mpeg4", an=None))
    return Made(file=out)


@function(version="1", tools=["sh"])
def tool(clip: Asset, ctx: Context) -> Said:
    """Runs a tool that it declared."""
    target = ctx.scratch / "said"
    ctx.run("sh", ["-c", 'echo 50%; printf "made by a tool" > "$0"', target], progress=_percent)
    return Said(said=target.read_text())


@function(version="1", tools=["ffmpeg"])
def bare(clip: Asset, ctx: Context) -> Made:
    """Runs ffmpeg with a command line of its own."""
    out = ctx.output("bare.mp4")
    ctx.run("ffmpeg", ["-i", clip.path, "-c", "copy", out.path])
    return Made(file=out)


def _percent(line: str) -> float | None:
    return float(line.rstrip("%\n")) / 100 if "%" in line else None


@function(version="1")
def undeclared(clip: Asset, ctx: Context) -> Said:
    """Runs a tool that it did not declare."""
    ctx.run("cp", ["a", "b"])
    return Said(said="")


@function(version="1")
def forgets(clip: Asset, ctx: Context) -> Made:
    """Asks for an output and does not write it."""
    return Made(file=ctx.output("nothing.mp4"))
