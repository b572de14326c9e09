"""Whose turn it is to make rungs of a ladder: a command takes a session of its device for each rung there.

What a command is to make is decided before; so it waits for its device, and not for long where others may
make its rungs, too. This module must not know what a rung is beyond its tries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from rushes.core.turns import PATIENCE_S
from rushes.errors import RushesError
from rushes.media.devices.device_turns import Devices
from rushes.media.devices.tries import KnownHost, Tries
from rushes.media.ladders.rung_tries import Group, PendingRung

__all__ = ["RungTurns"]

T = TypeVar("T")


class RungTurns:
    """The turns of one ladder's commands.

    Args:
        devices: shares this host's devices.
        host: what is known of this host.
        rungs: all of them, before anything was tried.
    """

    def __init__(self, devices: Devices, host: KnownHost, rungs: Sequence[PendingRung]) -> None:
        self._devices = devices
        self._host = host
        self._meant = {rung.name for rung in rungs if rung.on_device}
        self.waited_s = 0.0
        self.note = ""
        """How long the last command waited, and what for."""

    def run(self, group: Group, pending: Sequence[PendingRung], command: Callable[[], T]) -> T:
        """What `command` gives, once it is its turn.

        Raises:
            RushesError: of the command, which is reported; or as of `DeviceTurns.take`.
        """
        self.waited_s, self.note = 0.0, ""
        rungs = [rung for rung in pending if rung.name in group.names]
        sessions = sum(rung.on_device for rung in rungs)
        stands_in = not sessions and any(rung.name in self._meant for rung in rungs)
        lead = Tries((group.lead,), ())
        alone = all(one.family == group.lead.family for rung in rungs for one in rung.tries)
        wait_s = self._devices.wait_s if alone or stands_in else min(self._devices.wait_s, PATIENCE_S)
        devices = replace(self._devices, wait_s=wait_s)
        turns = devices.turns(lead, None, self._host, sessions=max(1, sessions), stands_in=stands_in)
        if turns is None:
            return command()
        while True:
            try:
                turn = turns.take(lead.tries)
                self.waited_s, self.note = self.waited_s + turn.waited_s, turn.note
                return command()
            except RushesError as error:
                # Several that are refused together may be had one by one, which is for others to decide.
                if not turns.failed(error) or sessions > 1:
                    raise
            finally:
                turns.give_back()
