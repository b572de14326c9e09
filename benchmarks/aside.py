"""Urgent work that takes two cores and does nothing with them; loaded by path, as `aside.py:stand`."""

import time

from rushes import Asset, Params, Resources, Result, function


class StandParams(Params):
    seconds: float = 0.5


class Stood(Result):
    seconds: float


@function(version="1", resources=Resources(cpu=2))
def stand(_clip: Asset, params: StandParams) -> Stood:
    """Keep two cores from others for so long."""
    time.sleep(params.seconds)
    return Stood(seconds=params.seconds)
