"""Finds what was installed into this environment after the process began.

A package that is installed for editing is known by a ``.pth`` file, which Python reads once, when it starts.
A host that has run for days would fail all work of a function that was installed this morning, and say that
its package is to be installed. This module must not know functions.
"""

from __future__ import annotations

import importlib
import os
import site
import sysconfig
import threading
from typing import Final

__all__ = ["look_again"]

_turn: Final = threading.Lock()
_seen: dict[str, int] = {}
"""When each folder of packages was last changed, of those that were looked at again."""


def look_again() -> bool:
    """Read what was installed since; gives whether there is any reason to import again what was not there."""
    with _turn:
        changed = [folder for folder in _folders() if _is_changed(folder)]
        for folder in changed:
            # Paths that are known already are not taken twice.
            site.addsitedir(folder)
        if changed:
            importlib.invalidate_caches()
        return bool(changed)


def _folders() -> list[str]:
    paths = sysconfig.get_paths()
    return sorted({paths["purelib"], paths["platlib"]})


def _is_changed(folder: str) -> bool:
    try:
        changed_ns = os.stat(folder).st_mtime_ns  # noqa: PTH116 - a folder as a string, once an error
    except OSError:
        return False
    was, _seen[folder] = _seen.get(folder), changed_ns
    return was != changed_ns
