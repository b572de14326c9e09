"""What a receipt says of how something was made, whatever made it: an encode, a ladder, stills.

Values only. This module must not know what else a receipt holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rushes.media.devices.capability import CPU

if TYPE_CHECKING:
    from rushes.media.encoding.encode import Encoded
    from rushes.media.ladders.renditions import MadeLadder
    from rushes.media.ladders.snapshots import Snapshots

__all__ = ["Provenance"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a result was made.

    Args:
        encoder: ffmpeg's name; of several outputs all that made one, with commas.
        build: the ffmpeg that was used.
        tried: rows of the receipt.
        verification: what was checked; of several outputs, by their names.
        quality: what was promised and what was measured; of several outputs, by their names; None where it
            was not asked.
        parts: of an encode in chunks.
        media_s: duration of what was made.
    """

    encoder: str
    build: Mapping[str, str]
    tried: tuple[Mapping[str, Any], ...]
    verification: Mapping[str, Any]
    quality: Mapping[str, Any] | None = None
    parts: tuple[Mapping[str, Any], ...] = ()
    media_s: float = 0.0

    @classmethod
    def of_encode(cls, made: Encoded) -> Provenance:
        """Of one encode."""
        return cls(
            encoder=made.encoder,
            build=made.build,
            tried=tuple(one.to_dict() for one in made.tried),
            verification=made.verification,
            quality=made.quality.to_dict() if made.quality is not None else None,
            parts=made.parts,
            media_s=made.duration_s or 0.0,
        )

    @classmethod
    def of_ladder(cls, made: MadeLadder) -> Provenance:
        """Of a ladder: each rung and sound by its name."""
        plan = made.plan
        found = dict(zip([one.name for one in plan.renditions], made.pictures, strict=True))
        found |= zip([one.name for one in plan.sounds], made.sounds, strict=True)
        return cls(
            encoder=", ".join(dict.fromkeys(one.encoder for one in plan.renditions)),
            build=made.build,
            tried=tuple(one.to_dict() for one in made.tried),
            verification={name: one.to_dict() for name, one in found.items()},
            quality={name: one.to_dict() for name, one in made.quality.items()} or None,
            media_s=max((one.duration_s or 0.0 for one in made.pictures), default=0.0),
        )

    @classmethod
    def of_stills(cls, made: Snapshots, build: Mapping[str, str]) -> Provenance:
        """Of stills, which software makes always."""
        row = {"family": "software", "device": CPU, "encoder": made.encoder, "outcome": "made"}
        return cls(made.encoder, build, (row,), made.verification)
