"""Functions that are run by a claim; loaded by path, as by a host."""

from __future__ import annotations

from rushes import Asset, Cancelled, Context, MediaError, Output, Params, PlatformError, Result, function


class Kind(Params):
    kind: str = "media"


class Wrote(Result):
    file: Output


@function(version="1")
def write(clip: Asset, params: Params, ctx: Context) -> Wrote:
    """Copies its clip."""
    out = ctx.output(f"{clip.stem}.txt")
    out.path.write_bytes(clip.path.read_bytes())
    return Wrote(file=out)


@function(version="1")
def raises(clip: Asset, params: Kind) -> Result:
    """Fails by the kind that it is told."""
    if params.kind == "media":
        raise MediaError("the clip is cut short.", code="truncated")
    if params.kind == "platform":
        raise PlatformError("the tool did not start.", code="tool-failed")
    msg = "a bug"
    raise ValueError(msg)


@function(version="1")
def waits(clip: Asset, params: Params, ctx: Context) -> Result:
    """Stops when it is asked to."""
    if ctx.cancelled:
        raise Cancelled
    return Result()
