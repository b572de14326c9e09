"""Asking the vendors' monitors how devices are: run where they are installed, and read.

A tool that is absent, fails, hangs or talks nonsense adds nothing and is no error. Xid reports of NVIDIA's
driver are in the kernel's log, which not every user may read. This module must not know what follows.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from rushes.core.devices import Reading
from rushes.errors import RushesError
from rushes.media.devices.monitor_texts import (
    Seen,
    parse_lost,
    parse_mautil,
    parse_ni,
    parse_nvidia,
    parse_xids,
    reading_of,
)
from rushes.media.running.process import Limits, Supervision, run_tool

__all__ = ["read_monitors", "see"]

Ask = Callable[[str, Sequence[str]], str]

_ASK_S: Final = 10.0
_NVIDIA_CARDS: Final = Path("/proc/driver/nvidia/gpus")
_KERNEL: Final = Path("/dev/kmsg")
_MOST_BYTES: Final = 4 << 20
_MOST_RECORDS: Final = 100_000
# Looked at every half minute where there is work, and a device that is set aside is not asked for as long as
# a minute: what is older than that has been seen, or has failed an encode meanwhile.
_NEWS_US: Final = 60_000_000


def read_monitors(names: Iterable[str], ask: Ask | None = None) -> dict[str, Reading]:
    """What monitors say of these devices (``nvenc:0``), as far as they say anything."""
    return {name: reading_of(seen) for name, seen in see(names, ask).items()}


def see(names: Iterable[str], ask: Ask | None = None) -> dict[str, Seen]:
    """The same, with all that they say.

    Args:
        names: of devices.
        ask: gives what a tool prints, "" where it is absent; for tests.
    """
    ask = ask or _ask
    wanted = set(names)
    families = {name.partition(":")[0] for name in wanted}
    found: dict[str, Seen] = {}
    for family, look in _LOOKS.items():
        if family in families:
            found |= {f"{family}:{number}": seen for number, seen in enumerate(look(ask))}
    return {name: seen for name, seen in found.items() if name in wanted}


def _nvidia(ask: Ask) -> list[Seen]:
    text = ask("nvidia-smi", ("-q", "-x"))
    if not text:
        return []
    cards = parse_nvidia(text)
    lost = parse_lost(text)
    if lost:
        # It stops at the first card that it cannot reach, and the others count on: the order is PCI's.
        known = {one.where: one for one in cards}
        cards = [known.get(where, Seen(where)) for where in (_addresses() or [*known, *lost])]
    faults = {**parse_xids(_kernel_log(), time.monotonic_ns() // 1000 - _NEWS_US), **lost}
    return [replace(one, fault=one.fault or faults.get(one.where, "")) for one in cards]


def _netint(ask: Ask) -> list[Seen]:
    return parse_ni(ask("ni_rsrc_mon", ("-n", "1", "-o", "json")))


def _ama(ask: Ask) -> list[Seen]:
    return parse_mautil(ask("mautil", ("examine", "-d", "all", "-r", "electrical", "thermal", "utilization")))


_LOOKS: Final[Mapping[str, Callable[[Ask], list[Seen]]]] = {"nvenc": _nvidia, "netint": _netint, "ama": _ama}


def _addresses() -> list[str]:
    """The PCI addresses of NVIDIA's cards, ``0000:3b:00``, in order."""
    with suppress(OSError):
        return sorted(one.name.partition(".")[0].lower() for one in _NVIDIA_CARDS.iterdir())
    return []


def _kernel_log() -> str:
    """The kernel's log; "" where it may not be read."""
    records: list[bytes] = []
    with suppress(OSError):
        handle = os.open(_KERNEL, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            while len(records) < _MOST_RECORDS and records[-1:] != [b""]:
                with suppress(BrokenPipeError):  # overwritten while it was read: the next one is whole
                    records.append(os.read(handle, 8192))
        except BlockingIOError:
            pass  # that is its end
        finally:
            os.close(handle)
    return b"".join(one for one in records if b"NVRM" in one).decode("utf-8", "replace")


def _ask(tool: str, args: Sequence[str]) -> str:
    path = shutil.which(tool)
    if path is None:
        return ""
    heard = _Whole()
    limits = Limits(stall_s=None, time_s=_ASK_S)
    with suppress(RushesError):  # there, but cannot be started: as good as absent
        run_tool([path, *args], supervision=Supervision(limits=limits), progress_parser=heard)
    # What it says while it fails is worth reading too: that a card is lost.
    return heard.text.decode("utf-8", "replace")


class _Whole:
    """Keeps all of what a tool prints: eight cards fill more than is kept of it for people."""

    reads_stderr = False

    def __init__(self) -> None:
        self.text = bytearray()

    def feed(self, data: bytes) -> None:
        """Takes what it printed; it is never any progress."""
        if len(self.text) < _MOST_BYTES:
            self.text += data
