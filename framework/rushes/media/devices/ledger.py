"""Who holds which device of this host, for all processes of all its users: asked, told, and given back.

The decisions are those of `rushes.core.turns`, the files those of `rushes.media.devices.ledger_files`. A
session is held by a locked file, so one that a killed process held is free at once and nothing is ever
cleaned up. This module must not know encoders or ffmpeg.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from rushes.core.devices import Device, Health, Held, Reading, busy, fault, lost, probed, puzzled, read, used
from rushes.core.turns import Decision, Option, Probe, Take, Wait, decide
from rushes.errors import PlatformError
from rushes.media.devices.ledger_files import LedgerFiles, MemberFile, ledger_folder, load, save

__all__ = ["Book", "DeviceLedger", "Member", "Place", "open_ledger"]

_FROZEN_S: Final = 10.0
"""Who waits looks every second; one that has not looked for so long is stopped, and nobody waits for it."""


_SAID: Final = 200


@dataclass(frozen=True, slots=True)
class Member:
    """One request, as its file says.

    Args:
        number: its place in line: whoever comes later has a larger one.
        held: what it holds; None while it waits.
        purses: what it waits for, and how many sessions of it.
        looked_at: when it last looked, in UTC epoch seconds.
        pid: for people.
        what: the work; for people, and for who waits for what it holds.
        rank: of its class: a lower one is served first, whenever it came.
    """

    number: int
    held: Held | None = None
    purses: Mapping[str, int] = field(default_factory=dict)
    looked_at: float = 0.0
    pid: int = 0
    what: str = ""
    rank: int = 0

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands in line: its class, then when it came."""
        return self.rank, self.number


@dataclass(frozen=True)
class Book:
    """All that the ledger knows, at one moment: the living in line, and what is known of devices by name."""

    members: tuple[Member, ...]
    health: dict[str, Health] = field(default_factory=dict)

    @property
    def held(self) -> list[Held]:
        """Every session in use."""
        return [one.held for one in self.members if one.held is not None]

    def of(self, device: str) -> Health:
        """What is known of a device."""
        return self.health.get(device, Health())

    def others(self, number: int | None) -> list[Held]:
        """Every session in use but that of one member."""
        return [one.held for one in self.members if one.held is not None and one.number != number]


class DeviceLedger:
    """The devices of this host, as all its processes see them.

    Everything here raises PlatformError, code ``ledger``, where the folder cannot be used.

    Args:
        files: where it is kept.
        clock: UTC epoch seconds.
    """

    def __init__(self, files: LedgerFiles, clock: Callable[[], float] = time.time) -> None:
        self.files = files
        self.clock = clock

    def line_up(self, what: str = "", rank: int = 0) -> Place:
        """A place at the end of the line, behind all of this rank and better ones.

        `Place.leave` gives it up, and so does the end of this process.
        """
        with self.files.locked():
            file = self.files.new()
            mine = Member(file.number, looked_at=self.clock(), pid=os.getpid(), what=what, rank=rank)
            file.write(_member_json(mine))
        return Place(self, file, mine)

    def book(self) -> Book:
        """What it knows now."""
        with self.files.locked() as host:
            return self.read(host)

    # -- reports ---------------------------------------------------------------------------------------------

    def refused(self, device: Device, by: Place | None = None) -> None:
        """The device has no session for the one who was given it."""
        mine = None if by is None else by.member.number
        # Of several at once, all but the last may have been had.
        had = by.member.held.sessions - 1 if by is not None and by.member.held is not None else 0

        def taught(book: Book) -> Health:
            return busy(book.of(device.name), used(device, book.others(mine)) + had, self.clock())

        self._teach(device.name, taught)

    def failed(self, device: str, reason: str, *, gone: bool) -> None:
        """An encode failed on the device; `gone`: by the device's own word it is of no use any more."""
        report = lost if gone else fault
        self._teach(device, lambda book: report(book.of(device), reason, self.clock()))

    def puzzled(self, device: str, said: str) -> None:
        """An encode failed on the device in words that nobody knows."""
        self._teach(device, lambda book: puzzled(book.of(device), said[:_SAID]))

    def tried_again(self, device: str, reason: str) -> None:
        """A sick device was tried with one picture, in vain for a `reason`; "": it works."""
        self._teach(device, lambda book: probed(book.of(device), reason, self.clock()))

    def readings(self, found: Mapping[str, Reading]) -> None:
        """What monitors say of devices, by name."""
        with self.files.locked() as host:
            book = self.read(host)
            for device, reading in found.items():
                ours = sum(one.sessions for one in book.held if one.device == device)
                book.health[device] = read(book.of(device), reading, ours, self.clock())
            _save(host, book)

    def to_be_read(self, devices: Sequence[str], every_s: float) -> bool:
        """Whether nobody has asked the monitors of these devices for so long; one asker alone is told so."""
        with self.files.locked() as host:
            book, now = self.read(host), self.clock()
            due = [name for name in devices if not 0 <= now - book.of(name).read_at < every_s]
            for name in due:
                book.health[name] = replace(book.of(name), read_at=now)
            if due:
                _save(host, book)
        return bool(due)

    def _teach(self, device: str, change: Callable[[Book], Health]) -> None:
        with self.files.locked() as host:
            book = self.read(host)
            book.health[device] = change(book)
            _save(host, book)

    def read(self, host: int) -> Book:
        """What it knows, with its files locked."""
        health, members = {}, []
        known = load(host).get("devices")
        for name, row in known.items() if isinstance(known, dict) else ():
            with contextlib.suppress(TypeError, ValueError, KeyError):
                health[str(name)] = _health(row)
        for number, data in self.files.living():
            with contextlib.suppress(TypeError, ValueError, KeyError, AttributeError):
                members.append(_member(number, data))
        return Book(tuple(members), health)


class Place:
    """One request's place in line, and later what it holds. One thread's at a time."""

    def __init__(self, ledger: DeviceLedger, file: MemberFile, member: Member) -> None:
        self.ledger = ledger
        self.member = member
        self._file = file
        self.holders: tuple[str, ...] = ()
        """Whose work held what this request waits for, when it last looked."""

    def look(self, options: Sequence[Option], *, waited_s: float) -> Decision:
        """What the request is answered now. A session that it is given is its own when this returns.

        Raises:
            PlatformError: code ``ledger``, as for all of `DeviceLedger`.
        """
        ledger = self.ledger
        with ledger.files.locked() as host:
            book, now = ledger.read(host), ledger.clock()
            before = [
                one.purses
                for one in book.members
                if one.held is None and one.place < self.member.place and now - one.looked_at < _FROZEN_S
            ]
            held = book.others(self.member.number)
            answer = decide(options, book.health, held, before, waited_s=waited_s, now=now)
            purses = answer.purses if isinstance(answer, Wait) else {}
            self.holders = tuple(
                one.what
                for one in book.members
                if one.what and one.held is not None and one.held.purse in purses
            )
            self.member = replace(self.member, held=_given(answer), purses=purses, looked_at=now)
            self._file.write(_member_json(self.member))
        return answer

    def ranks(self, rank: int) -> None:
        """Its class is another one now; others see it once it has looked."""
        if rank != self.member.rank:
            self.member = replace(self.member, rank=rank)

    def draws(self, pixels_per_s: float, ends: float | None) -> None:
        """What it really takes of its device, and when it will be done; left out where that would wait."""
        held = self.member.held
        if held is None:
            return
        self.member = replace(self.member, held=replace(held, pixels_per_s=pixels_per_s, ends=ends))
        with contextlib.suppress(PlatformError), self.ledger.files.locked(patience_s=0.0):
            self._file.write(_member_json(self.member))

    def leave(self) -> None:
        """Give up what it holds, or its place; more than once is no harm."""
        self.member = replace(self.member, held=None)
        if self._file.close():
            self.ledger.files.wake()


def open_ledger(environ: Mapping[str, str]) -> DeviceLedger | None:
    """The ledger of this host; None where there is no folder for one.

    Args:
        environ: names another folder (`RUSHES_DEVICES`).
    """
    folder = ledger_folder(environ)
    return None if folder is None else DeviceLedger(LedgerFiles(folder))


def _given(answer: Decision) -> Held | None:
    if isinstance(answer, Take):
        device = answer.option.device
        option = answer.option
        return Held(device.name, device.purse, option.draws, answer.ends, sessions=option.sessions)
    if isinstance(answer, Probe):
        return Held(answer.option.device.name, answer.option.device.purse, probe=True)
    return None


def _save(host: int, book: Book) -> None:
    save(host, {"devices": {name: asdict(one) for name, one in book.health.items() if one != Health()}})


def _member_json(member: Member) -> dict[str, Any]:
    return asdict(replace(member, purses=dict(member.purses)))


def _member(number: int, data: Mapping[str, Any]) -> Member:
    held = data["held"]
    return Member(
        number,
        None if held is None else _held(held),
        {str(name): int(count) for name, count in data["purses"].items()},
        float(data["looked_at"]),
        int(data["pid"]),
        str(data["what"]),
        int(data.get("rank", 0)),
    )


def _held(data: Mapping[str, Any]) -> Held:
    ends = data["ends"]
    return Held(
        str(data["device"]),
        str(data["purse"]),
        float(data["pixels_per_s"]),
        None if ends is None else float(ends),
        bool(data["probe"]),
        max(1, int(data["sessions"])),
    )


def _health(row: Mapping[str, Any]) -> Health:
    limit, since = row["limit"], row["sick_since"]
    return Health(
        limit=None if limit is None else int(limit),
        limited_at=float(row["limited_at"]),
        faults=tuple(float(at) for at in row["faults"]),
        sick_since=None if since is None else float(since),
        probe_at=float(row["probe_at"]),
        probes=int(row["probes"]),
        reason=str(row["reason"]),
        rate=min(max(float(row["rate"]), 0.05), 1.0),
        foreign=int(row["foreign"]),
        read_at=float(row["read_at"]),
        unknown=int(row.get("unknown", 0)),
        unknown_last=str(row.get("unknown_last", "")),
    )
