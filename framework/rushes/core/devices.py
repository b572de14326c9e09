"""What is known of a device that encodes, and how it changes: pure, from reports and the time.

    ok        it takes work
    busy      it takes none just now: every session that it may have is in use, or its pixel rate is
    draining  it is sick, and what still runs on it runs on
    sick      it is sick and empty; it is tried again later, by one picture

The state of a device is not kept but follows from two things that are: its `Health`, which reports change,
and what is `Held` on it. A card that refuses a session teaches its limit: so many as were in use; the limit
then grows by one a minute, for whoever held the rest may be gone. Three faults in ten minutes, a reported
fault of the hardware (NVIDIA's Xid) or a lost device make it sick. A sick device is tried again after a
minute, then after twice as long each time, up to an hour. A hot one keeps its sessions and loses pixel rate.

This module must not know encoders, clocks or files, nor who asks for a device.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

__all__ = [
    "CPU",
    "Device",
    "DeviceState",
    "Health",
    "Held",
    "Reading",
    "busy",
    "fault",
    "lost",
    "probed",
    "puzzled",
    "rate_of",
    "read",
    "sessions_of",
    "state_of",
    "used",
]

CPU: Final = "cpu"
"""The device of software. What is held on it are encodes that a device should have made."""

FAULTS: Final = 3
FAULTS_WITHIN_S: Final = 600.0
GROWS_EVERY_S: Final = 60.0
FORGOTTEN_AFTER_S: Final = 600.0
"""A limit that only a refusal taught is forgotten by then, where nothing else limits the device."""
PROBE_FIRST_S: Final = 60.0
PROBE_LONGEST_S: Final = 3600.0
BELIEVED_S: Final = 120.0
"""How long what a monitor read says something of now."""


class DeviceState(StrEnum):
    """How a device stands; the theory is above."""

    ok = "ok"
    busy = "busy"
    draining = "draining"
    sick = "sick"


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of a device beforehand.

    Args:
        name: ``nvenc:0``.
        sessions: encodes at once that its driver allows; 0 for no limit.
        pixels_per_s: that it encodes altogether, of pictures of the size in question; 0 for unknown.
        shares: what else has the same sessions: a limit of the driver may be of all cards of a host
            together. "" for its own.
    """

    name: str
    sessions: int = 0
    pixels_per_s: float = 0.0
    shares: str = ""

    @property
    def purse(self) -> str:
        """Where its sessions are counted."""
        return self.shares or self.name


@dataclass(frozen=True, slots=True)
class Held:
    """What one encode has of a device, or one encode in software that stands in for a device.

    Args:
        device: whose.
        purse: `Device.purse`.
        pixels_per_s: that it draws: expected at first, then as seen; 0 for unknown.
        ends: when it is expected to end; None for unknown.
        probe: it only tries whether a sick device works again.
        sessions: that it takes: a ladder has one for each of its sizes.
    """

    device: str
    purse: str
    pixels_per_s: float = 0.0
    ends: float | None = None
    probe: bool = False
    sessions: int = 1


@dataclass(frozen=True, slots=True)
class Health:
    """What reports have taught of one device. Times are UTC epoch seconds.

    Args:
        limit: sessions that it had when it refused one more; None when it never did.
        limited_at: when that was.
        faults: when it failed, of late.
        sick_since: None while it is well.
        probe_at: when a sick one is tried again.
        probes: how often that was in vain.
        reason: why it is sick, in a sentence.
        rate: share of its pixel rate that heat and power leave it, above 0 and up to 1.
        foreign: sessions that are in use by others than us.
        read_at: when a monitor said so.
        unknown: how often it failed in a way that nobody knows, since the ledger began.
        unknown_last: what was said the last time.
    """

    limit: int | None = None
    limited_at: float = 0.0
    faults: tuple[float, ...] = ()
    sick_since: float | None = None
    probe_at: float = 0.0
    probes: int = 0
    reason: str = ""
    rate: float = 1.0
    foreign: int = 0
    read_at: float = 0.0
    unknown: int = 0
    unknown_last: str = ""

    @property
    def sick(self) -> bool:
        return self.sick_since is not None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a monitor says of a device now.

    Args:
        rate: as in `Health`.
        sessions: in use by everybody; None where the monitor does not say.
        lost: why the device is of no use any more; "" when it is.
    """

    rate: float = 1.0
    sessions: int | None = None
    lost: str = ""


# -- reports -------------------------------------------------------------------------------------------------


def busy(health: Health, in_use: int, now: float) -> Health:
    """It has refused a session while `in_use` of them were ours, the refused one not counted."""
    return replace(health, limit=max(0, in_use), limited_at=now)


def puzzled(health: Health, said: str) -> Health:
    """An encode failed on it, and nobody knows what is meant: no fault yet, but it is counted."""
    return replace(health, unknown=health.unknown + 1, unknown_last=said)


def fault(health: Health, reason: str, now: float) -> Health:
    """An encode on it has failed in a way that may be its own fault."""
    recent = (*(at for at in health.faults if 0 <= now - at < FAULTS_WITHIN_S), now)
    if len(recent) < FAULTS:
        return replace(health, faults=recent)
    why = f"{len(recent)} faults in {FAULTS_WITHIN_S / 60:.0f} minutes, the last: {reason}"
    return lost(replace(health, faults=recent), why, now)


def lost(health: Health, reason: str, now: float) -> Health:
    """It is of no use any more, by its own word. A second report of the same illness changes nothing."""
    if health.sick:
        return replace(health, reason=reason)
    return replace(health, sick_since=now, probes=0, probe_at=now + PROBE_FIRST_S, reason=reason)


def probed(health: Health, reason: str, now: float) -> Health:
    """A sick one was tried again, in vain for a `reason`; "": it works, so it is well, whatever was known."""
    if not reason:
        return replace(
            Health(),
            rate=health.rate,
            foreign=health.foreign,
            read_at=health.read_at,
            unknown=health.unknown,
            unknown_last=health.unknown_last,
        )
    probes = health.probes + 1
    wait_s = min(PROBE_FIRST_S * 2.0 ** min(probes, 16), PROBE_LONGEST_S)
    since = health.sick_since if health.sick_since is not None else now
    return replace(health, sick_since=since, probes=probes, probe_at=now + wait_s, reason=reason)


def read(health: Health, reading: Reading, ours: int, now: float) -> Health:
    """A monitor has looked at it.

    Args:
        health: what was known.
        reading: what it says.
        ours: sessions that are in use by us.
        now: UTC epoch seconds.
    """
    foreign = 0 if reading.sessions is None else max(0, reading.sessions - ours)
    seen = replace(health, rate=min(max(reading.rate, 0.05), 1.0), foreign=foreign, read_at=now)
    return lost(seen, reading.lost, now) if reading.lost else seen


# -- what follows --------------------------------------------------------------------------------------------


def sessions_of(device: Device, health: Health, now: float) -> int | None:
    """How many sessions may be ours now; None for any number."""
    known = device.sessions or None
    since_s = now - health.limited_at
    if health.limit is not None and since_s >= 0:
        grown = health.limit + int(since_s // GROWS_EVERY_S)
        if known is None:
            return grown if since_s < FORGOTTEN_AFTER_S else None
        # What others held when it refused is in this already.
        if grown < known:
            return grown
    if known is None:
        return None
    return max(0, known - (health.foreign if _believed(health, now) else 0))


def rate_of(device: Device, health: Health, now: float) -> float:
    """Pixels a second that it encodes now; 0 for unknown."""
    return device.pixels_per_s * (health.rate if _believed(health, now) else 1.0)


def used(device: Device, held: Iterable[Held]) -> int:
    """Sessions that are in use, with those of other devices that come out of the same purse."""
    return sum(one.sessions for one in held if one.purse == device.purse)


def state_of(device: Device, health: Health, held: Iterable[Held], now: float) -> DeviceState:
    """How it stands."""
    here = [one for one in held if one.purse == device.purse]
    if health.sick:
        return DeviceState.draining if any(one.device == device.name for one in here) else DeviceState.sick
    limit = sessions_of(device, health, now)
    if limit is not None and used(device, here) >= limit:
        return DeviceState.busy
    drawn = sum(one.pixels_per_s for one in here if one.device == device.name)
    rate = rate_of(device, health, now)
    return DeviceState.busy if rate and drawn >= rate else DeviceState.ok


def _believed(health: Health, now: float) -> bool:
    return 0 <= now - health.read_at < BELIEVED_S
