"""Functions that take the pool, and that it is taken from; loaded by path, so each is `aside.py:NAME`."""

import os
import time
from pathlib import Path

from rushes import Asset, Context, Params, Resources, Result, function


class Gate(Params):
    gate: str = ""
    """A file: the body runs until it exists. Beside it, `.pid` and `.starts` are written."""


class Ran(Result):
    pid: int
    attempt: int


def _hold(params: Gate, ctx: Context) -> Ran:
    gate = Path(params.gate)
    with gate.with_suffix(".starts").open("a") as file:
        file.write("x")
    gate.with_suffix(".pid").write_text(str(os.getpid()))
    while not gate.exists():
        ctx.progress(0.5)
        time.sleep(0.01)
    return Ran(pid=os.getpid(), attempt=ctx.attempt)


@function(version="1")
def hold(clip: Asset, params: Gate, ctx: Context) -> Ran:
    """Runs until its gate is opened."""
    return _hold(params, ctx)


@function(version="1", preemptible=False)
def hold_on(clip: Asset, params: Gate, ctx: Context) -> Ran:
    """The same, and stands aside for nobody."""
    return _hold(params, ctx)


@function(version="1", resources=Resources(cpu=1, memory="5GiB"))
def hold_memory(clip: Asset, params: Gate, ctx: Context) -> Ran:
    """The same, with most of a small pool's memory."""
    return _hold(params, ctx)
