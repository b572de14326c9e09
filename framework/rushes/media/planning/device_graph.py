"""Where an encode runs: which device of which family, what decodes, and what of its filters moves there.

Pure. Pictures stay on the device only where nothing but their size and their times changes on the way;
anything else (colour, burnt-in text, deinterlacing) is done on the processor, so that a result is the same
whatever ran. This module must not know sources, or what may run here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rushes.media.encoders import FAMILIES, Decode, Family
from rushes.media.planning.colour import depth_of
from rushes.media.planning.filters import Step, step

__all__ = ["HERE", "Decoder", "Spot", "moved", "on_spot"]

Decoder = Literal["software", "device"]

# Steps that pass any picture through and change what is said of it; the others need its samples.
_PASSING: Final = frozenset({"trim", "setpts", "setsar", "setparams", "fps", "format"})
_SCALES_BY: Final = frozenset({"w", "h", "flags"})


@dataclass(frozen=True, slots=True)
class Spot:
    """One place to encode at.

    Args:
        family: the encoder family.
        index: the number of the device within its family.
        node: its device node, or "" for the family's usual one.
        decoder: what decodes the source.
        codec: of the source, which names the device's decoder.
        depth: bits a sample of the source.
    """

    family: str = "software"
    index: int = 0
    node: str = ""
    decoder: Decoder = "software"
    codec: str = ""
    depth: int = 8

    @property
    def open(self) -> tuple[str, ...]:
        """Arguments before the input that open the device."""
        return self._named(self._family.open)

    @property
    def encode(self) -> tuple[str, ...]:
        """Arguments of the encoder that name the device."""
        return self._named(self._family.encode)

    @property
    def upload(self) -> tuple[str, ...]:
        """Filters that put frames onto the device."""
        return self._family.upload

    @property
    def aligned(self) -> tuple[str, ...]:
        """Arguments of the encoder that keep its groups of pictures closed and of one length."""
        return self._family.aligned

    def decode(self, steps: Sequence[Step], *, stays: bool = False) -> tuple[str, ...]:
        """Arguments of the input that decode it on the device; none where software does.

        Args:
            steps: of the picture, which may keep it on the device.
            stays: it stays there, whatever they are, and several encoders take from it.
        """
        how = self._decode
        if how is None:
            return ()
        if stays:
            return self._named((*how.args, *how.keep, *how.spare))
        return self._named((*how.args, *(how.keep if self.keeps(steps) else how.fetch_args)))

    def keeps(self, steps: Sequence[Step]) -> bool:
        """Whether the pictures stay on the device from the decoder to the encoder."""
        how = self._decode
        if how is None or how.scale is None:
            return False
        # Already moved: a step of the device's own.
        if any(one.name == how.scale for one in steps):
            return True
        return self.may_keep(steps) and any(one.name == "scale" for one in steps)

    def may_keep(self, steps: Sequence[Step]) -> bool:
        """Whether these steps, of the processor's, change nothing but the size, if that."""
        how = self._decode
        if how is None or how.scale is None:
            return False
        scales = [one for one in steps if one.name == "scale"]
        others = {one.name for one in steps} - _PASSING - {"scale"}
        formats = [str(dict(one.options)["pix_fmts"]) for one in steps if one.name == "format"]
        return (
            not others
            and len(scales) <= 1
            and all({key for key, _ in one.options} <= _SCALES_BY for one in scales)
            # Fewer bits are dithered by the processor and cut off by a device.
            and all(depth_of(name) == self.depth for name in formats)
        )

    def holds_frames(self, steps: Sequence[Step]) -> bool:
        """Whether the encoder is given frames that are on the device already."""
        return bool(self.upload) or self.keeps(steps)

    @property
    def fetch(self) -> tuple[Step, ...]:
        """Filters that bring decoded frames down, where the decoder leaves them on the device."""
        return self._steps(self._decode.fetch if self._decode is not None else ())

    @property
    def download(self) -> tuple[Step, ...]:
        """Filters that bring frames down which were kept on the device; none where that cannot be said."""
        return self._steps(self._decode.download if self._decode is not None else ())

    def scaled(self, width: object, height: object) -> Step:
        """The filter that scales on the device, to so many pixels."""
        how = self._decode
        if how is None or how.scale is None:
            msg = f"{self.family} scales nothing"
            raise ValueError(msg)
        return step(how.scale, **{key: v.format(w=width, h=height) for key, v in how.scale_by.items()})

    @property
    def _family(self) -> Family:
        return FAMILIES[self.family]

    @property
    def _decode(self) -> Decode | None:
        return self._family.decode if self.decoder == "device" else None

    def _steps(self, words: Sequence[str]) -> tuple[Step, ...]:
        named = (word.partition("=") for word in self._named(words))
        return tuple(step(name, **({"pix_fmts": value} if value else {})) for name, _, value in named)

    def _named(self, words: Sequence[str]) -> tuple[str, ...]:
        node = self.node or self._family.node.format(index=self.index, render=128 + self.index)
        decoder = self._family.decode.codecs.get(self.codec, "") if self._family.decode else ""
        layouts = {"planar": "yuv420p10le", "semiplanar": "p010le"}
        if self.depth == 8:
            layouts = {"planar": "yuv420p", "semiplanar": "nv12"}
        return tuple(word.format(index=self.index, node=node, decoder=decoder, **layouts) for word in words)


HERE: Final = Spot()
"""In software, on this machine's processor."""


def on_spot(steps: tuple[Step, ...], spot: Spot) -> tuple[Step, ...]:
    """The steps of a picture as they are run at a spot: scaled there, or put there at their end."""
    if spot.keeps(steps):
        return moved(steps, spot)
    return (*spot.fetch, *steps, *(step(name) for name in spot.upload))


def moved(steps: Sequence[Step], spot: Spot) -> tuple[Step, ...]:
    """The same steps on the device: scaled by its filter, in the layout that its decoder gives."""
    there: list[Step] = []
    for one in steps:
        if one.name == "scale":
            size = dict(one.options)
            there.append(spot.scaled(size["w"], size["h"]))
        elif one.name != "format":
            there.append(one)
    return tuple(there)
