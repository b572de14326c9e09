"""How each device of this host stands, in a line for people: the ledger's view, and what its monitor says.

This module must not know who asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rushes.core.devices import CPU, Device, sessions_of, state_of, used
from rushes.errors import PlatformError
from rushes.media.devices.capability import SeenDevice
from rushes.media.devices.device_figures import card_device
from rushes.media.devices.ledger import Book, DeviceLedger
from rushes.media.devices.monitor_texts import Seen
from rushes.media.devices.monitors import see
from rushes.media.encoders.cards import card_of

__all__ = ["Standing", "standings"]

Standing = Mapping[str, Any]
"""JSON-able. ``line``: all of it for people. ``state``, ``held``, ``sessions`` (None: no limit), ``waiting``,
``reason`` and ``again_at`` of a sick one; how often it failed in a way that nobody knows (``unknown``) and
what was said the last time (``unknown_last``); and of its monitor ``encoder_pct``, ``decoder_pct``,
``temperature_c``, ``power_w``, ``all_sessions``, ``slowed``."""


def standings(ledger: DeviceLedger | None, devices: Sequence[SeenDevice]) -> dict[str, Standing]:
    """Each device's standing by name; nothing where there is no ledger that can be read."""
    if ledger is None or not devices:
        return {}
    try:
        book = ledger.book()
    except PlatformError:
        return {}
    told = see(device.name for device in devices)
    now = ledger.clock()
    known = {one.name: card_device(one.name, card_of(one.family, one.model)) for one in devices}
    return {name: _standing(device, book, told.get(name, Seen()), now) for name, device in known.items()}


def _standing(device: Device, book: Book, seen: Seen, now: float) -> Standing:
    health = book.of(device.name)
    standing = {
        "state": str(state_of(device, health, book.held, now)),
        "held": used(device, book.held),
        "sessions": sessions_of(device, health, now),
        "waiting": sum(device.purse in one.purses and device.name != CPU for one in book.members),
        "reason": health.reason if health.sick else "",
        "again_at": health.probe_at if health.sick else None,
        "unknown": health.unknown,
        "unknown_last": health.unknown_last,
        "encoder_pct": seen.encoder_pct,
        "decoder_pct": seen.decoder_pct,
        "temperature_c": seen.temperature_c,
        "power_w": seen.power_w,
        "all_sessions": seen.sessions,
        "slowed": list(seen.slowed),
    }
    return {**standing, "line": _line(standing, now)}


def _line(standing: Standing, now: float) -> str:
    limit = standing["sessions"]
    parts = [f"{standing['state']}, {standing['held']}{f' of {limit}' if limit is not None else ''} in use"]
    if standing["waiting"]:
        parts.append(f"{standing['waiting']} waiting")
    if standing["encoder_pct"] is not None:
        parts.append(f"encoder at {standing['encoder_pct']} %")
    if standing["temperature_c"] is not None:
        parts.append(f"{standing['temperature_c']} °C")
    parts += [f"slowed by {reason}" for reason in standing["slowed"]]
    if standing["reason"]:
        again_s = max(0.0, standing["again_at"] - now)
        parts.append(f"{standing['reason'].rstrip('.')}; tried again in {again_s:.0f} s or later")
    if standing["unknown"]:
        times = "once" if standing["unknown"] == 1 else f"{standing['unknown']} times"
        parts.append(f"failed {times} in a way that nobody knows: {standing['unknown_last'].rstrip('.')}")
    return ", ".join(parts)
