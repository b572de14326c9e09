"""Functions that Lambda's runtime runs in the tests; found as a module, as in an image."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path

from rushes import Asset, Context, MediaError, Output, Params, Result, function


class Wanted(Params):
    gate: str = ""
    link: str = ""


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


class Place(Result):
    user: int
    scratch_bytes: int
    writable: list[str]
    shared_memory: bool
    box: bool


@function(version="1")
def place(clip: Asset, params: Params) -> Place:
    """Says what it finds around it."""
    scratch = os.statvfs("/tmp")
    return Place(
        user=os.getuid(),
        scratch_bytes=scratch.f_blocks * scratch.f_frsize,
        writable=[
            one for one in ("/", "/dev", "/etc", "/opt", "/tmp", "/var/tmp") if os.access(one, os.W_OK)
        ],
        shared_memory=Path("/dev/shm").exists(),
        box=shutil.which("bwrap") is not None,
    )


class Told(Result):
    file: Output
    link: str


def _link() -> str:
    """A link that somebody signed, as a body might have made one with what it may."""
    given = Path(os.environ["CANARY_LINK"]).read_text()
    print("fetching", given)  # noqa: T201 - as bodies do
    sys.stdout.write(f"in two {given[:60]}")
    sys.stdout.write(f"{given[60:]} pieces\n")
    sys.stderr.write(f"to stderr {given}\n")
    logging.getLogger("studio").error("asked for %s", given)
    return given


@function(version="1")
def tell(clip: Asset, params: Params, ctx: Context) -> Told:
    """Says everywhere what nobody should read."""
    link = _link()
    ctx.log(f"it was {link}")
    ctx.warn(f"it is slow: {link}")
    out = ctx.output(f"{clip.stem}.txt")
    out.path.write_text("made")
    return Told(file=out, link=link)


@function(version="1", tools=("sh",), retries=0)
def leak(clip: Asset, params: Params, ctx: Context) -> Result:
    """Fails with it, in a tool's words."""
    ctx.run("sh", ["-c", f"echo 'could not open {_link()}' >&2; exit 3"])
    return Result()


@function(version="1", retries=0)
def burst(clip: Asset, params: Params) -> Result:
    """Fails with it, in an exception of a library."""
    link = _link()
    try:
        raise OSError(f"403 for {link}")  # noqa: TRY301 - a cause
    except OSError as error:
        msg = f"no answer from {link}"
        raise ValueError(msg) from error


@function(version="1", retries=0)
def blame(clip: Asset, params: Params) -> Result:
    """Fails with it, in an error of ours."""
    link = _link()
    raise MediaError(
        f"{link} is cut short.", code="truncated", details={"source": [link], "more": {"at": link}}
    )
