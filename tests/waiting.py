"""Waiting for what another process brings about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(condition: Callable[[], Any], *, seconds: float = 60.0, pause_s: float = 0.01) -> Any:
    """Wait for something that another process brings about; fails when it never comes.

    Args:
        condition: gives it, or something false.
        seconds: for so long.
        pause_s: between looks; a look that is a request takes from whoever is to bring it about.
    """
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it never came about"
        time.sleep(pause_s)
    return found
