"""A host that looks at itself before it blames the work: acts on what `rushes.core.host_health` decides.

After a failure that may be the machine's, the part of it that is in doubt is looked at, once for all that
fail of it at the same moment; where it is wanting, the work is not at fault. Parts that rest are looked at
again when their time has come. A function that this machine has not is no part of it that rests: its work is
left to others, and said of this host for as long as such work comes. This module must not know how a part is
looked at, nor where work comes from.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from math import inf
from typing import Final

from rushes.core.host_health import DOUBTS, LEAVES_AFTER_S, HostHealth, Part
from rushes.core.retry import ASIDE_CODES, SERVICE_CODES
from rushes.errors import RushesError
from rushes.runtime.attempts.raised import as_error

__all__ = ["HostFitness", "Look"]

Look = Callable[[str, bool], str]
"""Looks at a part, for a group of hosts, which may rest already: why it is of no use, or ""."""
SAID_S: Final = 600.0
"""That a function is not here is said of this host for so long after work of it came."""
FRESH_S: Final = 2.0
"""A look is as good as another so long after it."""


class HostFitness:
    """What one host knows of itself; any thread may ask.

    Args:
        looks: how parts are looked at; what is not among them is taken to be well.
        groups: of hosts that it is one of.
        clock: seconds, on a clock that goes forward.
        say: writes a line of the log.
    """

    def __init__(
        self,
        looks: Mapping[Part, Look],
        groups: Collection[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[..., None] = lambda *_, **__: None,
    ) -> None:
        self._looks = looks
        self._groups = frozenset(groups)
        self._clock = clock
        self._say = say
        self._health = HostHealth()
        self._seen: dict[tuple[Part, str], tuple[float, str]] = {}
        self._lacking: dict[str, tuple[float, float, str]] = {}
        """Of each function that is not here: since when that is known, when work of it came last, and why."""
        self._turn = threading.RLock()

    def most(self, group: str) -> float:
        """How many a taker of a group may have here at a time: 0 while it rests."""
        health = self._health
        return health.most(group) if health.rests else inf

    def unfit(self, failure: RushesError, invocation: str, function: str, group: str) -> str:
        """Why this machine, and not the work, is at fault for a failure; "" where it is not known to be."""
        part = DOUBTS.get(failure.code)
        if part is not None and part in self._looks:
            if why := self._looked(part, group if part is Part.device else ""):
                return why
        elif failure.kind != "platform" or failure.code in SERVICE_CODES:
            return ""
        if failure.kind == "platform" and failure.code not in ASIDE_CODES:
            with self._turn:
                if self._health.failed(invocation, function, failure.code, self._clock()):
                    self._tell()
        return ""

    def succeeded(self) -> None:
        """Work has succeeded here."""
        if not self._health.in_doubt:
            return
        with self._turn:
            if self._health.succeeded():
                self._tell()

    def heard(self, error: RushesError) -> None:
        """A service did not answer as it should: maybe it is this host's to mend."""
        part = DOUBTS.get(error.code)
        if part is Part.credentials and part in self._looks:
            self._looked(part, "")

    def lacks(self, function: str, why: str) -> None:
        """Work of a function came that is not to be had here; it was left to others."""
        now = self._clock()
        with self._turn:
            known = self._lacking.get(function)
            self._lacking[function] = now if known is None else known[0], now, why
        if known is None:
            self._say("lacks", function=function, reason=f"{why} Its work is left to others.")

    def tend(self) -> None:
        """Said every second: looks at what costs nothing, and at what rests once its time has come."""
        with self._turn:
            now = self._clock()
            due = self._health.due(now)
            for name in [name for name, one in self._lacking.items() if now - one[1] >= SAID_S]:
                del self._lacking[name]
        for part, group in dict.fromkeys([*due, (Part.disk, "")]):
            if part in self._looks:
                self._looked(part, group)

    @property
    def why(self) -> str:
        """Why it rests, in all or in part, and which functions it has not; "" for neither."""
        with self._turn:
            rests = self._health.why(self._groups)
            lacks = f"it has not {', '.join(sorted(self._lacking))}" if self._lacking else ""
            return "; ".join(filter(None, (rests, lacks)))

    @property
    def lacking(self) -> tuple[str, ...]:
        """The functions of which work came that it has not, by name."""
        with self._turn:
            return tuple(sorted(self._lacking))

    @property
    def wanting_s(self) -> float:
        """For how long there has been something to say of it."""
        with self._turn:
            since = [one[0] for one in self._lacking.values()]
            if self._health.since is not None:
                since.append(self._health.since)
            return self._clock() - min(since) if since else 0.0

    @property
    def rests_s(self) -> float | None:
        """For how long it has taken nothing at all; None where it does."""
        with self._turn:
            since = self._health.rests_since(self._groups)
            return None if since is None else self._clock() - since

    @property
    def is_to_leave(self) -> bool:
        """Whether it has taken nothing for so long that another should take its place."""
        rests_s = self.rests_s
        return rests_s is not None and rests_s >= LEAVES_AFTER_S

    def _looked(self, part: Part, group: str) -> str:
        with self._turn:  # who fails of the same meanwhile waits for this look
            at, why = self._seen.get((part, group), (-inf, ""))
            if self._clock() - at >= FRESH_S:
                why = self._look_at(part, group)
                self._seen[part, group] = self._clock(), why
            if self._health.found(part, why, self._clock(), group):
                self._tell()
            return why

    def _look_at(self, part: Part, group: str) -> str:
        try:
            return self._looks[part](group, self._health.is_resting(part, group))
        except Exception as error:  # noqa: BLE001 - a look that fails says that the part is of no use
            return f"{part.value} could not be looked at: {as_error(error, 'the host').message}"

    def _tell(self) -> None:
        why = self._health.why(self._groups)
        if why:
            self._say("rests", reason=why)
        else:
            self._say("works again")
