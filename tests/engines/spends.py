"""Functions that take time, and so money; loaded by path, so each is `spends.py:NAME`."""

import os
import time
from pathlib import Path

from rushes import Asset, Context, Output, Params, Result, function


class Span(Params):
    n: int = 0
    seconds: float = 0.1
    starts: str = ""
    """A file that every attempt adds a letter to."""
    steps: str = ""
    """A file that gets a letter before every hundredth of a second of work."""


class Ran(Result):
    n: int


class Made(Result):
    file: Output


@function(version="1")
def spend(clip: Asset, params: Span, ctx: Context) -> Ran:
    """Is at work for so long."""
    if params.starts:
        with Path(params.starts).open("a") as file:
            file.write("x")
    steps = Path(params.steps or os.devnull).open("ab", buffering=0)  # noqa: SIM115 - as long as it is at work
    done = 0
    while done < round(params.seconds / 0.01):
        steps.write(b"x")
        time.sleep(0.01)
        done += 1
        ctx.progress(done / round(params.seconds / 0.01))
    return Ran(n=params.n)


@function(version="1")
def spend_on_parts(clip: Asset, params: Span, ctx: Context) -> Ran:
    """Has parts that are at work for so long."""
    made = ctx.map(spend, [clip] * 4, seconds=params.seconds)
    return Ran(n=len(list(made)))


@function(version="1", tools=["ffmpeg"])
def encode_in_real_time(clip: Asset, params: Span, ctx: Context) -> Made:
    """Encodes no faster than the clip plays, so that there is time to stop it."""
    out = ctx.output("made.mp4")
    ctx.run("ffmpeg", ["-re", "-i", clip.path, "-c:v", "libx264", "-threads", "1", out.path])
    return Made(file=out)
