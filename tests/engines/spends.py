"""Functions that take time, and so money; loaded by path, so each is `spends.py:NAME`."""

import time
from pathlib import Path

from rushes import Asset, Context, Params, Result, function


class Span(Params):
    n: int = 0
    seconds: float = 0.1
    starts: str = ""
    """A file that every attempt adds a letter to."""


class Ran(Result):
    n: int


@function(version="1")
def spend(clip: Asset, params: Span, ctx: Context) -> Ran:
    """Is at work for so long."""
    if params.starts:
        with Path(params.starts).open("a") as file:
            file.write("x")
    done = 0
    while done < round(params.seconds / 0.01):
        time.sleep(0.01)
        done += 1
        ctx.progress(done / round(params.seconds / 0.01))
    return Ran(n=params.n)


@function(version="1")
def spend_on_parts(clip: Asset, params: Span, ctx: Context) -> Ran:
    """Has parts that are at work for so long."""
    made = ctx.map(spend, [clip] * 4, seconds=params.seconds)
    return Ran(n=len(list(made)))
