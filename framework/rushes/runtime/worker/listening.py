"""The socket that a worker listens on, in the folder where all of this user's workers have theirs.

A worker that is killed leaves its socket. The next on the same journal takes its place; one whose journal is
never used again would stay, so who comes removes those on which nobody listens. This module must not know
what is said.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["SUFFIX", "listen"]

SUFFIX: Final = ".sock"
_YOUNG_S: Final = 60.0
"""A socket has a name before anybody listens on it: one that is so new is let alone."""


def listen(path: Path) -> socket.socket:
    """Listen at a place where whoever listened before is gone; connections wait to be accepted.

    Raises:
        OSError: it cannot be made there.
    """
    _sweep(path.parent)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.listen(64)
    listener.setblocking(False)  # noqa: FBT003 - its only parameter
    return listener


def _sweep(folder: Path) -> None:
    """Remove the sockets in a folder on which nobody listens any more."""
    for place in folder.glob(f"*{SUFFIX}"):
        with suppress(OSError):  # another sweeps, too
            if place.is_socket() and time.time() - place.lstat().st_mtime > _YOUNG_S and _is_dead(place):
                place.unlink()


def _is_dead(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)  # noqa: FBT003 - as above; one that is busy answers at once, too
        try:
            client.connect(str(place))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False
