"""Trying a device that was sick again: one picture, as a probe of the host does it.

A small picture of one colour on a card that hangs costs twenty seconds; somebody's clip would cost the
clip's attempt. This module must not know who wants to know.
"""

from __future__ import annotations

from collections.abc import Callable

from rushes.errors import RushesError
from rushes.media.devices.capability import Capability, SeenDevice
from rushes.media.devices.probe import LIMIT_S, TrialLane, try_one
from rushes.media.devices.trial_rows import trials
from rushes.media.running.builds import find_build
from rushes.media.running.process import Limits, Supervision

__all__ = ["try_device"]


def try_device(
    family: str, name: str, encoder: str, capability: Capability | None, cancelled: Callable[[], bool]
) -> str:
    """Why the device does not encode a picture, in a sentence; "" when it does.

    Args:
        family: of the device.
        name: of the device, ``nvenc:0``.
        encoder: ffmpeg's name of the one to try; any other of the family stands for one that is not known.
        capability: what a probe of this host found, or None.
        cancelled: asked several times a second; True ends it.
    """
    seen = capability.devices if capability is not None else ()
    index = int(name.rpartition(":")[2])
    device = next((one for one in seen if one.name == name), SeenDevice(family, index))
    mine = [one for one in trials() if one.family == family]
    trial = next((one for one in mine if one.encoder == encoder), mine[0])
    try:
        build = find_build(family)
    except RushesError as error:
        return error.message
    limits = Limits(stall_s=None, time_s=LIMIT_S, address_space=False)
    found = try_one(
        TrialLane(device, build, (trial,)), trial, Supervision(limits=limits, cancelled=cancelled)
    )
    return "" if found.works else found.why
