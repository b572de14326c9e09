"""Functions that the contract suite of engines sends: it writes them beside its clips, as an author has them.

As text, for a function is named by the file that it is in. This module must not know what is sent.
"""

from __future__ import annotations

from typing import Final

__all__ = ["BODIES"]

BODIES: Final = '''\
"""Functions that the contract suite sends."""

import time

from rushes import Asset, Context, MediaError, Output, Params, Result, function


class Measured(Result):
    size: int
    times: int


class Copied(Result):
    made: Output


class Times(Params):
    times: int = 1


@function(version="1", retries=0)
def measure(clip: Asset, params: Times) -> Measured:
    """Count bytes; `bad` in the name is damaged media."""
    if "bad" in clip.name:
        raise MediaError(f"{clip.name} is damaged.", code="damaged", fix="Bring another copy.")
    return Measured(size=clip.path.stat().st_size * params.times, times=params.times)


@function(version="1", retries=0)
def copy(clip: Asset, ctx: Context) -> Copied:
    """Copy a clip."""
    out = ctx.output(clip.name)
    out.path.write_bytes(clip.path.read_bytes())
    if "bad" in clip.name:
        raise MediaError(f"{clip.name} is damaged.", code="damaged")
    return Copied(made=out)


class Total(Result):
    sizes: tuple[int, ...]
    problem: str


@function(version="1", retries=0)
def total(clip: Asset, ctx: Context) -> Total:
    """Measure a clip twice, and one that is damaged."""
    bad = clip.path.with_name("bad.mov")
    parts = ctx.map(measure, [(clip, {"times": 2}), bad, clip], times=1)
    sizes = tuple(one.result.size for one in parts if one.ok)
    return Total(sizes=sizes, problem=parts[1].error["code"])


@function(version="1", retries=0)
def copies(clip: Asset, ctx: Context) -> Copied:
    """Copy a clip, and copy the copy."""
    (part,) = ctx.map(copy, [clip])
    out = ctx.output("twice.mov")
    with open(part.outputs[0], "rb") as made:
        out.path.write_bytes(made.read())
    return Copied(made=out)


@function(version="1", retries=0)
def raises(clip: Asset) -> Measured:
    """Stumble over the author's own mistake."""
    return Measured(size=1 // 0, times=1)


@function(version="1", retries=0)
def waits(clip: Asset, ctx: Context) -> Measured:
    """Run until it is cancelled."""
    while not ctx.cancelled:
        ctx.progress(0.5)
        time.sleep(0.01)
    return Measured(size=0, times=0)
'''
