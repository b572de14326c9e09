"""The `rushes` command. Importing it costs click; everything else is imported by the command that runs."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys

__all__ = ["main"]

_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

_GC_EVERY = 100_000
"""Imports make many objects and hardly a cycle: looking for them each 700 is a tenth of a short command."""


def main() -> None:
    """Entry point of the ``rushes`` script; ends the process with the exit code of the CLI contract."""
    if sys.platform == "win32":
        sys.exit("Rushes does not run on Windows itself. Run it inside WSL 2: it works there.")
    gc.set_threshold(_GC_EVERY)
    # Until there is something to be interrupted, Ctrl-C ends the process and says nothing of imports.
    is_heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from rushes.cli.app import app  # noqa: PLC0415 - after the platform is known to do

    try:
        if is_heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        app(prog_name="rushes")
    except OSError as error:
        if error.filename is not None or error.errno not in _UNWRITABLE:
            raise
        print(f"error: the output could not be written: {error.strerror}.", file=sys.stderr)
        sys.exit(1)
    finally:
        _let_go()
        gc.freeze()  # what is left ends with the process: no last look through all of it


def _let_go() -> None:
    """Write out what is buffered; if the terminal is gone, Python would end with a code of its own, 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
