"""Functions that Lambda's runtime runs in the tests; found as a module, as in an image."""

from __future__ import annotations

import os
from pathlib import Path

from rushes import Asset, Context, MediaError, Output, Params, Result, function


class Wanted(Params):
    gate: str = ""


class Wrote(Result):
    file: Output


class Identity(Result):
    key: str


@function(version="1")
def shout(clip: Asset, params: Params, ctx: Context) -> Wrote:
    """Writes its clip in capitals."""
    out = ctx.output(f"{clip.stem}.txt")
    out.path.write_bytes(clip.path.read_bytes().upper())
    return Wrote(file=out)


@function(version="1")
def refuse(clip: Asset, params: Params) -> Result:
    """Finds its clip cut short."""
    raise MediaError("the clip is cut short.", code="truncated")


@function(version="1", tools=("sleep",), stall_s=600)
def sleep(clip: Asset, params: Wanted, ctx: Context) -> Wrote:
    """Runs a tool that takes an hour, until there is a gate to go through."""
    if not Path(params.gate).exists():
        ctx.run("sleep", ["3600"])
    out = ctx.output(f"{clip.stem}.txt")
    out.path.write_bytes(clip.path.read_bytes())
    return Wrote(file=out)


@function(version="1")
def die(clip: Asset, params: Wanted, ctx: Context) -> Wrote:
    """Ends its process, the first time."""
    gate = Path(params.gate)
    if not gate.exists():
        gate.touch()
        os._exit(3)
    out = ctx.output(f"{clip.stem}.txt")
    out.path.write_bytes(clip.path.read_bytes())
    return Wrote(file=out)


@function(version="1")
def who(clip: Asset, params: Params) -> Identity:
    """Says with whose credentials a body would ask AWS."""
    return Identity(key=os.environ["AWS_ACCESS_KEY_ID"])
