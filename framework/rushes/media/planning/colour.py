"""Which colour the result has: pixel format, tags, levels, and the filters between source and result.

Names are ffmpeg's for H.273. What the source does not state is not made up: it stays unstated, except where
a conversion needs an answer, and then the plan warns. This module must not know encoders' options.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from rushes.errors import CallerError
from rushes.media.describing.schema import HdrMetadata, VideoStream
from rushes.media.planning.filters import Step, step
from rushes.media.profile import VideoWish

__all__ = [
    "ColourPlan",
    "Tags",
    "choose_pix_fmt",
    "depth_of",
    "even_of",
    "has_alpha",
    "is_rgb",
    "mastering_svt",
    "mastering_x265",
    "plan_colour",
]

HDR_TRANSFERS: Final = frozenset({"smpte2084", "arib-std-b67"})


@dataclass(frozen=True, slots=True)
class Tags:
    """Colour tags of stream and container; None where nothing is stated."""

    primaries: str | None = None
    transfer: str | None = None
    matrix: str | None = None
    range: str | None = None
    """``tv`` or ``pc``."""


_SPACES: Final = {
    "bt709": Tags("bt709", "bt709", "bt709", "tv"),
    "bt2020": Tags("bt2020", "bt2020-10", "bt2020nc", "tv"),
    "bt601-625": Tags("bt470bg", "smpte170m", "bt470bg", "tv"),
    "bt601-525": Tags("smpte170m", "smpte170m", "smpte170m", "tv"),
}


@dataclass(frozen=True, slots=True)
class ColourPlan:
    """The pixel format and tags of the result, and the steps around the scaling that lead there."""

    pix_fmt: str
    tags: Tags
    before_scale: tuple[Step, ...] = ()
    scale_options: dict[str, str] = field(default_factory=dict)
    hdr: HdrMetadata | None = None
    """Static metadata to carry over, where the result is still HDR."""
    warnings: tuple[str, ...] = ()


def plan_colour(stream: VideoStream, wish: VideoWish, pix_fmt: str, *, limited_only: bool) -> ColourPlan:
    """The colour of the result.

    Args:
        stream: the source's picture.
        wish: what it should be.
        pix_fmt: the pixel format of the result.
        limited_only: the codec is read as limited range whatever its tags say.

    Raises:
        CallerError: a conversion was asked of a source that does not state its colour.
    """
    source = _source_tags(stream)
    warnings: list[str] = []
    before: list[Step] = []
    tags = source
    is_hdr = source.transfer in HDR_TRANSFERS
    if wish.lut is not None:
        # A LUT works on RGB; what it makes is display-referred BT.709 unless the caller says otherwise.
        before.append(step("lut3d", file="lut.cube", interp="tetrahedral"))
        tags, is_hdr = _SPACES["bt709"], False
    if wish.tone_map != "off" and is_hdr:
        before += _tone_map(wish.tone_map, source)
        tags, is_hdr = _SPACES["bt709"], False
    elif wish.colour != "keep" and _SPACES[wish.colour] != tags:
        before += _convert(wish.colour, source if wish.lut is None else tags, stream)
        tags, is_hdr = _SPACES[wish.colour], False
    tags = _with_range(tags, wish, limited_only=limited_only)
    scale = _scale_options(stream, source, tags, pix_fmt, converted=bool(before))
    if is_rgb(stream.pix_fmt) and not is_rgb(pix_fmt) and tags.matrix in {None, "gbr"}:
        # RGB has no matrix to keep; an HD matrix must be named in the result or players guess.
        warnings.append("the source is RGB: the result uses the BT.709 matrix")
        tags = Tags(tags.primaries, tags.transfer, "bt709", tags.range or "tv")
        scale |= {"out_color_matrix": "bt709", "out_range": tags.range or "tv"}
    if is_hdr and depth_of(pix_fmt) < 10:
        warnings.append("HDR in 8 bits shows banding: use tone_map, or a 10-bit codec variant")
    warnings += _lost_hdr(stream, kept=is_hdr)
    return ColourPlan(
        pix_fmt, tags, tuple(before), scale, stream.hdr if is_hdr and depth_of(pix_fmt) >= 10 else None,
        tuple(warnings),
    )  # fmt: skip


def choose_pix_fmt(
    stream: VideoStream, offered: Sequence[str], *, wished: str | None, keep: bool, where: str
) -> str:
    """A pixel format out of those that an encoder's variant takes.

    Args:
        stream: the source's picture.
        offered: what it takes, the usual one first.
        wished: the one that the caller names; None for the row's choice.
        keep: prefer the source's own format where it is offered.
        where: what is choosing, for the message.

    Raises:
        CallerError: the wished one is not offered.
    """
    if wished is not None:
        if wished not in offered:
            raise CallerError(
                f"{where} does not take the pixel format {wished}.",
                code="bad-option",
                fix=f"Choose one of {', '.join(offered)}.",
            )
        return wished
    if keep:
        return _nearest(stream, offered)
    if stream.alpha and (found := next((f for f in offered if has_alpha(f)), None)):
        return found
    return offered[0]


def depth_of(pix_fmt: str) -> int:
    """Bits of a component, read from the format's name."""
    for bits in (16, 14, 12, 10, 9):
        if pix_fmt.endswith((f"{bits}le", f"{bits}be", f"p{bits}")):
            return bits
    return 16 if pix_fmt.startswith(("rgb48", "rgba64", "bgr48")) else 8


def is_rgb(pix_fmt: str | None) -> bool:
    """Whether a format holds red, green and blue."""
    return (pix_fmt or "").startswith(("rgb", "bgr", "gbr", "argb", "abgr", "x2rgb", "0rgb", "0bgr", "bayer"))


def has_alpha(pix_fmt: str) -> bool:
    """Whether a format has an alpha plane."""
    return pix_fmt.startswith(("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya"))


def even_of(pix_fmt: str) -> tuple[bool, bool]:
    """Whether a format needs an even width, an even height."""
    packed = pix_fmt in {"nv12", "p010le"}
    return packed or "420" in pix_fmt or "422" in pix_fmt, packed or "420" in pix_fmt


def mastering_x265(hdr: HdrMetadata) -> dict[str, str]:
    """Static HDR metadata as x265 writes it: chromaticity in 0.00002, luminance in 0.0001 cd/m²."""
    found = {"hdr10": "1", "repeat-headers": "1"}
    display = _display(hdr, lambda xy: str(round(xy * 50000)), lambda light: str(round(light * 10000)))
    if display is not None:
        found["master-display"] = display
    if hdr.content_light:
        found["max-cll"] = f"{hdr.content_light.max_cll},{hdr.content_light.max_fall}"
    return found if len(found) > 2 else {}


def mastering_svt(hdr: HdrMetadata) -> dict[str, str]:
    """Static HDR metadata as SVT-AV1 writes it: plain CIE coordinates and cd/m²."""
    found: dict[str, str] = {}
    display = _display(hdr, "{:.5f}".format, "{:.4f}".format)
    if display is not None:
        found["mastering-display"] = display
    if hdr.content_light:
        found["content-light"] = f"{hdr.content_light.max_cll},{hdr.content_light.max_fall}"
    return found


def _display(
    hdr: HdrMetadata, coordinate: Callable[[float], str], light: Callable[[float], str]
) -> str | None:
    """The mastering display in the order that both encoders ask for, or None where it is not whole."""
    display = hdr.mastering
    if not (display and display.red and display.green and display.blue and display.white):
        return None
    points = (("G", display.green), ("B", display.blue), ("R", display.red), ("WP", display.white))
    colours = "".join(f"{name}({coordinate(x)},{coordinate(y)})" for name, (x, y) in points)
    return f"{colours}L({light(display.max_luminance or 0.0)},{light(display.min_luminance or 0.0)})"


def _source_tags(stream: VideoStream) -> Tags:
    levels = {"limited": "tv", "full": "pc"}.get(stream.color.range or "")
    if levels is None and (stream.pix_fmt or "").startswith("yuvj"):
        levels = "pc"
    return Tags(stream.color.primaries, stream.color.transfer, stream.color.matrix, levels)


def _with_range(tags: Tags, wish: VideoWish, *, limited_only: bool) -> Tags:
    levels = tags.range if wish.colour_range == "keep" else wish.colour_range
    if limited_only:
        if wish.colour_range == "pc":
            raise CallerError(
                "this codec is read as limited range by every program; colour_range=pc would lie.",
                code="bad-option",
                fix="Leave colour_range out.",
            )
        levels = "tv"
    return Tags(tags.primaries, tags.transfer, tags.matrix, levels)


def _scale_options(
    stream: VideoStream, source: Tags, tags: Tags, pix_fmt: str, *, converted: bool
) -> dict[str, str]:
    """Levels and matrix are named wherever they change: what a filter guesses differs between builds."""
    if is_rgb(pix_fmt):
        return {}
    found: dict[str, str] = {}
    if not converted and not is_rgb(stream.pix_fmt) and "pc" in {source.range, tags.range}:
        found |= {"in_range": source.range or "tv", "out_range": tags.range or "tv"}
    if converted and tags.matrix and tags.matrix != "gbr":
        found |= {
            "out_color_matrix": tags.matrix.replace("bt2020nc", "bt2020"),
            "out_range": tags.range or "tv",
        }
    return found


def _tone_map(curve: str, source: Tags) -> list[Step]:
    """HDR to BT.709 in linear light: 100 cd/m² is the SDR white that the curve maps to."""
    return [
        step(
            "zscale",
            transferin=source.transfer,
            primariesin=source.primaries or "bt2020",
            matrixin=source.matrix or "bt2020nc",
            rangein={"pc": "full"}.get(source.range or "", "limited"),
            transfer="linear",
            npl=100,
        ),
        step("format", "gbrpf32le"),
        step("zscale", primaries="bt709"),
        step("tonemap", tonemap=curve, desat=0),
        step("zscale", transfer="bt709", matrix="bt709", range="limited"),
        step("format", "yuv444p10le"),
    ]


def _convert(colour: str, source: Tags, stream: VideoStream) -> list[Step]:
    if not is_rgb(stream.pix_fmt) and None in {source.primaries, source.transfer, source.matrix}:
        raise CallerError(
            f"colour={colour} needs a source that states its colour; this one leaves it out.",
            code="bad-option",
            fix="Leave colour=keep, or set the source's tags first.",
        )
    target = _SPACES[colour]
    return [
        step(
            "zscale",
            primariesin=source.primaries,
            transferin=source.transfer,
            matrixin=source.matrix,
            primaries=target.primaries,
            transfer=target.transfer,
            matrix=target.matrix,
            range="limited",
        )
    ]


def _lost_hdr(stream: VideoStream, *, kept: bool) -> list[str]:
    if stream.hdr is None or not kept:
        return []
    lost = []
    if stream.hdr.dolby_vision is not None:
        lost.append("Dolby Vision metadata is not carried over")
    if stream.hdr.dynamic_metadata:
        lost.append("HDR10+ dynamic metadata is not carried over")
    return lost


def _nearest(stream: VideoStream, offered: Sequence[str]) -> str:
    """The offered format that loses nothing of the source's, the smallest first; else the usual one."""
    # yuvj is yuv with its range in its name; the range is a tag of its own here.
    wanted = (stream.pix_fmt or "").replace("yuvj", "yuv")
    if wanted in offered:
        return wanted
    same_kind = [
        f
        for f in offered
        if is_rgb(f) == is_rgb(stream.pix_fmt)
        and has_alpha(f) == stream.alpha
        and depth_of(f) >= (stream.bit_depth or 8)
        and _chroma(f) >= _chroma(stream.pix_fmt or "")
    ]
    return min(same_kind, key=lambda f: (depth_of(f), _chroma(f)), default=offered[0])


def _chroma(pix_fmt: str) -> int:
    if "420" in pix_fmt or pix_fmt.startswith(("nv12", "p010")):
        return 1
    if "422" in pix_fmt or pix_fmt.startswith(("uyvy", "yuyv", "nv16", "p210")):
        return 2
    return 0 if pix_fmt.startswith("gray") else 3
