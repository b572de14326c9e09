"""Bodies that treat their slot badly; loaded by path, so each is `bodies.py:NAME` to a slot."""

import os
import subprocess
import sys
import time
from pathlib import Path

from rushes import Asset, Context, Params, Result, function


class How(Params):
    how: str = ""
    pids: str = ""


class Said(Result):
    text: str = ""


class Speechless(Exception):  # noqa: N818 - a name
    """Fails at saying what it is."""

    def __str__(self) -> str:
        raise RuntimeError


def daemon(pids: str) -> None:
    """A process in a session of its own whose parent has ended."""
    if (child := os.fork()) == 0:
        os.setsid()
        sleeper = subprocess.Popen(["sleep", "600"])
        Path(pids).write_text(f"{sleeper.pid}\n")
        os._exit(0)
    os.waitpid(child, 0)


@function(version="1", retries=0)
def rough(clip: Asset, params: How, ctx: Context) -> Said:  # noqa: C901 - a branch for each ill treatment
    """Does what it is told."""
    match params.how:
        case "fork":
            if (child := os.fork()) == 0:
                return Said(text="the child")
            os.waitpid(child, 0)
        case "fork and raise":
            if (child := os.fork()) == 0:
                raise ValueError
            os.waitpid(child, 0)
        case "print":
            print("printed by this one")  # noqa: T201 - what is tested
        case "close":
            os.close(1)
        case "no stdout":
            sys.stdout = None
        case "speechless":
            raise Speechless
        case "verbose":
            raise ValueError("e" * 10_000_000)
        case "large":
            return Said(text="x" * 5_000_000)
        case "daemon":
            daemon(params.pids)
            while True:
                ctx.progress(0.5)
                time.sleep(0.01)
    return Said(text="the parent")
