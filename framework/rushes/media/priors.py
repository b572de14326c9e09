"""What an encode will take before anything like it was run here: from the encoder catalogue.

A curve that was measured on this host is believed most; then what is published of a device, where a whole
device's streams promise more than one encode gets; an estimate least. This module must not know tiers,
prices or what was learnt since.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rushes.core.estimates import Prior
from rushes.media.capability import Curve
from rushes.media.encoders import cards

__all__ = ["prior_of"]

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
