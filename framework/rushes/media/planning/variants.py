"""Which variant of a codec, and which pixel format, a wish leads to in an encoder's row.

Pure; it must not name an encoder.
"""

from __future__ import annotations

from typing import Final

from rushes.errors import CallerError
from rushes.media.describing.schema import VideoStream
from rushes.media.encoders import Variant, VideoEncoder, rows_of
from rushes.media.planning import colour
from rushes.media.profile import Profile

__all__ = ["choose_format", "choose_variant", "result_format", "same_samples"]

# The same samples, laid out as devices want them: changing between the two loses nothing.
_LAYOUTS: Final = (frozenset({"yuv420p", "nv12"}), frozenset({"yuv420p10le", "p010le"}))


def choose_variant(encoder: VideoEncoder, stream: VideoStream, profile: Profile) -> tuple[Variant, str]:
    """The variant that is wished for, else the usual one for the source's depth; and its name.

    Raises:
        CallerError: the row has no such variant.
    """
    wish = profile.video
    if wish.variant is not None:
        found = encoder.variants.get(wish.variant)
        if found is None:
            raise CallerError(
                f"{wish.codec} ({encoder.name}) has no variant {wish.variant!r}.",
                code="bad-option",
                fix=f"Choose one of {', '.join(encoder.variants)}.",
            )
        return found, wish.variant
    if wish.pix_fmt is not None:
        for name, candidate in encoder.variants.items():
            if _laid_out(wish.pix_fmt, candidate.pix_fmts) in candidate.pix_fmts:
                return candidate, name
    deep = (stream.bit_depth or 8) > 8 and wish.tone_map == "off" and wish.lut is None
    name = encoder.deep if deep and encoder.deep else next(iter(encoder.variants))
    return encoder.variants[name], name


def choose_format(
    encoder: VideoEncoder, variant: Variant, stream: VideoStream, profile: Profile, where: str
) -> str:
    """The pixel format of the frames that the encoder is given.

    Raises:
        CallerError: the variant does not take the wished one.
    """
    return colour.choose_pix_fmt(
        stream,
        variant.pix_fmts,
        wished=_laid_out(profile.video.pix_fmt, variant.pix_fmts),
        keep=encoder.keep_format,
        where=where,
    )


def result_format(stream: VideoStream, profile: Profile) -> str:
    """The pixel format that a wish leads to, by the codec's first row: what every other row has to match.

    Raises:
        CallerError: the codec has no such variant or pixel format.
    """
    row = rows_of(profile.video.codec)[0]
    variant, name = choose_variant(row, stream, profile)
    return choose_format(row, variant, stream, profile, f"{profile.video.codec} {name}".strip())


def same_samples(one: str, other: str) -> bool:
    """Whether two pixel formats hold the same samples, in whatever layout."""
    return one == other or any({one, other} <= layout for layout in _LAYOUTS)


def _laid_out(wished: str | None, offered: tuple[str, ...]) -> str | None:
    """The wished format, or the offered one that holds the same samples."""
    if wished is None or wished in offered:
        return wished
    return next((name for name in offered if same_samples(wished, name)), wished)
