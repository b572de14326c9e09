"""How large the picture becomes: rotation, crop, scaling, bars and pixel shape, all as whole pixels.

Sizes are those of the upright picture: ffmpeg turns it before the first filter. Pure arithmetic; it must
not know filters, codecs or files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from rushes.errors import CallerError
from rushes.media.describing.schema import VideoStream
from rushes.media.profile import VideoWish

__all__ = ["Geometry", "Rect", "plan_geometry", "upright"]

_CROP_FIX: Final = "Give WIDTH:HEIGHT:X:Y within the upright picture."


@dataclass(frozen=True, slots=True)
class Rect:
    """A part of a picture, or a picture in a larger one: all in pixels."""

    width: int
    height: int
    x: int = 0
    y: int = 0


@dataclass(frozen=True, slots=True)
class Geometry:
    """What happens to the picture, in this order; None for what does not happen.

    Args:
        crop: the part that is kept.
        scale: the size that it gets.
        trim: the part of the scaled picture that is kept (fit=fill).
        pad: the frame around it, and where the picture sits in it.
        width, height: size of the result.
        sar: its sample aspect ratio.
    """

    width: int
    height: int
    sar: Fraction
    crop: Rect | None = None
    scale: Rect | None = None
    trim: Rect | None = None
    pad: Rect | None = None

    @property
    def scales_lines(self) -> bool:
        """Whether lines are resampled or moved, which would mix the fields of an interlaced picture."""
        return any((self.crop, self.scale, self.trim, self.pad))


def upright(stream: VideoStream) -> tuple[int, int, Fraction]:
    """Width, height and sample aspect ratio of the picture after rotation."""
    num, _, den = stream.sar.partition(":")
    sar = Fraction(int(num), int(den or 1)) if int(num) and int(den or 1) else Fraction(1)
    if stream.rotation in {90, 270}:
        return stream.height, stream.width, 1 / sar
    return stream.width, stream.height, sar


def plan_geometry(stream: VideoStream, wish: VideoWish, *, even: tuple[bool, bool]) -> Geometry:
    """The geometry that `wish` asks of `stream`.

    Args:
        stream: the source's picture.
        wish: what it should be.
        even: whether the pixel format needs an even width, an even height.

    Raises:
        CallerError: the crop leaves the picture, or the result would be larger than the source.
    """
    width, height, sar = upright(stream)
    crop = _crop(wish, width, height)
    if crop is not None:
        width, height = crop.width, crop.height
    shape = _square(width, height, sar) if wish.square_pixels else (width, height)
    final_sar = Fraction(1) if wish.square_pixels else sar
    box = _wished(wish, *shape)
    box = _not_larger(wish, box, (width, height), shape)
    if wish.width and wish.height and wish.fit != "inside" and box != shape:
        return _fitted(wish, shape, (width, height), crop=crop, sar=final_sar, even=even)
    size = _aligned(box, even)
    scale = Rect(*size) if size != (width, height) else None
    return Geometry(*size, final_sar, crop=crop, scale=scale)


def _crop(wish: VideoWish, width: int, height: int) -> Rect | None:
    if wish.crop is None:
        return None
    w, h, x, y = (int(part) for part in wish.crop.split(":"))
    if x + w > width or y + h > height:
        raise CallerError(
            f"crop {wish.crop} leaves the picture, which is {width}x{height} when upright.",
            code="bad-option",
            fix=_CROP_FIX,
        )
    return None if (w, h) == (width, height) else Rect(w, h, x, y)


def _square(width: int, height: int, sar: Fraction) -> tuple[int, int]:
    return (round(width * sar), height) if sar >= 1 else (width, round(height / sar))


def _wished(wish: VideoWish, width: int, height: int) -> tuple[Fraction | int, Fraction | int]:
    if wish.fraction is not None:
        factor = Fraction(wish.fraction)
        return width * factor, height * factor
    if wish.width and wish.height:
        if wish.fit != "inside":
            return wish.width, wish.height
        factor = min(Fraction(wish.width, width), Fraction(wish.height, height))
        return width * factor, height * factor
    if wish.height:
        return Fraction(width * wish.height, height), wish.height
    if wish.width:
        return wish.width, Fraction(height * wish.width, width)
    return width, height


def _not_larger(
    wish: VideoWish,
    box: tuple[Fraction | int, Fraction | int],
    source: tuple[int, int],
    shape: tuple[int, int],
) -> tuple[Fraction | int, Fraction | int]:
    if wish.upscale == "allow" or (box[0] <= shape[0] and box[1] <= shape[1]):
        return box
    if wish.upscale == "skip":
        return shape
    raise CallerError(
        f"{round(box[0])}x{round(box[1])} is larger than the source's {source[0]}x{source[1]}.",
        code="bad-option",
        fix="Choose a smaller size, or upscale=allow (skip keeps the source's size).",
    )


def _fitted(
    wish: VideoWish,
    shape: tuple[int, int],
    source: tuple[int, int],
    *,
    crop: Rect | None,
    sar: Fraction,
    even: tuple[bool, bool],
) -> Geometry:
    """Exactly the wished width and height: distorted, with bars, or cut."""
    width, height = _aligned((wish.width or 0, wish.height or 0), even)
    whole = Geometry(width, height, sar, crop=crop)
    if wish.fit == "stretch":
        return replace(whole, scale=Rect(width, height))
    factors = Fraction(width, shape[0]), Fraction(height, shape[1])
    factor = min(factors) if wish.fit == "pad" else max(factors)
    inner = _aligned((shape[0] * factor, shape[1] * factor), even)
    scale = Rect(*inner) if inner != source else None
    x, y = abs(width - inner[0]) // 2, abs(height - inner[1]) // 2
    x, y = x - (x % 2 if even[0] else 0), y - (y % 2 if even[1] else 0)
    if inner == (width, height):
        return replace(whole, scale=scale)
    if wish.fit == "pad":
        return replace(whole, scale=scale, pad=Rect(width, height, x, y))
    return replace(whole, scale=scale, trim=Rect(width, height, x, y))


def _aligned(size: tuple[Fraction | int, Fraction | int], even: tuple[bool, bool]) -> tuple[int, int]:
    """The nearest whole size that the pixel format can hold; an odd source loses a line, never gains one."""
    found = []
    for length, is_even in zip(size, even, strict=True):
        if not is_even:
            found.append(max(1, round(length)))
        elif isinstance(length, int):
            found.append(max(2, length - length % 2))
        else:
            found.append(max(2, 2 * round(length / 2)))
    return found[0], found[1]
