"""Functions that meet what a machine does not have: room on a disk, or as much time as they take."""

import errno
import os
import time
from pathlib import Path

from rushes import Asset, Context, Params, Result, function


class Folder(Params):
    """Where it leaves a mark each time it has begun."""

    marks: str


class Ended(Result):
    """It came to its end."""

    tries: int


def _mark(params: Folder) -> None:
    with (Path(params.marks) / "begun").open("a", encoding="ascii") as file:
        file.write(".")


@function(version="1", retries=1)
def fills(clip: Asset, params: Folder, ctx: Context) -> Ended:
    """Find the disk full."""
    _mark(params)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), params.marks)


@function(version="1", retries=3)
def climbs(clip: Asset, params: Folder, ctx: Context) -> Ended:
    """Get on, slowly."""
    _mark(params)
    for step in range(6000):
        ctx.progress(step / 6000)
        time.sleep(0.02)
    return Ended(tries=1)
