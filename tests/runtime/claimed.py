"""Functions that are run by a claim; loaded by path, as by a host."""

from __future__ import annotations

import uuid
from pathlib import Path

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


class Counted(Params):
    tally: str = ""
    folder: bool = True


class Several(Result):
    first: Output
    second: Output
    third: Output


@function(version="1")
def several(clip: Asset, params: Counted, ctx: Context) -> Several:
    """Makes two files, and a third or a folder, never the same twice; notes that it ran."""
    with Path(params.tally).open("a") as file:
        file.write("ran\n")
    made = [ctx.output(f"{clip.stem}-{name}") for name in ("a.txt", "b", "c.txt")]
    files = [made[0].path, made[1].path, made[2].path]
    if params.folder:
        files[1].mkdir()
        files[1:2] = [files[1] / "1.txt", files[1] / "main.txt"]
    for one in files:
        one.write_text(uuid.uuid4().hex)
    return Several(first=made[0], second=made[1], third=made[2])


@function(version="1", tools=("sh",), retries=0)
def wordy(clip: Asset, params: Kind, ctx: Context) -> Result:
    """Prints, logs, lets a tool speak; and has a bug where it is told so."""
    print("counting")  # noqa: T201 - as bodies do
    ctx.log("half of it")
    ctx.run("sh", ["-c", "echo 'a tool says so' >&2"])
    if params.kind == "bug":
        msg = "a bug"
        raise ValueError(msg)
    return Result()


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
