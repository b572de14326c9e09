"""Functions with an owner, a limit and exclusive keys; loaded by path."""

import time
from pathlib import Path

from rushes import Asset, Context, Params, Resources, Result, function


class Work(Params):
    n: int = 0
    reel: str = "1"
    log: str = ""
    s: float = 0.1


class Span(Result):
    begun: float
    ended: float
    reel: str


def _work(params: Work) -> Span:
    begun = time.time()
    if params.log:
        Path(params.log).touch()
    until = time.monotonic() + params.s
    while time.monotonic() < until:
        time.sleep(0.01)
    return Span(begun=begun, ended=time.time(), reel=params.reel)


@function(version="1", owner="finishing", resources=Resources(cpu=0.2, memory="64MiB"), max_concurrency=2)
def licensed(clip: Asset, params: Work) -> Span:
    """May run twice at once."""
    return _work(params)


@function(version="1", resources=Resources(cpu=0.2, memory="64MiB"), exclusive="reel-{reel}")
def conform(clip: Asset, params: Work) -> Span:
    """One at a time for each reel."""
    return _work(params)


@function(version="1", resources=Resources(cpu=0.2, memory="64MiB"))
def free(clip: Asset, params: Work) -> Span:
    """As often as it fits."""
    return _work(params)


@function(version="1", resources=Resources(cpu=0.2, memory="64MiB"), exclusive="{stem}")
def mapper(clip: Asset, params: Work, ctx: Context) -> Span:
    """Holds a key, and maps what has keys."""
    ctx.map(conform, [clip])
    return _work(params)
