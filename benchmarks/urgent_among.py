"""Functions for the reaction of a busy machine: one that keeps the core, one that says when it began."""

from __future__ import annotations

import time
from pathlib import Path

from rushes import Asset, Context, Params, Result, function

__all__ = ["among", "stamp"]


class Gated(Params):
    gate: str


class Numbered(Params):
    n: int = 0


class Began(Result):
    n: int
    began: float


@function(version="1", stall_s=600)
def among(_clip: Asset, params: Gated, ctx: Context) -> Result:
    """Keeps its core until it is let go."""
    while not Path(params.gate).exists():
        ctx.progress(-1.0)
        until = time.monotonic() + 0.02
        while time.monotonic() < until:
            pass
    return Result()


@function(version="1")
def stamp(_clip: Asset, params: Numbered) -> Began:
    """Says when it began."""
    return Began(n=params.n, began=time.time())
