"""How many spare slot processes a pool keeps: those that an urgent start on a full pool finds ready.

A slot takes half a second to come up, of which an urgent start on an idle pool pays nothing. Where every slot
is held by work that may stand aside, the cores are there within milliseconds, and a process is what is
missing. So one is kept ready beside them: it has imported what media work needs, and belongs to no function
yet. It is no slot, and counts towards no limit, until it takes the place of one that was to be opened.

None is kept where nobody can be displaced, for work so short that its slot is free at once, or where memory
is short. None is opened while somebody stands aside, or while a slot is coming up: then the cores are wanted
for better. One that nobody could have used for a while is closed. This module must not know processes, nor
how work is assigned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["HeldSlot", "SparePolicy", "to_open", "wanted"]

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class SparePolicy:
    """The bounds within which spares are kept.

    Args:
        held_s: a slot whose attempt has run for less may well be free when somebody wants it.
        cpu_each: one spare for so many cores, and one in any case: others of a burst open slots beside it,
            all at the same time.
        memory_each: bytes of the pool's memory for each; a pool with less than that keeps none.
        unused_s: one that was not wanted for so long is closed.
    """

    held_s: float = 2.0
    cpu_each: float = 8.0
    memory_each: float = 2.0 * _GIB
    unused_s: float = 60.0


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """One slot with an attempt on it.

    Args:
        interpreter: the interpreter, variables and import path that it runs; a spare fits one of these.
        ran_s: how long its attempt has run.
        may_yield: there are classes that may displace it.
    """

    interpreter: str
    ran_s: float
    may_yield: bool


def wanted(
    held: Iterable[HeldSlot], cpu: float, memory: float, policy: SparePolicy = SparePolicy()
) -> dict[str, int]:
    """How many spares of each interpreter a pool of `cpu` cores and `memory` bytes should have."""
    long: dict[str, int] = {}
    for one in held:
        if one.may_yield and one.ran_s >= policy.held_s:
            long[one.interpreter] = long.get(one.interpreter, 0) + 1
    left = int(min(max(cpu / policy.cpu_each, 1.0), memory / policy.memory_each))
    found: dict[str, int] = {}
    for interpreter, count in sorted(long.items(), key=lambda item: (-item[1], item[0])):
        if left <= 0:
            break
        found[interpreter] = min(count, left)
        left -= found[interpreter]
    return found


def to_open(wanted: Mapping[str, int], kept: Mapping[str, int], *, cores_are_wanted: bool) -> str | None:
    """The interpreter to open the next spare for; None for none now.

    One at a time, so that what runs gives up as little as possible for it.

    Args:
        wanted: how many there should be.
        kept: how many there are, ready or not.
        cores_are_wanted: somebody stands aside for more urgent work, or a slot or a spare is coming up.
    """
    if cores_are_wanted:
        return None
    return next((one for one, count in wanted.items() if kept.get(one, 0) < count), None)
