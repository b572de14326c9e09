"""Functions of which several run together; loaded by path, so each is `several.py:NAME` to a slot."""

import time
from pathlib import Path

from rushes import Asset, Context, MediaError, Output, Params, Result, function


class Ways(Params):
    log: str = ""
    """A file that each run of a body adds its name to."""
    needs: str = ""
    """A file without which it fails."""
    gate: str = ""
    """A file: the body runs until it exists."""


class Wrote(Result):
    file: Output


class Said(Result):
    size: int


def _begin(name: str, params: Ways) -> None:
    with Path(params.log).open("a") as log:
        log.write(f"{name}\n")
    if params.needs and not Path(params.needs).exists():
        raise MediaError("it lacks what it needs.", code="damaged", fix="Give it.")


def _wait(params: Ways, ctx: Context) -> None:
    while params.gate and not Path(params.gate).exists():
        ctx.progress(0.5)
        time.sleep(0.01)


@function(version="1", reads_name=False)
def size(clip: Asset, params: Ways) -> Said:
    """How large a clip is."""
    _begin("size", params)
    return Said(size=clip.path.stat().st_size)


@function(version="1", stall_s=600)
def upper(clip: Asset, params: Ways, ctx: Context) -> Wrote:
    """Writes the clip in capitals."""
    _begin("upper", params)
    out = ctx.output("upper.txt")
    out.path.write_bytes(clip.path.read_bytes().upper())
    _wait(params, ctx)
    return Wrote(file=out)


@function(version="1", stall_s=600)
def twice(clip: Asset, params: Ways, ctx: Context) -> Wrote:
    """Writes the clip twice."""
    _begin("twice", params)
    out = ctx.output("twice.txt")
    out.path.write_bytes(clip.path.read_bytes())
    _wait(params, ctx)
    out.path.write_bytes(clip.path.read_bytes() * 2)
    return Wrote(file=out)
