"""Sealing a process: from here on it opens nothing, reaches nobody and starts nothing, whatever it decodes.

Two walls, each enough to keep every file away: Landlock without any rule, and a filter of system calls. This
module must not know what the process does with what it has open.
"""

from __future__ import annotations

import contextlib
import os
from typing import Final

from rushes.media.readers.seccomp import deny_the_rest, known_machine
from rushes.media.running import landlock

__all__ = ["LIMITS_ONLY", "WALLS", "seal"]

WALLS: Final = ("landlock", "seccomp")
LIMITS_ONLY: Final = "rlimits"
"""The name of a reader around which this host allows no wall."""


def seal() -> str:
    """Seal this process, which has one thread yet; gives the walls that this host allows, joined by ``+``."""
    walls: list[str] = []
    if landlock.abi():
        with contextlib.suppress(OSError):
            rules = landlock.ruleset((), ())
            try:
                landlock.restrict_self(rules)
                walls.append("landlock")
            finally:
                os.close(rules)
    machine = known_machine()
    if machine is not None:
        with contextlib.suppress(OSError):
            deny_the_rest(machine)
            walls.append("seccomp")
    return "+".join(walls) or LIMITS_ONLY
