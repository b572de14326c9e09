"""A function whose module ends any slot that loads it."""

import os
import sys

from rushes import Asset, Params, Result, function

if "rushes.runtime.slots.slot" in sys.orig_argv:
    os._exit(7)


class Said(Result):
    text: str = ""


@function(version="1")
def fatal(clip: Asset, params: Params) -> Said:
    """Never runs."""
    return Said()
