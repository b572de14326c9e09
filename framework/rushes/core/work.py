"""One invocation as far as its clip's header and its options tell: what its seconds follow from.

This module must not know how seconds are learnt, nor where headers are read.
"""

from __future__ import annotations

from typing import NamedTuple

from rushes.core.curves import Parts

__all__ = ["Encode", "Key", "Work"]

Key = tuple[str, ...]


class Encode(NamedTuple):
    """One picture track that is made: its codec, size and frames, and the encoder's preset."""

    codec: str
    width: int
    height: int
    frames: int
    speed: str = ""


class Work(NamedTuple):
    """One invocation, as far as its clip's header and its options tell.

    Args:
        function: what runs.
        on: the tier: where it runs, in a word that stays the same.
        options: a digest of its options.
        codec: of the clip's picture, or "".
        width, height, frames: of the clip's picture; 0 where there is none.
        media_s: how long the clip is.
        sounds: how many sound tracks it has.
        size_bytes: of its file.
        makes: what is encoded.
    """

    function: str
    on: str
    options: str = ""
    codec: str = ""
    width: int = 0
    height: int = 0
    frames: int = 0
    media_s: float = 0.0
    sounds: int = 0
    size_bytes: int = 0
    makes: tuple[Encode, ...] = ()

    @property
    def keys(self) -> tuple[Key, ...]:
        """Where it is learnt, the coarsest level first."""
        made = "+".join(sorted({f"{one.codec}/{one.speed}" for one in self.makes}))
        coarse = (self.function, self.on)
        return coarse, (*coarse, made), (*coarse, made, self.options)

    def parts(self, catalogue_s: float) -> Parts:
        """What its seconds follow from; `catalogue_s` is what the catalogue says of all its encodes.

        How busy the picture is no header tells, but for codecs of constant quality its bytes do. What an
        encode takes stands here twice: the catalogue weighs codecs against each other, and is far off for
        small pictures.
        """
        megapixels = self.width * self.height * self.frames / 1e6
        made = sum(one.width * one.height * one.frames for one in self.makes)
        return (
            ("start", 1.0),
            ("frames", self.frames / 100),
            ("decode", megapixels),
            (f"decode/{self.codec}", megapixels),
            (f"bytes/{self.codec}", self.size_bytes / 1e6),
            ("encode", catalogue_s),
            ("encoded", made / 1e6),
            ("sounds", float(self.sounds)),
            ("sound", self.sounds * self.media_s),
        )
