"""A function that encodes in chunks and kills its own slot; loaded by path, as an author has it."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from rushes import Asset, Context, Output, Params, Result, function
from rushes.media.chunking.cutting import Clip
from rushes.media.chunking.one_chunk import PartMade
from rushes.media.profile import Profile
from rushes.runtime.attempts.encode_part import OnThePool

_PROFILE = Profile.model_validate({"video": {"codec": "h264", "speed": "ultrafast"}})


class How(Params):
    dies: str = ""
    """In its first attempt: ``after`` the encode, or ``amid``: once a second part was begun. ``never``: but
    its second part is overwritten with the first, once both have been made."""
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
    if params.dies == "never":
        _lose_the_second()
    out = ctx.output("made.mp4")
    made = ctx.encode(clip, out, _PROFILE, chunks=3)
    if params.dies == "after" and ctx.attempt == 1:
        _die()
    return Made(file=out, frames=made.frames)


def _lose_the_second() -> None:
    usual = OnThePool.__call__

    def careless(self: OnThePool, clip: Clip, orders: Any, *rest: Any, **named: Any) -> list[PartMade]:
        made = usual(self, clip, orders, *rest, **named)
        if len(made) > 1:
            made[1].path.write_bytes(made[0].path.read_bytes())
        return made

    # In this slot alone, which no other body uses.
    OnThePool.__call__ = careless  # type: ignore[method-assign]


def _die_amid(calls: Path) -> None:
    while not calls.exists() or len(calls.read_text().splitlines()) < 2:
        time.sleep(0.01)
    _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
