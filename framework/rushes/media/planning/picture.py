"""The planned picture: which encoder and variant, which filters in which order, which fields.

Pure; encoders are rows of `rushes.media.encoders`, and this module must not name one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

from rushes.asset import FrameRange
from rushes.errors import CallerError, MediaError, PlatformError
from rushes.media.describing.schema import MediaInfo, VideoStream
from rushes.media.encoders import Raster, Variant, VideoEncoder, rows_of
from rushes.media.planning import colour, geometry, timing, tracks
from rushes.media.planning.device_graph import HERE, Spot, on_spot
from rushes.media.planning.filters import Step, step
from rushes.media.planning.variants import choose_format, choose_variant
from rushes.media.profile import Profile

__all__ = ["BuildFacts", "Picture", "plan_picture", "video_args"]


class BuildFacts(Protocol):
    """What the plan has to know of a build."""

    @property
    def major(self) -> int: ...
    @property
    def encoders(self) -> Collection[str]: ...
    @property
    def filters(self) -> Collection[str]: ...


@dataclass(frozen=True, slots=True)
class Picture:
    """The planned picture: what goes into its chain and its arguments."""

    stream: VideoStream
    encoder: VideoEncoder | None
    variant: Variant | None
    timing: timing.Timing
    geometry: geometry.Geometry
    steps: tuple[Step, ...]
    colour: colour.ColourPlan | None
    interlaced: bool
    warnings: tuple[str, ...]
    spot: Spot = HERE
    stays: bool = False
    """It comes from the device that encodes it, and has never left that."""

    def chain(self, burn: tuple[Step, ...] = ()) -> tuple[Step, ...]:
        """All steps; labels are drawn on the frames that they count: after a conversion of the rate."""
        last = 2 if self.encoder is not None else 0
        body, end = self.steps[: len(self.steps) - last], self.steps[len(self.steps) - last :]
        return on_spot((*body, *self.timing.convert, *burn, *end), self.spot)


def plan_picture(
    info: MediaInfo,
    profile: Profile,
    build: BuildFacts,
    *,
    frames: FrameRange | None,
    present: tuple[int | None, float | None],
    spot: Spot,
) -> Picture | None:
    """The picture that the profile wishes; None without one.

    Args:
        info: the source.
        profile: the wish.
        build: what the ffmpeg build can do.
        frames: the wished frames of the source; None for all.
        present: frames that the source really holds, and how long they last; None when unknown.
        spot: the family and device that encode, and what decodes.

    Raises:
        CallerError: an option does not fit the source, the codec or the container.
        MediaError: the source has no picture, or none that can be decoded.
        PlatformError: the build lacks the encoder.
    """
    wish = profile.video
    if wish.codec == "none":
        return None
    stream = _stream(info)
    time = timing.plan_timing(
        info,
        stream,
        profile,
        frames=frames,
        present=present[0],
        present_s=present[1],
        build_major=build.major,
    )
    if wish.codec == "copy":
        return _copied(info, stream, profile, frames, time)
    encoder = _encoder(profile, build, spot.family)
    variant, name = choose_variant(encoder, stream, profile)
    where = f"{wish.codec} {name}".strip()
    pix_fmt = choose_format(encoder, variant, stream, profile, where)
    tint = colour.plan_colour(
        stream, wish, pix_fmt, limited_only=not encoder.inter and not encoder.keep_format
    )
    size = geometry.plan_geometry(stream, wish, even=colour.even_of(pix_fmt))
    interlaced, deinterlace = _fields(stream, profile, encoder, size, time)
    size = _on_raster(variant, size, time, where)
    _refuse_size(encoder, size, where, profile.container)
    steps = [
        *time.select,
        *((_deinterlaced(stream),) if deinterlace else ()),
        *_sized(size, tint),
        *_tagged(tint, stream, interlaced=interlaced),
    ]
    warnings = [*time.warnings, *tint.warnings]
    if size.scale is not None and not _resizes(profile) and not variant.rasters:
        before = "x".join(map(str, geometry.upright(stream)[:2]))
        warnings.append(f"{before} became {size.width}x{size.height}: {pix_fmt} needs even sizes")
    if stream.alpha and not colour.has_alpha(pix_fmt):
        warnings.append(f"the alpha plane is left out: {where} in {pix_fmt} has none")
    return Picture(
        stream=stream,
        encoder=encoder,
        variant=variant,
        timing=time,
        geometry=size,
        steps=tuple(steps),
        colour=tint,
        interlaced=interlaced,
        warnings=tuple(warnings),
        spot=spot,
    )


def _stream(info: MediaInfo) -> VideoStream:
    """The picture of the source."""
    stream = info.primary_video
    if stream is None:
        raise MediaError(
            f"{info.name} has no picture.",
            code="no-video",
            fix="Leave sound files out, or transcode them with video none, which keeps the sound alone.",
        )
    if not stream.width or not stream.height:
        raise MediaError(
            f"{info.name} states no picture size, so it cannot be decoded.",
            code="no-picture-size",
            fix="Copy it from the source again, or check that it plays there.",
        )
    return stream


def _copied(
    info: MediaInfo,
    stream: VideoStream,
    profile: Profile,
    frames: FrameRange | None,
    time: timing.Timing,
) -> Picture:
    if frames is not None:
        raise CallerError(
            "video codec copy cannot start at any frame: a range has to be encoded.",
            code="bad-option",
            fix="Choose a codec, or leave the range out.",
        )
    if info.is_sequence:
        raise CallerError(
            "an image sequence cannot be copied into a container.", code="bad-option", fix="Choose a codec."
        )
    held = tracks.VIDEO_IN[profile.container]
    if stream.codec not in held:
        raise CallerError(
            f"{profile.container} does not hold {stream.codec} video.",
            code="bad-option",
            fix=f"It holds {', '.join(sorted(held))}; or choose container mkv.",
        )
    width, height, sar = stream.width, stream.height, Fraction(1)
    return Picture(
        stream=stream,
        encoder=None,
        variant=None,
        timing=time,
        geometry=geometry.Geometry(width, height, sar),
        steps=(),
        colour=None,
        interlaced=False,
        warnings=(),
    )


def _encoder(profile: Profile, build: BuildFacts, family: str) -> VideoEncoder:
    codec, container = profile.video.codec, profile.container
    rows = rows_of(codec, family)
    row = next((e for e in rows if e.name in build.encoders), None)
    if row is None:
        names = ", ".join(e.name for e in rows) or "none"
        raise PlatformError(
            f"this ffmpeg has no encoder for {codec} ({names}).",
            code="no-encoder",
            fix="Set RUSHES_FFMPEG to a build that has it, or unset it for the bundled one.",
        )
    if container not in row.containers:
        raise CallerError(
            f"{container} is no container for {codec}.",
            code="bad-option",
            fix=f"Choose {' or '.join(row.containers)}.",
        )
    return row


def _fields(
    stream: VideoStream,
    profile: Profile,
    encoder: VideoEncoder,
    size: geometry.Geometry,
    time: timing.Timing,
) -> tuple[bool, bool]:
    """Whether the result is interlaced, and whether the source is to be deinterlaced."""
    if not timing.is_interlaced(stream):
        return False, False
    wish = profile.video.deinterlace
    converts = time.rate is not None and time.rate != time.source_rate
    keeps = encoder.interlaced is not None and not size.scales_lines and not converts
    if wish == "off" and not keeps:
        raise CallerError(
            "the source is interlaced, and this codec, size or frame rate would mix its fields.",
            code="bad-option",
            fix="Use deinterlace=auto, or keep size and rate in a codec that holds fields.",
        )
    return (False, True) if wish == "on" or not keeps else (True, False)


def _deinterlaced(stream: VideoStream) -> Step:
    """One frame of two fields; their order is the description's, for not every decoder knows it."""
    parity = "tff" if timing.shows_top_first(stream) else "bff"
    return step("bwdif", mode="send_frame", parity=parity, deint="all")


def _on_raster(
    variant: Variant, size: geometry.Geometry, time: timing.Timing, where: str
) -> geometry.Geometry:
    if not variant.rasters:
        return size
    square = [r for r in variant.rasters if (r.width, r.height) == (size.width, size.height)]
    # A thin raster holds the wide picture of the same height.
    thin = [r for r in variant.rasters if r.height == size.height and _shown_width(r) == size.width]
    found = next(iter(square or thin), None)
    if found is None:
        offered = ", ".join(f"{_shown_width(r)}x{r.height}" for r in variant.rasters)
        raise CallerError(
            f"{where} is defined for {offered}; this picture is {size.width}x{size.height}.",
            code="bad-option",
            fix="Set width and height to one of these, with fit=pad.",
        )
    if time.rate not in found.rates:
        shown = ", ".join(str(r) for r in found.rates)
        raise CallerError(
            f"{where} at {found.width}x{found.height} has no frame rate {time.rate or 'that varies'}.",
            code="bad-option",
            fix=f"Set frame_rate to one of {shown}.",
        )
    if (found.width, found.height) == (size.width, size.height):
        return size
    num, _, den = found.sar.partition(":")
    return replace(
        size,
        width=found.width,
        sar=Fraction(int(num), int(den)),
        scale=geometry.Rect(found.width, found.height),
        pad=None if size.pad is None else size.pad,
    )


def _shown_width(raster: Raster) -> int:
    num, _, den = raster.sar.partition(":")
    return raster.width * int(num) // int(den)


def _refuse_size(encoder: VideoEncoder, size: geometry.Geometry, where: str, container: str) -> None:
    if container in encoder.square_in and size.sar != 1:
        raise CallerError(
            f"{where} in {container} loses the pixel's shape, which is {size.sar}.",
            code="bad-option",
            fix="Set square_pixels=true, or choose container mov.",
        )
    if size.width < encoder.min_width or size.height < encoder.min_height:
        raise CallerError(
            f"{where} is at least {encoder.min_width}x{encoder.min_height}; "
            f"this would be {size.width}x{size.height}.",
            code="bad-option",
            fix="Choose a larger size or another codec.",
        )
    if size.width > encoder.max_width or size.height > encoder.max_height:
        raise CallerError(
            f"{where} ({encoder.name}) is at most {encoder.max_width}x{encoder.max_height}; "
            f"this would be {size.width}x{size.height}.",
            code="bad-option",
            fix="Choose a smaller size or another codec.",
        )


def _resizes(profile: Profile) -> bool:
    wish = profile.video
    return bool(wish.width or wish.height or wish.fraction or wish.crop or wish.square_pixels)


def _sized(size: geometry.Geometry, tint: colour.ColourPlan) -> list[Step]:
    found: list[Step] = []
    if size.crop is not None:
        crop = size.crop
        found.append(step("crop", w=crop.width, h=crop.height, x=crop.x, y=crop.y, exact=1))
    found += tint.before_scale
    options: dict[str, str | int] = dict(tint.scale_options)
    if size.scale is not None:
        options = {"w": size.scale.width, "h": size.scale.height, "flags": "bicubic+accurate_rnd", **options}
    if options:
        found.append(step("scale", **options))
    if size.trim is not None:
        trim = size.trim
        found.append(step("crop", w=trim.width, h=trim.height, x=trim.x, y=trim.y, exact=1))
    if size.pad is not None:
        pad = size.pad
        found.append(step("pad", w=pad.width, h=pad.height, x=pad.x, y=pad.y, color="black"))
    if size.scale is not None:
        # The scale filter bends the pixel's shape by the rounding of a width; NLEs then show 1279/1280.
        found.append(step("setsar", sar=f"{size.sar.numerator}/{size.sar.denominator}"))
    return found


def _tagged(tint: colour.ColourPlan, stream: VideoStream, *, interlaced: bool) -> list[Step]:
    top_first = timing.shows_top_first(stream)
    tags = tint.tags
    options = {
        "field_mode": ("tff" if top_first else "bff") if interlaced else "prog",
        "color_primaries": tags.primaries,
        "color_trc": tags.transfer,
        "colorspace": None if tags.matrix == "gbr" else tags.matrix,
        "range": tags.range,
    }
    return [step("format", pix_fmts=tint.pix_fmt), step("setparams", **options)]


def video_args(picture: Picture, profile: Profile) -> list[str]:
    """Codec, variant, pixel format, tags: everything but the rate control."""
    encoder, variant = picture.encoder, picture.variant
    if encoder is None or variant is None or picture.colour is None:
        return []
    tags = picture.colour.tags
    named = (
        ("-color_primaries:v", tags.primaries),
        ("-color_trc:v", tags.transfer),
        ("-colorspace:v", None if tags.matrix == "gbr" else tags.matrix),
        ("-color_range:v", tags.range),
    )
    args = ["-c:v:0", encoder.name, *variant.args, *picture.spot.encode]
    if not picture.stays and not picture.spot.holds_frames(picture.chain()):
        # Frames on a device have a format of its own; asking for another would put a converter in between.
        args += ["-pix_fmt:v", picture.colour.pix_fmt]
    args += [word for option, value in named if value is not None for word in (option, value)]
    if picture.interlaced:
        args += encoder.interlaced or ()
    tag = encoder.tags.get(profile.container)
    return args + (["-tag:v", tag] if tag else [])
