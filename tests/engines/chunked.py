"""A function that encodes in chunks and kills its own slot; loaded by path, as an author has it."""

import os
import signal
import threading
import time
from pathlib import Path

from rushes import Asset, Context, Output, Params, Result, function
from rushes.media.profile import Profile

_PROFILE = Profile.model_validate({"video": {"codec": "h264", "speed": "ultrafast"}})


class How(Params):
    dies: str = ""
    """``after`` the encode, or ``amid``: once a second part was begun; in its first attempt."""
    calls: str = ""
    """A file with a line for each part that was begun."""


class Made(Result):
    file: Output
    frames: int


@function(version="1")
def chunked(clip: Asset, params: How, ctx: Context) -> Made:
    """Encode in three parts."""
    if params.dies == "amid" and ctx.attempt == 1:
        threading.Thread(target=_die_amid, args=(Path(params.calls),), daemon=True).start()
    out = ctx.output("made.mp4")
    made = ctx.encode(clip, out, _PROFILE, chunks=3)
    if params.dies == "after" and ctx.attempt == 1:
        _die()
    return Made(file=out, frames=made.frames)


def _die_amid(calls: Path) -> None:
    while not calls.exists() or len(calls.read_text().splitlines()) < 2:
        time.sleep(0.01)
    _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
