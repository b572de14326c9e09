"""Keeping the books of shares: what a slot holds, for which class, and who may start when it lets go of it.

This module must not know how shares are given.
"""

from __future__ import annotations

from typing import Final

from rushes.core.limits import class_limit
from rushes.core.packing import Need
from rushes.core.slots import Slot, SlotState
from rushes.core.waiting import Waiting

__all__ = ["note"]

_NOTHING: Final[Need] = (0, 0, 0, 0)


def note(waiting: Waiting, slot: Slot, *, gone: bool = False) -> None:
    """Write down what a slot holds now; `gone`: nothing any more."""
    name = None if gone or slot.policy is None else slot.policy.name
    eased = waiting.shares.note(slot.number, name, _NOTHING if gone else _held(slot))
    if eased is not None:
        waiting.unpark(class_limit(eased))


def _held(slot: Slot) -> Need:
    """Who waits for parts lends cores and devices, who is paused lends cores."""
    if slot.lane is None:
        return _NOTHING
    cpu, memory, scratch, gpu = slot.lane.need
    if slot.state is SlotState.waiting:
        return 0, memory, scratch, 0
    if slot.state is SlotState.paused:
        return 0, memory, scratch, gpu
    return cpu, memory, scratch, gpu
