"""The tries of one output, in order: which encoder, on which device, decoded by what.

Pure. What a probe found and what was measured go in, as values; a list of tries comes out, the cheapest for
this size first, and for each encoder that is left out one sentence. One family makes an output. This module
must not start anything, nor know what to do when a try fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from rushes.media.devices.capability import CPU, Capability, Curve, SeenDevice
from rushes.media.encoders import FAMILIES, VideoEncoder, rows_of
from rushes.media.encoders import cards as catalogue
from rushes.media.planning.choice import EncoderChoice
from rushes.media.planning.device_graph import Spot
from rushes.media.planning.variants import same_samples
from rushes.media.planning.wanted import Wanted
from rushes.media.quality.curves import QualityCurve

__all__ = ["KnownHost", "LeftOut", "Tries", "Try", "plan_tries"]

Basis = Literal["measured", "published", "unknown"]


@dataclass(frozen=True, slots=True)
class KnownHost:
    """What is known of this host.

    Args:
        capability: what a probe found; None when there was none: then software alone is tried, and the
            families that a build is named for.
        curves: what a calibration measured.
        named: families that `RUSHES_FFMPEG` names a build for.
        quality: VMAF that an encoder is expected to reach for this wish, by ffmpeg's name of it.
        worth: what a calibration found the quality values of its devices to be worth.
    """

    capability: Capability | None = None
    curves: tuple[Curve, ...] = ()
    named: frozenset[str] = frozenset()
    quality: Mapping[str, float] = field(default_factory=dict)
    worth: tuple[QualityCurve, ...] = ()


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt at an output.

    Args:
        device: as findings and receipts call it: ``cpu``, ``nvenc:0``.
        encoder: ffmpeg's name.
        spot: how it is named to ffmpeg, and what decodes.
        seconds: what it is expected to take; None when unknown.
        basis: what that rests on.
        usd_per_h: of a machine with such a device; None when unknown.
        steps_in: another family than the chosen one.
    """

    device: str
    encoder: str
    spot: Spot
    seconds: float | None = None
    basis: Basis = "unknown"
    usd_per_h: float | None = None
    steps_in: bool = False

    @property
    def family(self) -> str:
        return self.spot.family


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An encoder that is not tried, and why in one sentence."""

    family: str
    device: str
    encoder: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tries:
    """What is tried, in order, and what is left out."""

    tries: tuple[Try, ...]
    left_out: tuple[LeftOut, ...]


_NO_PROBE: Final = "this host was not probed, and RUSHES_FFMPEG names no build for this family"


def plan_tries(choice: EncoderChoice, wanted: Wanted, host: KnownHost) -> Tries:
    """The tries for what is wanted on this host.

    Args:
        choice: the families that may make it, and whether another may step in.
        wanted: the output, as far as it decides this.
        host: what works here, and how fast.
    """
    out: list[LeftOut] = []
    found: list[Try] = []
    for family in choice.order:
        for row in rows_of(wanted.codec, family):
            found += _of_row(row, wanted, host, out)
    kept = _allowed(choice, _ordered(choice, found), host, out)
    return Tries(tuple(decoded for one in kept for decoded in _decoded(one, wanted)), tuple(out))


def _of_row(row: VideoEncoder, wanted: Wanted, host: KnownHost, out: list[LeftOut]) -> list[Try]:
    unable = _unable(row, wanted)
    if unable is not None:
        out.append(LeftOut(row.family, "", row.name, unable))
        return []
    found = []
    for device, why in _devices(row, wanted, host):
        name = CPU if row.family == "software" else device.name
        if why is not None:
            out.append(LeftOut(row.family, name, row.name, why))
            continue
        seconds, basis, price = _cost(row, device, name, wanted, host)
        spot = Spot(
            row.family, device.index, device.path, codec=wanted.source_codec, depth=wanted.source_depth
        )
        found.append(Try(name, row.name, spot, seconds, basis, price))
    return found


def _unable(row: VideoEncoder, wanted: Wanted) -> str | None:
    """Why this row cannot make what is wanted, whatever the device; None when it can."""
    if row.family == "software":
        # The plan says it, as an error of the caller's: nothing could step in for software.
        return None
    fits = any(same_samples(wanted.pix_fmt, p) for v in row.variants.values() for p in v.pix_fmts)
    small = wanted.width < row.min_width or wanted.height < row.min_height
    large = wanted.width > row.max_width or wanted.height > row.max_height
    reasons = (
        (wanted.container not in row.containers, f"does not go into {wanted.container}"),
        (not fits, f"makes no {wanted.pix_fmt}"),
        (small, f"takes no picture below {row.min_width}x{row.min_height}"),
        (large, f"takes no picture above {row.max_width}x{row.max_height}"),
        (wanted.keeps_fields and row.interlaced is None, "cannot keep the fields of an interlaced picture"),
        (wanted.hdr and row.hdr is None, "is not known to write HDR metadata"),
    )
    return next((f"{row.name} {why}" for holds, why in reasons if holds), None)


def _devices(row: VideoEncoder, wanted: Wanted, host: KnownHost) -> Iterable[tuple[SeenDevice, str | None]]:
    """The devices of a row, each with why it cannot; one stands for the family where none is there."""
    nobody = SeenDevice(row.family, 0)
    if row.family == "software":
        return [(nobody, None)]
    if host.capability is None:
        return [(nobody, None if row.family in host.named else _NO_PROBE)]
    known = {device.name: device for device in host.capability.devices}
    findings = [
        one
        for one in host.capability.findings
        if (one.family, one.encoder, one.depth) == (row.family, row.name, wanted.depth)
    ]
    if not findings:
        return [(nobody, "this host has no such device")]
    return [
        (known.get(one.device, nobody), None if one.works else one.why.rstrip(".") or "it does not work here")
        for one in findings
    ]


def _cost(
    row: VideoEncoder, device: SeenDevice, name: str, wanted: Wanted, host: KnownHost
) -> tuple[float | None, Basis, float | None]:
    """Expected seconds, what they rest on, and the price of an hour."""
    card = catalogue.CPU if row.family == "software" else catalogue.card_of(row.family, device.model)
    price = card.usd_per_h.value if card is not None and card.usd_per_h is not None else None
    pixels = wanted.width * wanted.height * wanted.frames
    for curve in host.curves:
        if (curve.device, curve.encoder, curve.depth) == (name, row.name, wanted.depth):
            return curve.seconds(pixels, wanted.frames), "measured", price
    capacity = card.capacity(row.codec) if card is not None else None
    if capacity is None:
        return None, "unknown", price
    return capacity.seconds(pixels, wanted.frames), "published", price


def _ordered(choice: EncoderChoice, found: list[Try]) -> list[Try]:
    """The cheapest first: within the caller's order of families, or over all of them.

    In money where the price of every device is known, else in time. A device whose speed nobody knows stands
    before software: it was put there to be used.
    """
    known = [one for one in found if one.seconds is not None]
    in_money = all(one.usd_per_h is not None for one in known)
    some_unknown = len(known) < len(found)

    def cost(one: Try) -> tuple[int, float]:
        if one.seconds is None:
            return 1, 0.0
        price = one.usd_per_h if in_money and one.usd_per_h is not None else 1.0
        return (2 if some_unknown and one.family == "software" else 0), one.seconds * price

    if choice.families:
        return sorted(found, key=lambda one: (choice.order.index(one.family), cost(one)))
    return sorted(found, key=cost)


def _allowed(choice: EncoderChoice, ordered: list[Try], host: KnownHost, out: list[LeftOut]) -> list[Try]:
    """Those that the fallback policy lets stand; what steps in is marked."""
    chosen = [one.family for one in ordered if not choice.families or one.family in choice.families]
    first = chosen[0] if chosen else None
    kept = []
    for one in ordered:
        if one.family == first:
            kept.append(one)
            continue
        reason = _refused(choice, one, host)
        if reason is None:
            kept.append(replace(one, steps_in=True))
        else:
            out.append(LeftOut(one.family, one.device, one.encoder, reason))
    return kept


def _refused(choice: EncoderChoice, one: Try, host: KnownHost) -> str | None:
    if choice.fallback == "allow":
        return None
    if choice.fallback == "forbid":
        return "falling back to another family is forbidden"
    expected = host.quality.get(one.encoder)
    if expected is None:
        return f"its quality here is not known, and VMAF {choice.fallback:g} is asked of a fallback"
    if expected < choice.fallback:
        return f"it would reach VMAF {expected:g}, and {choice.fallback:g} is asked of a fallback"
    return None


def _decoded(one: Try, wanted: Wanted) -> list[Try]:
    """The same try with the device's decoder first, where it reads this source, then with software's."""
    how = FAMILIES[one.family].decode
    if (
        how is None
        or not wanted.plain_source
        or wanted.source_codec not in how.codecs
        or wanted.source_depth not in how.depths.get(wanted.source_codec, (8,))
    ):
        return [one]
    return [replace(one, spot=replace(one.spot, decoder="device")), one]
