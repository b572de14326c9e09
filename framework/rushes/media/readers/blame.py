"""Whose fault it is that a reader could not answer: a table over what was raised within it.

    an error of ours                        whose it says that it is
    what libav says of the data             the clip's
    memory, where what its function may     the clip's: it asks for more
      have can be had
    memory, where that cannot be had        the machine's (``out-of-memory``)
    the source cannot be read on            the machine's (``io-error``). The source is a file of ours here:
                                            what libav itself calls an input error is of the data
    anything else                           Rushes' own or PyAV's (``reader-failed``): a bug, a library that
                                            is not there. Another machine may have another version

A clip that kills its reader is none of these: nobody is left to say why, and the clip is to blame
(`reader_process`). What a file holds is in no text: an exception is told by its type and its place. This
module must not know how answers travel.
"""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rushes.errors import MediaError, PlatformError, RushesError

__all__ = ["blamed_for"]

_FRAMES: Final = 8
_OF_CODE: Final = (AttributeError, ImportError, NameError, TypeError)
"""Their texts are of names in the code; that of another may be of what a file holds, and is not told."""
_TEXT: Final = 200
_IO: Final = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENODEV, errno.ENXIO})


def blamed_for(error: Exception, name: str, *, can_have: Callable[[], bool]) -> RushesError:
    """What a reader says of a clip on which this was raised.

    Args:
        error: the exception.
        name: of the clip.
        can_have: whether this machine has the memory that the clip's function may have.
    """
    from av.error import FFmpegError  # noqa: PLC0415 - a reader has it; the command line does without

    if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
        return _of_memory(error, name, can_have=can_have)
    if isinstance(error, RushesError):
        return error
    if isinstance(error, FFmpegError):
        return MediaError(
            f"{name} cannot be read ({error.strerror or type(error).__name__}).",
            code="unreadable",
            fix="Look at where the file comes from; copy it again, or set it aside.",
        )
    if isinstance(error, OSError) and error.errno in _IO:
        return PlatformError(
            f"{name} could not be read on ({os.strerror(error.errno or 0)}).",
            code="io-error",
            fix="It is tried again; if it stays so, look at the disk or the network that it is on.",
        )
    return _of_ours(error, name)


def _of_memory(error: Exception, name: str, *, can_have: Callable[[], bool]) -> RushesError:
    if not can_have():
        return PlatformError(
            f"this machine has not the memory to read {name} that its function may have.",
            code="out-of-memory",
            fix="It is tried again; run fewer at once here, or look at this user's limits (`ulimit -v`).",
        )
    if isinstance(error, RushesError):
        return error
    return MediaError(
        f"{name} asks for more memory than its function may have.",
        code="too-large",
        fix="Check its source, or give the function more memory (Resources(memory=...)).",
    )


def _of_ours(error: Exception, name: str) -> PlatformError:
    # Not `extract_tb`: it looks for the lines of the code, and a reader can open nothing.
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)][-_FRAMES:]
    places = [f"{Path(code.co_filename).name}:{line} in {code.co_name}" for code, line in frames]
    what = type(error).__name__
    if isinstance(error, _OF_CODE):
        what += f" ({str(error)[:_TEXT]})"
    at = f" at {places[-1]}" if places else ""
    return PlatformError(
        f"{name} could not be read: {what}{at}. That is a fault of Rushes, of PyAV or of this machine; "
        "nothing is said against the clip.",
        code="reader-failed",
        fix="It is tried again; if it stays so, `rushes doctor` reads a clip of its own: report both.",
        details={"exception": what, "places": places},
    )
