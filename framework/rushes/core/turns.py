"""Whose turn it is: which device an encode gets now, by when each would be done, or what it waits for.

    open now      the preferred family first; among its devices the one that is done first
    none open     what is done first: waiting for a device, another family, or software
    unknown       where nobody knows how long things take, another family is taken at once, and software
                  after half a minute; at once, too, where the device is full of what is not ours
    sick          never, but for one picture once it is due to be tried again
    nothing left  refused: the caller is told when to come again

Requests wait in line. Somebody later in line takes what is left over by those before who wait for the same,
so each is served in its turn, and a line before one card delays nobody at another. Software that stands in
for a device is a device too, with as many sessions as the host bears of it: a card that dies does not turn
a hundred waiting encodes into a hundred encodes in software at once.

Pure. This module must not know encoders, clocks or files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rushes.core.devices import (
    CPU,
    GROWS_EVERY_S,
    Device,
    Health,
    Held,
    rate_of,
    sessions_of,
    used,
)

__all__ = ["Decision", "Option", "Passed", "Probe", "Refuse", "Take", "Wait", "decide", "fallbacks_at_once"]

PATIENCE_S: Final = 30.0
"""So long a device is waited for, before software, where nobody knows which would be done first."""
FULL: Final = 0.95
"""A card whose rate is used up to this has none to give: figures are not that exact."""


@dataclass(frozen=True, slots=True)
class Option:
    """One way to make an output.

    Args:
        device: what makes it; `CPU` for software.
        seconds: what it takes with the device to itself; None for unknown.
        pixels: of all frames together; 0 for unknown.
        rank: 0 for what is preferred; the devices of one family have the same.
        sessions: that it takes at once.
    """

    device: Device
    seconds: float | None = None
    pixels: float = 0.0
    rank: int = 0
    sessions: int = 1

    @property
    def software(self) -> bool:
        return self.device.name == CPU

    @property
    def draws(self) -> float:
        """Pixels a second that it is expected to take of the device; 0 for unknown."""
        return self.pixels / self.seconds if self.seconds and self.pixels else 0.0


@dataclass(frozen=True, slots=True)
class Passed:
    """An option that was preferred and not taken, and why in one sentence; `sick`: it will not be, either."""

    option: Option
    reason: str
    sick: bool = False


@dataclass(frozen=True, slots=True)
class Take:
    """It is this one's turn; `ends` is when it is expected to be done, None for unknown."""

    option: Option
    passed: tuple[Passed, ...] = ()
    ends: float | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """A sick device is due to be tried again: with one picture, by this request, before anything else."""

    option: Option


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing yet.

    Args:
        purses: what it waits for, and how many sessions of it, as those behind it need to know.
        reason: the same for people.
    """

    purses: Mapping[str, int]
    reason: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """All that may make it is sick; `again_at` is when the first of it is tried again."""

    reason: str
    again_at: float


Decision = Take | Probe | Wait | Refuse


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What would come of one option.

    Args:
        open: it could begin now.
        ends: when it would be done; None for unknown.
        why: why it cannot begin now.
        needs: sessions that it takes; no more than there can be.
        crowd: sessions that are in use.
        ours: some of them are ours, and will be given back.
    """

    option: Option
    open: bool
    ends: float | None
    why: str
    needs: int
    crowd: int
    ours: bool


def fallbacks_at_once(cores: int) -> int:
    """How many encodes in software may stand in for devices at once.

    Each of them is built to use all cores, and work that was meant for the processor has a claim to it too.
    """
    return max(1, cores // 4)


def decide(
    options: Sequence[Option],
    health: Mapping[str, Health],
    held: Sequence[Held],
    ahead: Sequence[Mapping[str, int]],
    *,
    waited_s: float,
    now: float,
) -> Decision:
    """What a request for one of `options` is answered.

    Args:
        options: those that may make it, the preferred first.
        health: by name of the device; one that is missing is well.
        held: all sessions in use on this host.
        ahead: how many sessions each of those before it in line waits for, by purse.
        waited_s: how long it has waited so far.
        now: UTC epoch seconds.
    """
    well = [one for one in options if not _health(health, one).sick]
    for one in options:
        if one not in well and _due(one, _health(health, one), held, now):
            return Probe(one)
    passed = tuple(Passed(one, _sick(health, one), sick=True) for one in options if one not in well)
    if not well and any(one.probe and one.device == option.device.name for one in held for option in options):
        return Wait({}, "; ".join(dict.fromkeys(one.reason for one in passed)) + "; it is tried again now")
    if not well:
        again_at = min(_health(health, one).probe_at for one in options)
        return Refuse("; ".join(dict.fromkeys(one.reason for one in passed)), again_at)
    seen = [_outlook(one, _health(health, one), held, ahead, now) for one in well]
    best = _best(seen, waited_s)
    if best is None:
        awaited = [one for one in seen if not one.open]
        reason = "; ".join(dict.fromkeys(one.why for one in awaited))
        return Wait({one.option.device.purse: one.needs for one in awaited}, reason)
    missed = [
        Passed(one.option, one.why or _later(one, best))
        for at, one in enumerate(seen)
        if one.option.rank < best.option.rank or (not one.open and at < seen.index(best))
    ]
    return Take(replace(best.option, sessions=best.needs), (*passed, *missed), best.ends)


def _best(seen: Sequence[_Outlook], waited_s: float) -> _Outlook | None:
    """The one to take now; None to wait."""
    first = min(one.option.rank for one in seen)
    ready = [one for one in seen if one.open]
    if preferred := [one for one in ready if one.option.rank == first]:
        return min(preferred, key=_soonest)
    devices = [one for one in ready if not one.option.software]
    if not ready:
        return None
    # Of a card that is full of somebody else's encodes nobody knows when it will have room.
    awaited = [one for one in seen if not one.open and one.ours and not one.option.software]
    known = [one.ends for one in (*ready, *awaited) if one.ends is not None]
    if len(known) == len(ready) + len(awaited):
        best = min(ready, key=_soonest)
        return best if best.ends == min(known) else None
    if devices:
        return min(devices, key=lambda one: (one.option.rank, *_soonest(one)))
    return ready[0] if not awaited or waited_s >= PATIENCE_S else None


def _soonest(one: _Outlook) -> tuple[bool, float, int]:
    return one.ends is None, one.ends or 0.0, one.crowd


def _outlook(
    option: Option, health: Health, held: Sequence[Held], ahead: Sequence[Mapping[str, int]], now: float
) -> _Outlook:
    device = option.device
    limit = sessions_of(device, health, now)
    mine = [one for one in held if one.purse == device.purse]
    count = used(device, held)
    # What would never fit runs alone rather than never.
    needs = option.sessions if limit is None else max(1, min(option.sessions, limit))
    before = sum(purses.get(device.purse, 0) for purses in ahead)
    here = [one for one in mine if one.device == device.name]
    drawn = sum(one.pixels_per_s for one in here)
    rate = rate_of(device, health, now)
    exhausted = bool(here and rate and drawn >= FULL * rate)
    free = limit is None or limit - count - before >= needs
    if free and not exhausted and not (limit is None and before):
        ends = None if option.seconds is None else now + option.seconds * _stretch(option, here, rate, drawn)
        return _Outlook(option, open=True, ends=ends, why="", needs=needs, crowd=count, ours=count > 0)
    wait_s = _wait_s(option, health, mine, limit, before + needs - 1, now)
    ends = None if wait_s is None or option.seconds is None else now + wait_s + option.seconds
    why = _full(device, limit, count, before, needs)
    return _Outlook(option, open=False, ends=ends, why=why, needs=needs, crowd=count, ours=count > 0)


def _stretch(option: Option, here: Sequence[Held], rate: float, drawn: float) -> float:
    """How much longer it takes beside what is there."""
    if option.software:
        return 1.0 + len(here)  # one encode in software uses every core
    if not rate:
        return 1.0
    least = option.device.pixels_per_s / rate  # hot
    return max(1.0, least, (drawn + option.draws) / rate)


def _wait_s(  # noqa: PLR0917 - all that a wait hangs on
    option: Option, health: Health, mine: Sequence[Held], limit: int | None, others: int, now: float
) -> float | None:
    """Until it could begin; None for unknown."""
    grows_s = GROWS_EVERY_S - (now - health.limited_at) % GROWS_EVERY_S if health.limit is not None else None
    if not mine:
        return grows_s
    if any(one.ends is None for one in mine):
        return None
    ends = sorted(max(0.0, one.ends - now) for one in mine if one.ends is not None)
    left = others - max(0, limit - used(option.device, mine)) if limit is not None else others
    rounds, at = divmod(max(0, left), len(ends))
    return ends[at] + rounds * (option.seconds or 0.0)


def _due(option: Option, health: Health, held: Sequence[Held], now: float) -> bool:
    return now >= health.probe_at and not any(one.device == option.device.name for one in held)


def _health(health: Mapping[str, Health], option: Option) -> Health:
    return health.get(option.device.name, _WELL)


_WELL: Final = Health()


# -- sentences -----------------------------------------------------------------------------------------------


def _sick(health: Mapping[str, Health], option: Option) -> str:
    reason = _health(health, option).reason.rstrip(".")
    return f"{option.device.name} is set aside ({reason})"


def _full(device: Device, limit: int | None, count: int, before: int, needs: int) -> str:
    line = f", {before} before it in line" if before else ""
    line += f", {needs} are needed" if needs > 1 else ""
    if device.name == CPU:
        return f"{count} of {limit} encodes stand in for devices in software already{line}"
    if limit == 0:
        return f"{device.name} has no session left for us{line}"
    if limit is not None and count >= limit:
        return f"{count} of {limit} sessions of {device.name} are in use{line}"
    if limit is not None and limit - count - before < needs:
        if needs > 1:
            return f"{count} of {limit} sessions of {device.name} are in use{line}"
        return f"what is free of {device.name} is for {before} before it in line"
    return f"the pixel rate of {device.name} is used up{line}"


def _later(one: _Outlook, best: _Outlook) -> str:
    return f"{best.option.device.name} is expected to be done before {one.option.device.name}"
