"""From a wish to a command: the argv of an encode, its filter graph, and what its result must be.

Pure: source description, profile and what a build can do go in, an `EncodePlan` comes out, or a
`CallerError` before anything has run. Encoders are rows of `rushes.media.codecs`; this module must not name
one, start anything or look at a file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Protocol

from rushes.asset import Asset, FrameRange
from rushes.errors import CallerError, MediaError, PlatformError
from rushes.media import colour, geometry, timing, tracks
from rushes.media.codecs import VIDEO_ENCODERS, Raster, Variant, VideoEncoder
from rushes.media.filters import Chain, Graph, Staged, Step, compile_graph, step
from rushes.media.profile import Profile
from rushes.media.rates import rate_args
from rushes.media.schema import MediaInfo, VideoStream
from rushes.media.timecode import Timecode

__all__ = ["BuildFacts", "EncodePlan", "Expectation", "plan_encode", "plan_loudness"]

_MUXERS: Final = {"mov": "mov", "mp4": "mp4", "mkv": "matroska", "webm": "webm", "mxf": "mxf", "ts": "mpegts"}
_REPEATABLE: Final = frozenset({"mkv", "webm", "mxf"})
"""Muxers that draw random identifiers unless told to be exact (MXF gets its own afterwards)."""
_TAG_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,79}")
_NOT_OURS: Final = frozenset(
    "encoder major_brand minor_version compatible_brands timecode duration handler_name vendor_id "
    "company_name product_name product_version product_version_num product_uid uid generation_uid "
    "toolkit_version_num application_platform operational_pattern_ul material_package_umid "
    "file_package_umid modification_date reel_name creation_time".split()
)
"""Tags that describe the source's own file or muxer, or that are written from better knowledge."""
_MOST_TAG_BYTES: Final = 4096
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")


class BuildFacts(Protocol):
    """What the plan has to know of a build."""

    @property
    def major(self) -> int: ...
    @property
    def encoders(self) -> Collection[str]: ...
    @property
    def filters(self) -> Collection[str]: ...


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the result must be; checked once it is there.

    Args:
        frames: how many, within `slack`; None when it cannot be known beforehand.
        duration_s: of the picture, or of the sound where there is none.
        size: width and height; None without picture.
        audio_channels: of each track, in order; None where unknown.
    """

    frames: int | None
    slack: int
    duration_s: float | None
    rate: Fraction | None
    size: tuple[int, int] | None
    audio_channels: tuple[int | None, ...]
    timecode: str | None
    reel: str | None


@dataclass(frozen=True, slots=True)
class EncodePlan:
    """The commands of an encode, in order; the last one writes the result.

    Args:
        passes: arguments of each, without the program.
        encoder: ffmpeg's name of the video encoder; ``copy``, or the audio's where there is no picture.
        staged: files that the graph reads, to be put beside it under their names.
        needs_font: a font is to be staged as ``font.ttf``.
        expected: what the result must be.
        warnings: what the caller should know of it.
    """

    passes: tuple[tuple[str, ...], ...]
    encoder: str
    expected: Expectation
    staged: tuple[Staged, ...] = ()
    needs_font: bool = False
    target_bytes: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Picture:
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


def plan_encode(
    info: MediaInfo,
    profile: Profile,
    build: BuildFacts,
    *,
    source: Asset,
    input_args: Sequence[str],
    target: str,
    present: int | None = None,
    present_s: float | None = None,
    loudness: Sequence[tracks.Loudness] | None = None,
    family: str = "software",
) -> EncodePlan:
    """How to make `profile` of the clip that `info` describes, with this build.

    Args:
        source: the clip; its name may be burnt in, its frame range is honoured.
        input_args: the options and ``-i`` that open it (`rushes.media.guard`).
        target: the output as ffmpeg is to write it, ``file:/…``.
        present: frames that the source really holds, counted by packets; None when unknown.
        present_s: how long they last by their own times.
        loudness: what `plan_loudness` measured, where the profile wishes a loudness.
        family: the encoder family.

    Raises:
        CallerError: an option does not fit the source, the codec or the container.
        MediaError: the source has no picture, or holes.
        PlatformError: the build lacks the encoder or a filter.
    """
    _refuse_holes(info)
    picture = _plan_picture(info, profile, build, source.frames, (present, present_s), family)
    time = picture.timing if picture else None
    sounds = tracks.audio_tracks(info, profile, select=time.sound if time else (), loudness=loudness)
    if picture is None and not sounds:
        raise MediaError(f"{info.name} holds neither picture nor sound to keep.", code="no-media")
    partial = source.frames is not None
    subtitles, lost = tracks.subtitle_codecs(info, profile, partial=partial)
    data = tracks.data_streams(info, profile, partial=partial)
    staged, burn, needs_font = _burn_in(profile, source, picture)
    chains = []
    if picture is not None:
        chains.append(Chain(picture.stream.index, _with_burn_in(picture, burn)))
    graph = compile_graph([*chains, *(s.chain for s in sounds)])
    _refuse_missing(build, [*chains, *(s.chain for s in sounds)])
    reel, reel_args, reel_lost = _reel(info, profile)
    timecode = time.timecode if time else None
    tail = [
        *_tracks_args(sounds, subtitles, data),
        *_metadata(info, profile, partial=partial),
        *reel_args,
        *_timecode_args(timecode, profile, picture),
        *_container_args(profile, info),
    ]
    passes, target_lost = _passes(
        profile, build, picture, sounds, graph, tail, input_args=input_args, target=target
    )
    warnings = (*(picture.warnings if picture else ()), *lost, *reel_lost, *target_lost)
    if timecode is not None and profile.container in {"webm", "ts"}:
        warnings = (*warnings, f"{profile.container} cannot hold the start timecode {timecode}")
    return EncodePlan(
        passes=passes,
        encoder=_encoder_name(picture, sounds),
        expected=_expectation(info, profile, picture, sounds, timecode, reel),
        staged=staged,
        needs_font=needs_font,
        target_bytes=profile.target_size,
        warnings=warnings,
    )


def plan_loudness(
    info: MediaInfo, profile: Profile, *, source: Asset, input_args: Sequence[str]
) -> tuple[tuple[str, ...], int] | None:
    """The command that measures loudness before the encode, and of how many tracks; None without a wish.

    Raises:
        CallerError: as `plan_encode`.
    """
    if profile.audio.loudness is None or not info.audio:
        return None
    select: tuple[Step, ...] = ()
    stream = info.primary_video
    if source.frames is not None and stream is not None:
        select = timing.plan_timing(
            info, stream, profile, frames=source.frames, present=None, build_major=0
        ).sound
    sounds = tracks.audio_tracks(info, profile, select=select, loudness=None)
    graph = compile_graph([s.chain for s in sounds])
    args = [*input_args, "-filter_complex", graph.text or "", *_maps(graph), "-f", "null", "-"]
    return tuple(args), len(sounds)


# -- the picture ----------------------------------------------------------------------------------------


def _plan_picture(
    info: MediaInfo,
    profile: Profile,
    build: BuildFacts,
    frames: FrameRange | None,
    present: tuple[int | None, float | None],
    family: str,
) -> _Picture | None:
    wish = profile.video
    if wish.codec == "none":
        return None
    stream = info.primary_video
    if stream is None:
        raise MediaError(
            f"{info.name} has no picture.", code="no-video", fix="Use video codec none to keep the sound alone."
        )
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
    encoder = _encoder(profile, build, family)
    variant, name = _variant(encoder, stream, profile)
    where = f"{wish.codec} {name}".strip()
    pix_fmt = colour.choose_pix_fmt(
        stream, variant.pix_fmts, wished=wish.pix_fmt, keep=encoder.keep_format, where=where
    )
    tint = colour.plan_colour(stream, wish, pix_fmt, limited_only=not encoder.inter and not encoder.keep_format)
    size = geometry.plan_geometry(stream, wish, even=colour.even_of(pix_fmt))
    interlaced, deinterlace = _fields(stream, profile, encoder, size, time)
    size = _on_raster(variant, size, time, where)
    _refuse_size(encoder, size, where, profile.container)
    steps = [
        *time.select,
        *((step("bwdif", mode="send_frame", parity="auto", deint="all"),) if deinterlace else ()),
        *_sized(size, tint),
        *_tagged(tint, stream, interlaced=interlaced),
    ]
    warnings = [*time.warnings, *tint.warnings]
    source_size = geometry.upright(stream)[:2]
    if size.scale is not None and not _resizes(profile) and not variant.rasters:
        warnings.append(
            f"{source_size[0]}x{source_size[1]} became {size.width}x{size.height}: {pix_fmt} needs even sizes"
        )
    if stream.alpha and not colour.has_alpha(pix_fmt):
        warnings.append(f"the alpha plane is left out: {where} in {pix_fmt} has none")
    return _Picture(
        stream, encoder, variant, time, size, tuple(steps), tint, interlaced, tuple(warnings)
    )


def _copied(
    info: MediaInfo,
    stream: VideoStream,
    profile: Profile,
    frames: FrameRange | None,
    time: timing.Timing,
) -> _Picture:
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
    return _Picture(
        stream, None, None, time, geometry.Geometry(width, height, sar), (), None, False, ()
    )  # fmt: skip


def _encoder(profile: Profile, build: BuildFacts, family: str) -> VideoEncoder:
    codec, container = profile.video.codec, profile.container
    rows = [e for e in VIDEO_ENCODERS if e.codec == codec and e.family == family]
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


def _variant(encoder: VideoEncoder, stream: VideoStream, profile: Profile) -> tuple[Variant, str]:
    wish = profile.video
    if wish.variant is not None:
        found = encoder.variants.get(wish.variant)
        if found is None:
            raise CallerError(
                f"{wish.codec} has no variant {wish.variant!r}.",
                code="bad-option",
                fix=f"Choose one of {', '.join(encoder.variants)}.",
            )
        return found, wish.variant
    if wish.pix_fmt is not None:
        for name, candidate in encoder.variants.items():
            if wish.pix_fmt in candidate.pix_fmts:
                return candidate, name
    deep = (stream.bit_depth or 8) > 8 and wish.tone_map == "off" and wish.lut is None
    name = encoder.deep if deep and encoder.deep else next(iter(encoder.variants))
    return encoder.variants[name], name


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


def _refuse_size(
    encoder: VideoEncoder, size: geometry.Geometry, where: str, container: str
) -> None:
    if container in encoder.square_in and size.sar != 1:
        raise CallerError(
            f"{where} in {container} loses the pixel's shape, which is {size.sar.numerator}:{size.sar.denominator}.",
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
    top_first = stream.field_order in {"tt", "bt"}
    tags = tint.tags
    options = {
        "field_mode": ("tff" if top_first else "bff") if interlaced else "prog",
        "color_primaries": tags.primaries,
        "color_trc": tags.transfer,
        "colorspace": None if tags.matrix == "gbr" else tags.matrix,
        "range": tags.range,
    }
    return [step("format", pix_fmts=tint.pix_fmt), step("setparams", **options)]


# -- burn-in --------------------------------------------------------------------------------------------


def _burn_in(
    profile: Profile, source: Asset, picture: _Picture | None
) -> tuple[tuple[Staged, ...], tuple[Step, ...], bool]:
    """Files to stage and steps that draw; what a person named is in a file, never in the graph."""
    wish = profile.video
    staged: list[Staged] = []
    if wish.lut is not None:
        if wish.lut.suffix != ".cube":
            raise CallerError(
                f"{wish.lut.name} is no .cube look-up table.", code="bad-option", fix="Convert it to .cube."
            )
        staged.append(Staged("lut.cube", path=wish.lut.path))
    if not wish.burn_in or picture is None:
        return tuple(staged), (), False
    size = max(10, picture.geometry.height // 24)
    margin = size // 2
    look = {
        "fontfile": "font.ttf", "fontsize": size, "fontcolor": "white", "box": 1,
        "boxcolor": "black@0.5", "boxborderw": max(2, size // 6),
    }  # fmt: skip
    bottom = f"h-th-{margin}"
    steps: list[Step] = []
    for what in wish.burn_in:
        if what == "name":
            staged.append(Staged("name.txt", text=_CONTROL.sub(" ", source.name)))
            steps.append(
                step("drawtext", **look, textfile="name.txt", expansion="none", x=margin, y=margin)
            )
        elif what == "timecode":
            label, rate = _burnt_timecode(picture)
            steps.append(
                step(
                    "drawtext", **look, timecode=label, timecode_rate=rate, text="", x="(w-tw)/2", y=bottom
                )
            )
        else:
            first = source.frames.start if source.frames is not None else 0
            steps.append(
                step(
                    "drawtext", **look, text="%{frame_num}", start_number=first, x=f"w-tw-{margin}", y=bottom
                )
            )
    return tuple(staged), tuple(steps), True


def _burnt_timecode(picture: _Picture) -> tuple[str, str]:
    rate = picture.timing.rate or picture.timing.source_rate
    if rate is None or picture.timing.rate is None:
        raise CallerError(
            "the source's frame rate varies, so its frames have no timecode to burn in.",
            code="bad-option",
            fix="Set cfr=true, or burn in name and frame only.",
        )
    label = picture.timing.timecode or Timecode(0, rate)
    return str(label), f"{rate.numerator}/{rate.denominator}"


def _with_burn_in(picture: _Picture, burn: tuple[Step, ...]) -> tuple[Step, ...]:
    """Labels are drawn on the frames that they count: after a conversion of the rate, before the format."""
    last = 2 if picture.steps and picture.encoder is not None else 0
    body, end = picture.steps[: len(picture.steps) - last], picture.steps[len(picture.steps) - last :]
    return (*body, *picture.timing.convert, *burn, *end)


# -- the rest of the command ----------------------------------------------------------------------------


def _passes(
    profile: Profile,
    build: BuildFacts,
    picture: _Picture | None,
    sounds: Sequence[tracks.AudioTrack],
    graph: Graph,
    tail: Sequence[str],
    *,
    input_args: Sequence[str],
    target: str,
) -> tuple[tuple[tuple[str, ...], ...], list[str]]:
    head = ["-xerror", "-max_error_rate", "0"] if profile.on_damage == "fail" else ["-max_error_rate", "1"]
    head += ["-filter_complex_threads", str(profile.threads)] if graph.text else []
    seek = picture.timing.seek if picture else ()
    opened = [*head, "-threads", str(profile.threads), *seek, *input_args]
    filtered = [*opened, *(("-filter_complex", graph.text) if graph.text else ())]
    if picture is None or picture.encoder is None:
        video = [] if picture is None else ["-c:v:0", "copy"]
        return ((*filtered, *_maps(graph), *video, *tail, "-y", target),), []
    control = rate_args(
        picture.encoder,
        profile,
        rate=picture.timing.rate or picture.timing.source_rate,
        duration_s=picture.timing.duration_s,
        audio_bits=sum(s.bit_rate for s in sounds),
        major=build.major,
        colour=picture.colour,
    )
    video = [*_video_args(picture, profile), *picture.timing.args]
    last = (*filtered, *_maps(graph), *video, *control.passes[-1], *tail, "-y", target)
    if len(control.passes) == 1:
        return (last,), control.warnings
    # The first pass looks at the picture alone: sound would be encoded for nothing.
    alone = compile_graph([Chain(picture.stream.index, _chain_of(graph, picture))])
    text = ("-filter_complex", alone.text) if alone.text else ()
    first = (*opened, *text, *_maps(alone), *video, *control.passes[0], "-an", "-sn", "-f", "null", "-")
    return (first, last), control.warnings


def _chain_of(_graph: Graph, picture: _Picture) -> tuple[Step, ...]:
    return _with_burn_in(picture, ())


def _maps(graph: Graph) -> list[str]:
    return [word for name in graph.maps for word in ("-map", name)]


def _video_args(picture: _Picture, profile: Profile) -> list[str]:
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
    args = ["-c:v:0", encoder.name, *variant.args, "-pix_fmt:v", picture.colour.pix_fmt]
    args += [word for option, value in named if value is not None for word in (option, value)]
    if picture.interlaced:
        args += encoder.interlaced or ()
    tag = encoder.tags.get(profile.container)
    return args + (["-tag:v", tag] if tag else [])


def _tracks_args(
    sounds: Sequence[tracks.AudioTrack], subtitles: dict[int, str], data: Sequence[int]
) -> list[str]:
    args: list[str] = []
    for number, sound in enumerate(sounds):
        args += [word.replace("{n}", str(number)) for word in sound.args]
        for name, value in (("language", sound.language), ("title", sound.title)):
            if value:
                args += [f"-metadata:s:a:{number}", f"{name}={_clean(value)}"]
    for number, (index, codec) in enumerate(subtitles.items()):
        args += ["-map", f"0:{index}", f"-c:s:{number}", codec]
    for number, index in enumerate(data):
        args += ["-map", f"0:{index}", f"-c:d:{number}", "copy"]
    return args


def _metadata(info: MediaInfo, profile: Profile, *, partial: bool) -> list[str]:
    """Tags are written one by one: copying them all would say that another program made this file."""
    args = ["-map_metadata", "-1"]
    if profile.metadata == "drop":
        return [*args, "-map_chapters", "-1"]
    args += ["-map_chapters", "-1" if partial or not info.chapters else "0"]
    if info.container.created:
        args += ["-metadata", f"creation_time={_clean(info.container.created)}"]
    for name, value in sorted(info.tags.items()):
        if name.lower() not in _NOT_OURS and _TAG_NAME.fullmatch(name):
            args += ["-metadata", f"{name}={_clean(value)}"]
    return args


def _reel(info: MediaInfo, profile: Profile) -> tuple[str | None, list[str], list[str]]:
    reel = {"keep": info.reel, "drop": None}.get(profile.reel, profile.reel)
    if reel is None:
        return None, [], []
    text = _clean(reel)
    if profile.container == "mov":
        # The muxer moves it into the timecode track, where editing programs look.
        return text, ["-metadata:s:v:0", f"reel_name={text}"], []
    if profile.container == "mkv":
        return text, ["-metadata", f"reel_name={text}"], []
    return None, [], [f"{profile.container} cannot hold the reel name {text!r}; mov can"]


def _timecode_args(timecode: Timecode | None, profile: Profile, picture: _Picture | None) -> list[str]:
    if timecode is None or picture is None or profile.container in {"webm", "ts"}:
        return []
    if profile.container == "mkv":
        return ["-metadata", f"timecode={timecode}"]
    return ["-timecode", str(timecode)]


def _container_args(profile: Profile, info: MediaInfo) -> list[str]:
    args = ["-fflags", "+bitexact"] if profile.container in _REPEATABLE else []
    if profile.container in {"mov", "mp4"}:
        flags = "+faststart" if profile.faststart else ""
        if profile.metadata == "keep" and any("." in name for name in info.tags):
            # QuickTime's reverse-domain keys (camera, lens, place) have a place only in the mdta list.
            flags += "+use_metadata_tags"
        args += ["-movflags", flags] if flags else []
    return [*args, "-f", _MUXERS[profile.container]]


def _clean(text: str) -> str:
    """One line of bounded length: what a player shows, a terminal prints and a muxer stores."""
    flat = _CONTROL.sub(" ", text).strip()
    return flat.encode("utf-8", "replace")[:_MOST_TAG_BYTES].decode("utf-8", "ignore")


def _expectation(
    info: MediaInfo,
    profile: Profile,
    picture: _Picture | None,
    sounds: Sequence[tracks.AudioTrack],
    timecode: Timecode | None,
    reel: str | None,
) -> Expectation:
    time = picture.timing if picture else None
    held = profile.container not in {"webm", "ts"}
    return Expectation(
        frames=time.frames if time else None,
        slack=time.slack if time else 0,
        duration_s=time.duration_s if time else info.duration_s,
        rate=time.rate if time else None,
        size=(picture.geometry.width, picture.geometry.height) if picture else None,
        audio_channels=tuple(s.channels for s in sounds),
        timecode=str(timecode) if timecode is not None and held else None,
        reel=reel,
    )


def _encoder_name(picture: _Picture | None, sounds: Sequence[tracks.AudioTrack]) -> str:
    if picture is not None:
        return picture.encoder.name if picture.encoder else "copy"
    return sounds[0].args[1] if sounds else "none"


# -- refusals -------------------------------------------------------------------------------------------


def _refuse_holes(info: MediaInfo) -> None:
    if info.sequence is None or not (info.sequence.missing or info.sequence.empty):
        return
    ranges = [f"{a}" if a == b else f"{a}-{b}" for a, b in info.sequence.missing[:5]]
    ranges += [f"{n} (0 bytes)" for n in info.sequence.empty[:5]]
    raise MediaError(
        f"{info.name} lacks frames {', '.join(ranges)}.",
        code="missing-frames",
        fix="Render or copy them again, or name a range without holes.",
    )


def _refuse_missing(build: BuildFacts, chains: Sequence[Chain]) -> None:
    missing = sorted({s.name for c in chains for s in c.steps} - set(build.filters))
    if missing:
        raise PlatformError(
            f"this ffmpeg has no filter {', '.join(missing)}.",
            code="no-filter",
            fix="Set RUSHES_FFMPEG to a build that has it, or unset it for the bundled one.",
        )
