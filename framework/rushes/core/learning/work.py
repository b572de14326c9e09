"""One invocation as far as its clip's header and its options tell: what its seconds follow from.

This module must not know how seconds are learnt, nor where headers are read.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from rushes.core.learning.curves import Parts

__all__ = ["HERE", "LEARNT_FROM_S", "Encode", "Key", "WorkTraits", "work_from_json", "work_to_json"]

HERE: Final = "here"
"""Where everything runs that the embedded pool runs: on this machine."""
LEARNT_FROM_S: Final = 0.05
"""What takes less is learnt from by the batch: how it differs from clip to clip is nobody's question."""

Key = tuple[str, ...]


class Encode(NamedTuple):
    """One picture track that is made: its codec, size and frames, and the encoder's preset."""

    codec: str
    width: int
    height: int
    frames: int
    speed: str = ""


class WorkTraits(NamedTuple):
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
        place: the folder that it is in; clips of one folder are often alike.
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
    place: str = ""
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
            (f"place/{self.place}", (made or self.width * self.height * self.frames) / 1e6),
            ("sounds", float(self.sounds)),
            ("sound", self.sounds * self.media_s),
        )


def work_to_json(work: WorkTraits) -> list[Any]:
    """JSON-able data; `work_from_json` is its inverse."""
    return [*work[:-1], [list(one) for one in work.makes]]


def work_from_json(data: list[Any]) -> WorkTraits:
    """What `work_to_json` wrote.

    Raises:
        ValueError: it is no such data.
    """
    try:
        function, on, options, codec, width, height, frames, media_s, sounds, size_bytes, place, makes = data
        return WorkTraits(
            str(function), str(on), str(options), str(codec), int(width), int(height), int(frames),
            float(media_s), int(sounds), int(size_bytes), str(place),
            tuple(Encode(str(c), int(w), int(h), int(f), str(s)) for c, w, h, f, s in makes),
        )  # fmt: skip
    except TypeError as error:
        raise ValueError(f"this is no work: {error}") from error
