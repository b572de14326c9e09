"""What an encode will take before anything like it was run here: from the encoder catalogue.

A curve that was measured on this host is believed most; then what is published of a device, where a whole
device's streams promise more than one encode gets; an estimate least. This module must not know tiers,
prices or what was learnt since.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from rushes.core.learning.durations import Prior
from rushes.core.learning.work import Encode
from rushes.media.devices.capability import Curve
from rushes.media.encoders import cards

__all__ = ["prior_of", "prior_of_all"]

# Chosen, not measured: content alone makes encodes of one size differ by a third; what is published was seen
# on another host, at another preset; of an estimate only the order of magnitude is to be relied on.
_SPREADS: Final = {"measured": 1.35, "published": 1.8, "second-hand": 2.2, "estimate": 3.0}
# The software figures are of a machine with eight cores.
_PUBLISHED_CORES: Final = 8.0


def prior_of(
    codec: str,
    *,
    width: int,
    height: int,
    frames: int,
    family: str = "software",
    model: str = "",
    depth: int = 8,
    cores: float = 8.0,
    curves: Iterable[Curve] = (),
) -> Prior | None:
    """What `frames` frames of this size will take, or None where the catalogue says nothing.

    Args:
        codec: that is made.
        width: of the result's picture.
        height: of the result's picture.
        frames: how many.
        family: of the encoder.
        model: what its device calls itself.
        depth: bits a sample.
        cores: that a software encode may use; what was measured here had all of this host's.
        curves: what was measured on this host.
    """
    pixels = width * height * frames
    if pixels <= 0:
        return None
    for curve in curves:
        if (curve.family, curve.codec, curve.depth) == (family, codec, depth):
            return Prior(curve.seconds(pixels, frames), _SPREADS["measured"], "measured")
    card = cards.CPU if family == "software" else cards.card_of(family, model)
    capacity = card.capacity(codec) if card is not None else None
    if capacity is None:
        return None
    seconds = capacity.seconds(pixels, frames)
    if family == "software":
        seconds *= _PUBLISHED_CORES / max(cores, 0.1)
    return Prior(seconds, _SPREADS[capacity.mark], capacity.mark)


def prior_of_all(encodes: Iterable[Encode], *, cores: float, curves: Sequence[Curve] = ()) -> Prior | None:
    """What several encodes of one attempt will take together; None where nothing is known of any of them.

    One of which the catalogue says nothing is taken for as dear as the others are by the pixel.
    """
    known, pixels, unknown = 0.0, 0, 0
    worst: Prior | None = None
    for one in encodes:
        area = one.width * one.height * one.frames
        found = prior_of(
            one.codec, width=one.width, height=one.height, frames=one.frames, cores=cores, curves=curves
        )
        if found is None:
            unknown += area
            continue
        known, pixels = known + found.seconds, pixels + area
        if worst is None or found.spread > worst.spread:
            worst = found
    if worst is None or not pixels:
        return None
    return replace(worst, seconds=known * (1.0 + unknown / pixels))
