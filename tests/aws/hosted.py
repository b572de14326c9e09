"""Functions that a host's pool runs; loaded by path."""

from __future__ import annotations

import os
import signal
import time
import uuid
from pathlib import Path

from rushes import (
    Asset,
    Cancelled,
    Context,
    MediaError,
    Output,
    Params,
    PlatformError,
    Result,
    function,
    on_s3,
)
from rushes.media.running.builds import find_build


class Gated(Params):
    gate: str = ""


class Wrote(Result):
    file: Output


@function(version="1")
def copy(clip: Asset, params: Params, ctx: Context) -> Wrote:
    """Copies its clip."""
    out = ctx.output(f"{clip.stem}.txt")
    out.path.write_bytes(clip.path.read_bytes())
    return Wrote(file=out)


class Read(Result):
    read: str


@function(version="1")
def measure(clip: Asset, params: Params) -> Read:
    """Makes no file."""
    return Read(read=clip.path.read_text())


@function(version="1")
def wordy(clip: Asset, params: Params, ctx: Context) -> Read:
    """Says what it reads."""
    ctx.log(f"logged {clip.stem}")
    print("printed clip")  # noqa: T201 - as bodies do
    return Read(read=clip.path.read_text())


@function(version="1", stall_s=600)
def hold(clip: Asset, params: Gated, ctx: Context) -> Wrote:
    """Runs until it is let go."""
    while not Path(params.gate).exists():
        ctx.progress(-1.0)
        time.sleep(0.02)
    out = ctx.output(f"{clip.stem}.txt")
    out.path.write_bytes(clip.path.read_bytes())
    return Wrote(file=out)


@function(version="1")
def cut_short(clip: Asset, params: Params, ctx: Context) -> Wrote:
    """Finds its clip cut short."""
    raise MediaError("the clip is cut short.", code="truncated")


@function(version="1")
def stamp(clip: Asset, params: Params, ctx: Context) -> Wrote:
    """Copies its clip, and never makes the same twice: what was published twice can be told.

    Of some clips it makes what has to go in parts.
    """
    out = ctx.output(f"{clip.stem}.txt")
    many = clip.stem.lstrip("A").isdecimal() and int(clip.stem.lstrip("A")) % 64 == 5
    out.path.write_bytes(clip.path.read_bytes() + uuid.uuid4().bytes + bytes(6 * 2**20 if many else 0))
    return Wrote(file=out)


@function(version="1", stall_s=600)
def held_stamp(clip: Asset, params: Gated, ctx: Context) -> Wrote:
    """Says that it runs, and ends once it is let go; never makes the same twice."""
    Path(f"{params.gate}.{uuid.uuid4().hex}.begun").touch()
    while not Path(params.gate).exists():
        ctx.progress(-1.0)
        time.sleep(0.02)
    out = ctx.output(f"{clip.stem}.txt")
    out.path.write_bytes(clip.path.read_bytes() + uuid.uuid4().bytes)
    return Wrote(file=out)


@function(version="1")
def no_room(clip: Asset, params: Params, ctx: Context) -> Wrote:
    """Finds no room for what it makes."""
    raise PlatformError("no space left.", code="disk-full")


@function(version="1")
def deadly(clip: Asset, params: Params, ctx: Context) -> Wrote:
    """Kills the process that it runs in."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@function(version="1")
def encodes(clip: Asset, params: Params, ctx: Context) -> Wrote:
    """Needs an ffmpeg that runs."""
    out = ctx.output(f"{clip.stem}.txt")
    out.path.write_text(find_build("software").version)
    return Wrote(file=out)


@function(
    version="1",
    stall_s=600,
    triggers=[on_s3("cards/**", kinds="video", out="s3://proxies", priority="urgent")],
)
def lasts(clip: Asset, params: Params, ctx: Context) -> Wrote:
    """Lets time go by on a clock that is a file, so much for each byte of its clip, until it is stopped."""
    size_bytes = clip.path.stat().st_size
    with Path(os.environ.get("CLOCK_FILE", os.devnull)).open("a") as clock:  # a slot is not told of it
        for _ in range(size_bytes // 5000):
            clock.write("1\n")
            clock.flush()
            if ctx.cancelled:
                raise Cancelled
    out = ctx.output(f"{clip.stem}.txt")
    out.path.write_text(str(size_bytes))
    return Wrote(file=out)
