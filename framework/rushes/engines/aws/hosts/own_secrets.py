"""What a host signs in with itself stays with it: bodies run as the same user, and could look for it.

They are no children of this process, and still could read its variables, or those of the pool that it starts.
Files of that user they can read all the same. This module must not know what bodies are given instead.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping
from typing import Final

__all__ = ["close_to_others", "without_secrets"]

_WORDS: Final = ("ACCESS_KEY", "SECRET", "TOKEN", "CREDENTIAL")
_PR_SET_DUMPABLE: Final = 4


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The same variables, those empty by which a process of AWS signs in."""
    secret = {
        name: "" for name in environ if name.startswith("AWS_") and any(word in name for word in _WORDS)
    }
    return {**environ, **secret}


def close_to_others(platform: str = sys.platform) -> None:
    """Let no process of the same user read this one's variables and memory (Linux).

    What it starts is as ever: a program that is begun anew says so of itself
    (https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html).
    """
    if platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
