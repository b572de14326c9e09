"""What is known beforehand of the device of a try: its sessions and its pixel rate, for `rushes.core.turns`.

Pure. Both are of the catalogue and of what was measured here; what reports teach is elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from rushes.core.devices import CPU, Device
from rushes.core.turns import Option, fallbacks_at_once
from rushes.media.devices.tries import KnownHost, Try
from rushes.media.encoders import VIDEO_ENCODERS
from rushes.media.encoders.cards import Card, card_of
from rushes.media.planning.wanted import Wanted

__all__ = ["card_device", "options_of"]


def options_of(
    rest: Sequence[Try], wanted: Wanted | None, host: KnownHost, *, cores: int, sessions: int = 1
) -> list[tuple[Option, Try]]:
    """One option for each device that a try is left of, with the first of its tries; the preferred first.

    Args:
        rest: the tries that are left, in order.
        wanted: the output; None where its size is not known.
        host: what is known of this host.
        cores: of this host.
        sessions: that it takes of a device.
    """
    families: list[str] = []
    found: dict[str, tuple[Option, Try]] = {}
    for one in rest:
        if one.family not in families:
            families.append(one.family)
        if one.device not in found:
            device = _device(one, wanted, host, cores)
            pixels = wanted.width * wanted.height * wanted.frames if wanted is not None else 0
            needs = sessions if one.family != "software" else 1
            found[one.device] = Option(device, one.seconds, pixels, families.index(one.family), needs), one
    return list(found.values())


def card_device(name: str, card: Card | None, pixels_per_s: float = 0.0) -> Device:
    """The device of a card, as the ledger counts it."""
    if card is None:
        return Device(name, 0, pixels_per_s)
    sessions = int(card.sessions.value) if card.sessions is not None else 0
    return Device(name, sessions, pixels_per_s, card.key if card.shared_sessions else "")


def _device(one: Try, wanted: Wanted | None, host: KnownHost, cores: int) -> Device:
    if one.family == "software":
        return Device(CPU, fallbacks_at_once(cores))
    seen = host.capability.devices if host.capability is not None else ()
    model = next((device.model for device in seen if device.name == one.device), "")
    card = card_of(one.family, model)
    return card_device(one.device, card, _rate(one, wanted, host, card) if wanted is not None else 0.0)


def _rate(one: Try, wanted: Wanted, host: KnownHost, card: Card | None) -> float:
    """Pixels a second of the whole device, at this size; 0 where nobody knows.

    One stream was measured, all streams are published; of two figures the larger is nearer to what the
    device can do.
    """
    pixels = wanted.width * wanted.height
    rates = [
        curve.pixels_per_s(wanted.width, wanted.height)
        for curve in host.curves
        if (curve.device, curve.encoder) == (one.device, one.encoder)
    ]
    codec = next((row.codec for row in VIDEO_ENCODERS if row.name == one.encoder), None)
    rates += [
        pixels / seconds
        for capacity in (card.capacities if card is not None else ())
        if capacity.codec == codec and (seconds := capacity.seconds(pixels, 1)) > 0
    ]
    return max(rates, default=0.0)
