"""An encode's way through the devices of a host: ask the ledger, wait, give back, and say how it went.

It waits where the ledger says so, with a sign of life and an ear for cancellation, and writes down for the
receipt what it waited for and why another device was taken. Where the ledger cannot be used, tries are taken
as they are listed: a card refuses what it cannot do by itself. What is decided is decided elsewhere; this
module must not know how anything is encoded.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from rushes.core.turns import Option, Probe, Refuse, Take, Wait
from rushes.errors import Cancelled, PlatformError, RushesError
from rushes.media.devices.device_faults import news_of
from rushes.media.devices.device_figures import options_of
from rushes.media.devices.device_retry import try_device
from rushes.media.devices.fallback import Tried
from rushes.media.devices.ledger import DeviceLedger, Place
from rushes.media.devices.monitors import read_monitors
from rushes.media.devices.tries import KnownHost, Tries, Try
from rushes.media.planning.wanted import Wanted
from rushes.media.running.company import aside
from rushes.media.running.cores import usable_cores
from rushes.media.running.process import never
from rushes.media.running.progress import Progress

__all__ = ["MOST_WAIT_S", "DeviceTurns", "Devices", "Turn"]

MOST_WAIT_S: Final = 600.0
_LOOK_S: Final = 0.1
"""Between two looks at whether anything was given back: a file's time, without a lock."""
_ASK_S: Final = 1.0
"""Between two questions to the ledger: who was killed gives back without a word."""
_TELL_S: Final = 2.0
_READ_EVERY_S: Final = 30.0
"""Of the monitors: nvidia-smi takes up to a second."""
_REFUSALS: Final = 5
"""So often one device may refuse one encode a session before the encode goes elsewhere, or fails."""


@dataclass(frozen=True)
class Devices:
    """What an attempt brings along to share the devices of its host.

    Args:
        ledger: opens the ledger of who holds what, once there is a device to ask for; it gives None where
            there can be no ledger.
        alive: told what is waited for, once a second, so that nobody takes waiting for a stall.
        cancelled: asked several times a second.
        wait_s: the longest wait; then the attempt fails, its slot goes to others, and it is tried again
            without using up a retry.
        what: the work, for people who look at the ledger, and for who waits for what it holds.
        rank: tells that of its class as it is now: a lower one is served first.
        lacking: told, about once a second, who holds what is waited for; None: nobody could change that.
        cores: of this host.
    """

    ledger: Callable[[], DeviceLedger | None]
    alive: Callable[[str], None] = lambda _: None
    cancelled: Callable[[], bool] = never
    wait_s: float = MOST_WAIT_S
    what: str = ""
    rank: Callable[[], int] = lambda: 0
    lacking: Callable[[list[str]], None] | None = None
    cores: int = field(default_factory=usable_cores)

    def turns(
        self,
        tries: Tries,
        wanted: Wanted | None,
        host: KnownHost,
        *,
        sessions: int = 1,
        stands_in: bool = False,
    ) -> DeviceTurns | None:
        """One output's way; None where software is what was chosen, and no device would be asked for.

        Args:
            tries: what may make it.
            wanted: the output; None where its size is not known.
            host: what is known of this host.
            sessions: that it takes of a device at once.
            stands_in: software is meant, too, in place of a device that failed.
        """
        if not tries.tries or (tries.tries[0].family == "software" and not stands_in):
            return None
        ledger = self.ledger()
        return None if ledger is None else DeviceTurns(self, ledger, wanted, host, sessions)


@dataclass
class Turn:
    """The try whose turn it is.

    Args:
        one: it.
        waited_s: that it had to wait.
        note: what for, in one sentence, or "".
        passed: the devices that were preferred, and why it was not their turn.
        place: what is held; None where there is no ledger to hold it in.
    """

    one: Try
    waited_s: float = 0.0
    note: str = ""
    passed: tuple[Tried, ...] = ()
    place: Place | None = None
    option: Option | None = None


class DeviceTurns:
    """One output's way through the devices. `give_back` may be called at any time, and more than once."""

    def __init__(
        self,
        devices: Devices,
        ledger: DeviceLedger,
        wanted: Wanted | None,
        host: KnownHost,
        sessions: int = 1,
    ) -> None:
        self._devices = devices
        self._ledger = ledger
        self._wanted = wanted
        self._host = host
        self._sessions = sessions
        self._turn: Turn | None = None
        self._began = 0.0
        self._told = 0.0
        self._refused: Counter[str] = Counter()
        self._told_of: dict[str, bool] = {}
        self._faulty: set[str] = set()

    def take(self, rest: Sequence[Try]) -> Turn:
        """Wait until it is the turn of one of `rest`, and take it.

        Raises:
            Cancelled: somebody wanted it to stop.
            PlatformError: all that may make it is sick (``device-sick``), or has been full for as long as is
                waited (``encoder-busy``).
        """
        cores = self._devices.cores
        options = options_of(rest, self._wanted, self._host, cores=cores, sessions=self._sessions)
        try:
            self._turn = self._waited(options)
        except PlatformError as error:
            if error.code != "ledger":
                raise
            self._turn = Turn(rest[0], note=error.message)
        self._began = time.monotonic()
        return self._turn

    def give_back(self) -> None:
        """What is held is not needed any more."""
        if self._turn is not None and self._turn.place is not None:
            self._turn.place.leave()

    def failed(self, error: RushesError) -> bool:
        """The try whose turn it was failed; tells whether it may wait for another turn on the same device."""
        turn, self._turn = self._turn, None
        if turn is None or turn.option is None:
            return False
        try:
            with suppress(PlatformError):  # the ledger is out of reach: the next fault teaches it
                return self._report(turn, turn.option, error)
        finally:
            if turn.place is not None:
                turn.place.leave()
        return False

    def watching(self, report: Callable[[Progress], None] | None) -> Callable[[Progress], None]:
        """`report`, and the ledger hears what the encode really draws."""

        def heard(progress: Progress) -> None:
            if report is not None:
                report(progress)
            now = time.monotonic()
            place = self._turn.place if self._turn is not None else None
            if place is None or self._wanted is None or now - max(self._told, self._began) < _TELL_S:
                return
            self._told = now
            elapsed_s, pixels = now - self._began, self._wanted.width * self._wanted.height
            ends = None
            if progress.share:
                left_s = elapsed_s * (1.0 - min(progress.share, 1.0)) / progress.share
                ends = self._ledger.clock() + left_s
            place.draws(progress.frames * pixels / elapsed_s, ends)

        return heard

    # -- waiting --------------------------------------------------------------------------------------------

    def _waited(self, options: list[tuple[Option, Try]]) -> Turn:
        self._read_monitors([one for _, one in options])
        began = time.monotonic()
        place = self._ledger.line_up(self._devices.what, self._devices.rank())
        try:
            note = ""
            while True:
                if note:
                    self._devices.alive(note)
                changed, waited_s = self._ledger.files.changed(), time.monotonic() - began
                place.ranks(self._devices.rank())
                answer = place.look([option for option, _ in options], waited_s=waited_s)
                if isinstance(answer, Take):
                    return self._taken(answer, options, place, waited_s if note else 0.0, note)
                if isinstance(answer, Probe):
                    self._try_again(_try_of(answer.option, options))
                    continue
                note = _said(answer, place)
                self._may_wait(answer, waited_s)
                if self._devices.lacking is not None and place.holders:
                    self._devices.lacking(list(place.holders))
                aside(partial(self._wait, changed))
        except BaseException:
            place.leave()
            raise

    def _may_wait(self, answer: Wait | Refuse, waited_s: float) -> None:
        if isinstance(answer, Refuse):
            raise PlatformError(
                f"nothing can make this here now: {answer.reason}.",
                code="device-sick",
                fix="The device is tried again by itself; allow a fallback to go on without it.",
                details={"action": "sick", "again_at": answer.again_at, "began": False},
            )
        if waited_s > self._devices.wait_s:
            raise PlatformError(
                f"no device became free within {waited_s:.0f} s: {answer.reason}.",
                code="encoder-busy",
                fix="It is tried again by itself; allow a fallback, or run fewer encodes at once.",
                details={"action": "busy", "began": False},
            )

    def _wait(self, changed: int) -> None:
        """Until the ledger may have another answer."""
        until = time.monotonic() + _ASK_S
        while time.monotonic() < until and self._ledger.files.changed() == changed:
            if self._devices.cancelled():
                raise Cancelled
            time.sleep(_LOOK_S)

    def _taken(
        self,
        answer: Take,
        options: list[tuple[Option, Try]],
        place: Place,
        waited_s: float,
        note: str,
    ) -> Turn:
        one = _try_of(answer.option, options)
        passed = []
        for missed in answer.passed:
            name = missed.option.device.name
            # That it failed is told, and that it was passed by before; that it is sick by now is not.
            if name == one.device or (name in self._told_of and self._told_of[name] >= missed.sick):
                continue
            self._told_of[name] = missed.sick
            by = _try_of(missed.option, options)
            passed.append(Tried(by.family, by.device, by.encoder, "passed", missed.reason))
        waited_for = f"waited: {note}" if note else ""
        return Turn(one, round(waited_s, 3), waited_for, tuple(passed), place, answer.option)

    # -- reporting ------------------------------------------------------------------------------------------

    def _report(self, turn: Turn, option: Option, error: RushesError) -> bool:
        if option.software:
            return False
        device = option.device
        news = news_of(error)
        self._told_of[device.name] = news != "busy"
        if news == "busy":
            self._ledger.refused(device, turn.place)
            self._refused[device.name] += 1
            return self._refused[device.name] < _REFUSALS
        if news == "unknown":
            self._ledger.puzzled(device.name, error.message)
        # A clip that both decoders fail on is one fault, not two.
        if news == "lost" or (news == "fault" and device.name not in self._faulty):
            self._faulty.add(device.name)
            self._ledger.failed(device.name, error.message, gone=news == "lost")
        return False

    def _try_again(self, one: Try) -> None:
        """Try a sick device with one picture; the place of this request is its claim to do so."""
        self._devices.alive(f"trying {one.device} again")
        why = try_device(one.family, one.device, one.encoder, self._host.capability, self._devices.cancelled)
        if self._devices.cancelled():
            raise Cancelled
        self._ledger.tried_again(one.device, why)

    def _read_monitors(self, tries: Sequence[Try]) -> None:
        names = [one.device for one in tries if one.family != "software"]
        if self._ledger.to_be_read(names, _READ_EVERY_S):
            self._ledger.readings(read_monitors(names))


def _said(answer: Wait | Refuse, place: Place) -> str:
    """What is waited for, and whose work has it."""
    names = place.holders
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{answer.reason}, by {', '.join(names[:3])}{more}" if names else answer.reason


def _try_of(option: Option, options: list[tuple[Option, Try]]) -> Try:
    return next(one for known, one in options if known.device.name == option.device.name)
