"""Whether a host takes work of others: a circuit breaker for each part of it that work can fail of. Pure.

A host that fails work in seconds takes the next, and empties a queue into the dead letters. So what an
attempt failed of is not believed to be the work's fault before the part of the machine that its error puts
in doubt has been looked at: a disk, the pool, credentials, tools, the reader of clips, the devices of a
group of hosts. A part that is found wanting *rests*: the work goes back untouched, nothing that needs the
part is taken, and it is looked at again after 5 s, 10 s … a minute. What nobody thought to look at shows in a
row of failures: of several functions, without a success between them. Then all rests, and one at a time is
tried. Who has rested wholly for long may leave the fleet: another takes its place.

    well ──found wanting──► resting ──found well──► well
    well ──a row of failures──► resting ──its time is over──► on trial ──success──► well
                                                              on trial ──failure──► resting, twice as long

This module must not know clocks, nor how a part is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from types import MappingProxyType
from typing import Final

__all__ = ["DOUBTS", "LEAVES_AFTER_S", "HostHealth", "Part", "room_wanted"]

FIRST_REST_S: Final = 5.0
LONGEST_REST_S: Final = 60.0
LEAVES_AFTER_S: Final = 600.0
"""A host that is rented costs as much when it rests; what passes by itself has passed by then."""
ROW: Final = 4
"""Failures in a row, without a success between them, of which nobody can say what the machine lacks,"""
ROW_FUNCTIONS: Final = 2
"""and of so many functions: one that is broken would else rest a whole fleet, for everybody."""

_LEAST_ROOM: Final = 256 * 2**20
_MOST_ROOM: Final = 5 * 2**30
_OF_A_DISK: Final = 0.02
_MOST_OF_A_DISK: Final = 0.1
_AGAIN: Final = 2
"""Times the room below which a host rests: with that it takes work again, not at each file that goes."""


class Part(StrEnum):
    """What of a host work needs."""

    disk = "disk"
    pool = "pool"
    credentials = "credentials"
    tools = "tools"
    reader = "reader"
    device = "device"
    all = "all"
    """Of what nobody looks at: known by what fails."""


DOUBTS: Final[Mapping[str, Part]] = MappingProxyType(
    dict.fromkeys(("disk-full", "no-scratch", "io-error", "no-permission", "bad-out"), Part.disk)
    | dict.fromkeys(("no-worker", "no-answer", "slot-lost", "set-aside"), Part.pool)
    | dict.fromkeys(("no-credentials", "clock-skewed", "not-permitted", "bad-role"), Part.credentials)
    | dict.fromkeys(("no-ffmpeg", "bad-ffmpeg", "no-encoder", "no-filter", "tool-failed"), Part.tools)
    | dict.fromkeys(("crashed", "tool-not-started", "box-failed", "no-box", "bad-tool"), Part.tools)
    | dict.fromkeys(("no-reader", "reader-failed"), Part.reader)
    | dict.fromkeys(("no-device", "device-sick", "no-free-device", "encoder-failed"), Part.device)
    | dict.fromkeys(("driver-mismatch", "encoder-unsupported", "stalled", "bad-output"), Part.device)
)
"""The part of a machine that an error puts in doubt, by its code; one look tells."""


def room_wanted(total_bytes: int, *, rests: bool = False) -> int:
    """How much of a disk is to be free for a host to take work; `rests`: to take work again.

    A fiftieth, between 256 MiB and 5 GiB, and of a small disk no more than a tenth.
    """
    wanted = min(max(int(total_bytes * _OF_A_DISK), _LEAST_ROOM), _MOST_ROOM)
    return min(wanted, int(total_bytes * _MOST_OF_A_DISK)) * (_AGAIN if rests else 1)


@dataclass(slots=True)
class _Rest:
    """A part that is wanting: why, since when, when it is looked at again, and how often it was."""

    why: str
    since: float
    again_at: float
    looks: int = 1


@dataclass(slots=True)
class HostHealth:
    """What is known of one host; every verb is told the time, on any clock that goes forward."""

    _rests: dict[tuple[Part, str], _Rest] = field(default_factory=dict)
    _row: list[tuple[str, str, str]] = field(default_factory=list)
    """Of what failed in a row: invocation, function, code."""
    _on_trial: bool = False

    @property
    def rests(self) -> bool:
        """Whether anything of it does."""
        return bool(self._rests)

    def is_resting(self, part: Part, group: str = "") -> bool:
        """Whether this part does."""
        return (part, group) in self._rests

    @property
    def in_doubt(self) -> bool:
        """Whether a success would say anything that is not known."""
        return bool(self._row) or self._on_trial

    def found(self, part: Part, why: str, now: float, group: str = "") -> bool:
        """What a look at a part has come to; gives whether that is news.

        Args:
            part: which was looked at.
            why: why it is of no use, in a sentence; "" for well.
            now: seconds.
            group: of hosts, those that a device serves; "" where it is the whole machine's.
        """
        rest = self._rests.get((part, group))
        if not why:
            return self._rests.pop((part, group), None) is not None
        if rest is None:
            self._rests[part, group] = _Rest(why, now, now + FIRST_REST_S)
            return True
        rest.why = why
        if now >= rest.again_at:
            rest.again_at = now + _rest_s(rest.looks)
            rest.looks += 1
        return False

    def failed(self, invocation: str, function: str, code: str, now: float) -> bool:
        """An attempt failed of the platform, and all parts that can be looked at are well.

        Gives whether this host rests for it from now on.
        """
        rest = self._rests.get((Part.all, ""))
        if not self._on_trial and (rest is not None or any(one == invocation for one, _, _ in self._row)):
            return False
        self._row = [*self._row, (invocation, function, code)][-ROW:]
        functions = {one for _, one, _ in self._row}
        if not self._on_trial and (len(self._row) < ROW or len(functions) < ROW_FUNCTIONS):
            return False
        self._on_trial = False
        codes = ", ".join(dict.fromkeys(one for _, _, one in self._row))
        why = f"all that it was given failed, of {len(functions)} functions: {codes}"
        if rest is None:
            return self.found(Part.all, why, now)
        rest.why, rest.again_at = why, now + _rest_s(rest.looks)
        rest.looks += 1
        return True

    def succeeded(self) -> bool:
        """An attempt succeeded; gives whether this ends a trial."""
        self._row.clear()
        was, self._on_trial = self._on_trial, False
        return self._rests.pop((Part.all, ""), None) is not None or was

    def due(self, now: float) -> list[tuple[Part, str]]:
        """The parts that rest and are to be looked at now; what nobody can look at is tried from now on."""
        found = [key for key, rest in self._rests.items() if now >= rest.again_at]
        if (Part.all, "") in found:
            found.remove((Part.all, ""))
            self._on_trial = True
        return found

    def most(self, group: str) -> float:
        """How many more a lane of a group of hosts may have here at a time: 0 while it rests, 1 on trial."""
        # Lanes ask while others note what they find: a copy is made in one step, a walk is not.
        keys = [key for key in tuple(self._rests) if key[1] in {"", group}]
        if any(key[0] is not Part.all for key in keys):
            return 0
        return (1 if self._on_trial else 0) if keys else inf

    def why(self, groups: frozenset[str] = frozenset()) -> str:
        """Why it rests, all of it or any of these groups; "" where it does not."""
        found = {rest.why: None for key, rest in self._rests.items() if not key[1] or key[1] in groups}
        return "; ".join(found)

    @property
    def since(self) -> float | None:
        """Since when anything of it rests; None where nothing does."""
        return min((rest.since for rest in self._rests.values()), default=None)

    def rests_since(self, groups: frozenset[str]) -> float | None:
        """Since when nothing at all is taken; None where something is."""
        whole = [rest.since for (_, group), rest in self._rests.items() if not group]
        if whole:
            return min(whole)
        by_group = {group: rest.since for (_, group), rest in self._rests.items()}
        return max(by_group.values()) if groups and groups <= by_group.keys() else None


def _rest_s(looks: int) -> float:
    return min(FIRST_REST_S * 2.0 ** min(looks, 10), LONGEST_REST_S)
