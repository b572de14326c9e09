"""The cards that parts of one output are shared out over: of one family, with one encoder and one decoder.

Parts by two families do not fit together, nor do pictures that a card has scaled beside those that the
processor has. Two cards of one family are taken as alike; where the parts say otherwise, those that do
not fit are made again. This module must not know how a part is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rushes.errors import RushesError
from rushes.media.chunking.part_order import PartOrder
from rushes.media.devices.capability import CPU
from rushes.media.devices.tries import KnownHost, Tries, Try, plan_tries
from rushes.media.planning.choice import EncoderChoice
from rushes.media.planning.wanted import Wanted

if TYPE_CHECKING:
    from rushes.media.devices.device_turns import Devices, DeviceTurns, Turn

__all__ = ["Cards", "TeamTurns", "teams_of"]

Teams = Mapping[Try, tuple[Try, ...]]


@dataclass(frozen=True)
class Cards:
    """The cards of this host that may make a part.

    Args:
        devices: shares them with whoever else encodes here; None to take them as if alone.
        wanted: the whole output; None where its size is not known.
        host: what is known of this host.
    """

    devices: Devices | None = None
    wanted: Wanted | None = None
    host: KnownHost = field(default_factory=KnownHost)

    def of(self, order: PartOrder) -> tuple[Try, ...]:
        """The tries of a part: one for each card, beginning with another one for each part."""
        spot = order.spot
        name = CPU if spot.family == "software" else f"{spot.family}:{spot.index}"
        alone = Try(name, "", spot)
        if self.wanted is None or spot.family == "software":
            return (alone,)
        wanted = replace(self.wanted, frames=len(order.chunk))
        found = plan_tries(EncoderChoice((spot.family,), "forbid"), wanted, self.host).tries
        fit = [one for one in found if one.spot.decoder == spot.decoder]
        fit = [one for one in fit if one.device in order.only] or fit or [alone]
        at = order.number % len(fit)
        return (*fit[at:], *fit[:at])

    def turns(self, tries: Sequence[Try], frames: int) -> DeviceTurns | None:
        """Whose turn it is to make a part of so many frames; None: at once."""
        if self.devices is None or self.wanted is None:
            return None
        return self.devices.turns(Tries(tuple(tries), ()), replace(self.wanted, frames=frames), self.host)


def teams_of(tries: Tries) -> Teams:
    """The tries by those whose parts fit together, each by its first."""
    teams: dict[tuple[str, str, str], list[Try]] = {}
    for one in tries.tries:
        teams.setdefault((one.family, one.encoder, one.spot.decoder), []).append(one)
    return {team[0]: tuple(team) for team in teams.values()}


class TeamTurns:
    """Which team's turn it is to make all parts.

    What a device would be held for is given back at once: all parts are made by its team, and each takes a
    turn of its own there. Software that steps in is held until the end, so that it does so for few at once.
    """

    def __init__(self, turns: DeviceTurns, teams: Teams) -> None:
        self._turns = turns
        self._teams = teams

    def take(self, rest: Sequence[Try]) -> Turn:
        """As of `DeviceTurns.take`; the try is the first of its team."""
        turn = self._turns.take([one for first in rest for one in self._teams[first]])
        if turn.one.family != "software":
            self._turns.give_back()
        first = next(first for first in rest if turn.one in self._teams[first])
        own = {one.device for one in self._teams[first]}
        return replace(turn, one=first, passed=tuple(one for one in turn.passed if one.device not in own))

    def failed(self, _error: RushesError) -> bool:
        """Of a device that failed its part has told; there is no other turn."""
        self._turns.give_back()
        return False

    def give_back(self) -> None:
        self._turns.give_back()
