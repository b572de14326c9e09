"""What is held while this process forks: what PyAV keeps for each of its threads.

In the child of a fork the interpreter lets go what other threads had of their own. PyAV 19 keeps a scaler for
each thread in which a frame was converted, and a scaler that is let go waits for threads of its own, which no
child has: it never came to exec, and whoever had started a tool waited for ever. So the forking thread holds
all of them until it is done; in the child they are held to its end. This module must not know tools.
"""

from __future__ import annotations

import gc
import os
import sys
from functools import cache
from threading import get_ident
from typing import Any

__all__ = ["hold_over_forks"]

_held: dict[int, list[Any]] = {}
"""By the thread that forks."""


@cache
def hold_over_forks() -> None:
    """Hold it over every fork of this process from now on."""
    os.register_at_fork(before=_hold, after_in_parent=_let_go)


def _hold() -> None:
    kept = getattr(sys.modules.get("av.video.frame"), "_thread_local", None)
    if kept is not None:
        # Of another thread's part of a thread-local object nothing but its collector knows.
        _held[get_ident()] = [list(one.values()) for one in gc.get_referents(kept) if isinstance(one, dict)]


def _let_go() -> None:
    _held.pop(get_ident(), None)
