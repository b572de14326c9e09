"""One stream of PyAV and what the container's own header says of it, merged into its description.

Attribute by attribute and without validation detours: this runs for every stream of every clip, and must cost
little beside opening the file. This module must not open anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from rushes.media.describing.brief import aac_profile
from rushes.media.describing.codes import audio_bits, colour, field_order, level, pixel_facts
from rushes.media.describing.hdr_messages import StaticHdr, hdr_of_parameters
from rushes.media.describing.origin import bounded
from rushes.media.describing.pacing import Pace, decide, working_rate
from rushes.media.describing.parameter_sets import chroma_location
from rushes.media.describing.schema import (
    Attachment,
    AudioStream,
    Colour,
    DataStream,
    FieldOrder,
    HdrMetadata,
    SubtitleStream,
    VideoStream,
)
from rushes.media.describing.structure import Track
from rushes.media.readers.dialect import ratio, texts

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext
    from av.stream import Stream
    from av.video.codeccontext import VideoCodecContext

    from rushes.media.describing.scan import Counted

__all__ = ["attachment", "audio", "data", "hdr", "subtitle", "video"]

_ATTACHED: Final = 0x400
_DISPOSITIONS: Final = (
    "default", "dub", "original", "comment", "lyrics", "karaoke", "forced", "hearing_impaired",
    "visual_impaired", "clean_effects", "attached_pic", "timed_thumbnails", "non_diegetic", "", "", "",
    "captions", "descriptions", "metadata", "dependent", "still_image", "multilayer",
)  # fmt: skip
_DURATION_TAG: Final = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")
# What 4:2:0 means where a codec's standard fixes it: MPEG-2 part 2, MPEG-4 part 2, JFIF, IEC 61834.
_FIXED_LOCATION: Final = {
    "mpeg1video": "center",
    "mpeg2video": "left",
    "mpeg4": "left",
    "mjpeg": "center",
    "dvvideo": "topleft",
}
_WITH_PARAMETER_SETS: Final = frozenset(("h264", "hevc"))
# IEC 61834 DV of 25 Mb/s is always interlaced, bottom field first.
_DV_HEIGHTS: Final = frozenset((480, 576))
_NO_TRACK: Final = Track()
_NOTHING: Final[dict[str, str]] = {}


def video(
    stream: Stream, context: VideoCodecContext, track: Track | None, family: str, counted: Counted | None
) -> VideoStream:
    """The description of a picture stream.

    Args:
        stream: the stream.
        context: its codec context.
        track: what the container's header says, if it was read.
        family: ``iso``, ``matroska``, ``mxf``, ``image2`` or "".
        counted: what counting its packets found, if they were counted.
    """
    track = track or _NO_TRACK
    values = _shared(stream, context, track)
    codec: str = values["codec"]
    attached = bool(values.pop("attached"))
    still = attached or family == "still"
    if still:  # the demuxer makes up a rate and a duration for a picture
        values["duration_s"] = values["bit_rate"] = None
    pix_fmt = context.pix_fmt
    pixels = pixel_facts(pix_fmt) if pix_fmt else None
    subsampling = pixels.subsampling if pixels else None
    extradata = context.extradata if codec in _WITH_PARAMETER_SETS else None
    description = colour(context.color_primaries, context.color_trc, context.colorspace, context.color_range)
    frames = stream.frames
    pace, average, nominal, guessed = _pace(stream, track, family, counted, still=still)
    rate = None if still else working_rate(pace[0], guessed, average)
    aspect = ratio(stream.sample_aspect_ratio)  # type: ignore[attr-defined]
    width, height = context.width, context.height
    shape = (aspect.numerator, aspect.denominator) if aspect else (1, 1)
    return VideoStream(
        **values,
        profile=context.profile,
        level=level(codec, context.level),
        width=width,
        height=height,
        sar=f"{shape[0]}:{shape[1]}",
        dar=_ratio(width * shape[0], height * shape[1]),
        rotation=track.rotation,
        flipped=track.flipped,
        frame_rate=_rate(rate),
        nominal_rate=None if still else _rate(nominal),
        average_rate=None if still else _rate(average),
        rate_mode=pace[0],
        rate_decided_by=pace[1],
        field_order=_fields(codec, context.field_order, height),
        pix_fmt=pix_fmt,
        bit_depth=pixels.bit_depth if pixels else None,
        chroma_subsampling=subsampling,
        alpha=pixels.alpha if pixels else False,
        chroma_location=_location(codec, extradata, track) if subsampling == "4:2:0" else None,
        color=description,
        hdr=hdr(codec, extradata, description, track),
        frames_declared=frames or (1 if still else None),
        frames_counted=counted.packets if counted else None,
        has_b_frames=context.has_b_frames,
        attached_picture=attached,
        stereo_mode=track.stereo,
        projection=track.projection,
    )


def audio(
    stream: Stream, context: AudioCodecContext, track: Track | None, counted: Counted | None
) -> AudioStream:
    """The description of a sound stream."""
    values = _shared(stream, context, track or _NO_TRACK)
    values.pop("attached")
    codec: str = values["codec"]
    layout = context.layout
    extradata = context.extradata if codec in {"flac", "alac"} else None
    return AudioStream(
        **values,
        profile=context.profile or (aac_profile(context.extradata) if codec == "aac" else None),
        sample_rate=context.sample_rate or None,
        channels=layout.nb_channels or None,
        layout=_layout_name(layout.name, layout.nb_channels),
        sample_format=context.format.name if context.format else None,
        bit_depth=audio_bits(codec, extradata),
        frames_declared=stream.frames or None,
        frames_counted=counted.packets if counted else None,
    )


def subtitle(stream: Stream, track: Track | None) -> SubtitleStream:
    """The description of a subtitle stream."""
    values = _shared(stream, stream.codec_context, track or _NO_TRACK)
    values.pop("attached")
    return SubtitleStream(**values)


def data(stream: Stream, track: Track | None) -> DataStream:
    """The description of any other stream, or of one that no decoder here knows."""
    track = track or _NO_TRACK
    values = _shared(stream, None, track)
    values.pop("attached")
    if values["codec"] is None and stream.type == "data":
        values["codec"] = stream.name
    kind = stream.type if stream.type != "data" else None
    return DataStream(**values, handler=track.handler or kind)


def attachment(stream: Any) -> Attachment:
    """The description of an attached file."""
    tags = texts(stream.metadata)
    return Attachment(
        index=stream.index,
        filename=_get(tags, "filename"),
        mime_type=_get(tags, "mimetype"),
        size_bytes=len(stream.data) or None,
    )


def hdr(codec: str, extradata: bytes | None, description: Colour, track: Track) -> HdrMetadata | None:
    """The HDR description of transfer, container and parameter sets; None for SDR."""
    transfer = description.transfer
    if track.dolby is None and transfer not in {"smpte2084", "arib-std-b67"}:
        return None
    found = hdr_of_parameters(codec, extradata) if extradata else StaticHdr()
    mastering = track.mastering or found.mastering
    light = track.light or found.light
    if track.dolby is not None:
        name = "dolby-vision"
    elif transfer == "arib-std-b67":
        name = "hlg"
    else:
        name = "hdr10" if mastering or light else "pq"
    return HdrMetadata(
        format=name,
        mastering=mastering,
        content_light=light,
        dolby_vision=track.dolby,
    )


def _shared(stream: Stream, context: Any, track: Track) -> dict[str, Any]:
    tags = texts(stream.metadata)
    base = ratio(stream.time_base)
    start, duration = stream.start_time, stream.duration
    seconds = None
    if base is not None:
        num, den = base.numerator, base.denominator
        start = None if start is None else start * num / den  # type: ignore[assignment]
        seconds = None if duration is None else duration * num / den
    if seconds is None and tags:
        seconds = _tagged_duration(tags)
    bits = int(stream.disposition.value)
    language = tags.get("language")
    return {
        "index": stream.index,
        "codec": _canonical(context) if context is not None else None,
        "codec_tag": _tag(context.codec_tag) if context is not None else None,
        "language": language if language != "und" else None,
        "title": _title(tags) if tags else None,
        "dispositions": _dispositions(bits) if bits else [],
        "start_s": start,
        "duration_s": seconds,
        "bit_rate": (context.bit_rate if context is not None else None) or _tagged_bit_rate(tags),
        "encrypted": track.scheme is not None,
        "edits": track.edits,
        "tags": bounded(tags),
        "attached": bits & _ATTACHED,
    }


_CANONICAL: dict[str, str] = {}


def _canonical(context: Any) -> str:
    """The codec's name, not the decoder's: av1, not libdav1d."""
    decoder: str = context.name
    name = _CANONICAL.get(decoder)
    if name is None:
        name = _CANONICAL[decoder] = context.codec.canonical_name
    return name


@lru_cache(maxsize=512)
def _tag(text: str) -> str | None:
    """A four-character code, if it is one: MPEG-TS and MXF have numbers there."""
    text = text.rstrip("\0 ")
    return text if len(text) > 1 and text.isprintable() else None


@lru_cache(maxsize=256)
def _named(bits: int) -> tuple[str, ...]:
    return tuple(name for i, name in enumerate(_DISPOSITIONS) if name and bits >> i & 1)


def _dispositions(bits: int) -> list[str]:
    return list(_named(bits))


def _title(tags: Mapping[str, str]) -> str | None:
    """The stream's title; QuickTime has it in the handler's name, where muxers write a word of their own."""
    title = _get(tags, "title")
    if title is None:
        title = _get(tags, "handler_name")
        if title is not None and ("andler" in title or title.startswith("Core Media")):
            return None
    return title


def _tagged_duration(tags: Mapping[str, str]) -> float | None:
    """Matroska's statistics tag: ``00:00:02.000000000``."""
    found = _DURATION_TAG.match(tags.get("DURATION") or tags.get("DURATION-eng") or "")
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None


def _tagged_bit_rate(tags: Mapping[str, str]) -> int | None:
    text = tags.get("BPS") or tags.get("BPS-eng") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 13 else None


def _pace(
    stream: Any, track: Track, family: str, counted: Counted | None, *, still: bool
) -> tuple[Pace, Fraction | None, Fraction | None, Fraction | None]:
    average, nominal, guessed = map(ratio, (stream.average_rate, stream.base_rate, stream.guessed_rate))
    if still:
        return ("cfr", "single-frame"), average, nominal, guessed
    # DV states ticks, not frames, as its average.
    if average and average > 1000 and nominal and nominal <= 1000:
        average = nominal
    if counted is not None and counted.constant is not None:
        return ("cfr" if counted.constant else "vfr", "packet-scan"), average, nominal, guessed
    pace = decide(
        family=family, table=track.constant_rate, frames=stream.frames, average=average, nominal=nominal
    )
    return pace, average, nominal, guessed


def _rate(rate: Fraction | None) -> str | None:
    return f"{rate.numerator}/{rate.denominator}" if rate else None


@lru_cache(maxsize=512)
def _ratio(width: int, height: int) -> str | None:
    if not width or not height:
        return None
    ratio = Fraction(width, height)
    return f"{ratio.numerator}:{ratio.denominator}"


def _fields(codec: str, number: int, height: int) -> FieldOrder:
    if number == 0 and codec == "dvvideo" and height in _DV_HEIGHTS:
        return "bb"
    return field_order(number)


def _location(codec: str, extradata: bytes | None, track: Track) -> str | None:
    if extradata:
        return chroma_location(codec, extradata)
    return track.chroma_location or _FIXED_LOCATION.get(codec)


@lru_cache(maxsize=256)
def _layout_name(name: str, channels: int) -> str | None:
    """A layout that has a name: libavutil calls others "2 channels"."""
    return None if not name or name == f"{channels} channels" else name


def _get(tags: Mapping[str, str], key: str) -> str | None:
    return tags.get(key) or tags.get(key.upper()) or None
