"""What a clip is: PyAV opens it, and the container's own headers fill in what that lacks. A reader's answer.

Sources are opened read-only, by demuxers on the allow-list, by name and never as a stream of bytes. What is
wrong with a clip but leaves it readable becomes a warning; what leaves it unreadable becomes one
`MediaError`, quickly. This module must not know who asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rushes.asset import Asset
from rushes.errors import MediaError
from rushes.media.describing import streams
from rushes.media.describing.brief import may_tell_all, tells_all
from rushes.media.describing.findings import Facts, findings
from rushes.media.describing.first_packets import after_first_packets, leaves_questions
from rushes.media.describing.mxf import operational_pattern
from rushes.media.describing.origin import bounded, find_camera, find_reel, find_timecode
from rushes.media.describing.scan import Counted, count_packets
from rushes.media.describing.schema import (
    Attachment,
    AudioStream,
    Chapter,
    Container,
    DataStream,
    Encryption,
    MediaInfo,
    SubtitleStream,
    VideoStream,
)
from rushes.media.describing.sources import Looked, look, open_clip, readable
from rushes.media.describing.structure import Structure, Track
from rushes.media.describing.wholeness import missing_end
from rushes.media.readers.dialect import ratio, texts
from rushes.media.readers.guard import MAX_PIXELS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream

__all__ = ["describe_here"]

_MICROSECONDS: Final = 1_000_000
_ISO_FORMATS: Final = {
    "qt": "mov",
    "M4A": "m4a",
    "M4B": "m4a",
    "mif1": "heif",
    "heic": "heif",
    "avif": "avif",
}


def describe_here(clip: Asset, path: str, *, count_frames: bool) -> MediaInfo:
    """As `inspection.describe`, of one file, read in this process: a reader's answer."""
    looked = look(clip, path)
    container = _opened(looked, whole=count_frames)
    try:
        counted = _count(clip, container) if count_frames else {}
        return _assemble(looked, container, counted)
    finally:
        container.close()


def _opened(looked: Looked, *, whole: bool) -> InputContainer:
    """The clip, opened as briefly as its headers allow."""
    if not whole and may_tell_all(looked.structure):
        container = open_clip(looked.clip, looked.path, looked.demuxer, briefly=True)
        if tells_all(looked.structure, container.streams):
            return container
        container.close()
    return open_clip(looked.clip, looked.path, looked.demuxer, options=looked.options)


def _count(clip: Asset, container: InputContainer) -> dict[int, Counted]:
    import av  # noqa: PLC0415 - see open_clip

    try:
        return count_packets(container)
    except av.error.FFmpegError as error:
        raise MediaError(
            f"{clip.name} cannot be read to its end: {error.strerror}.",
            code="damaged",
            fix="Copy it from the source again.",
        ) from error


# -- putting it together --------------------------------------------------------------------------------


def _assemble(looked: Looked, container: InputContainer, counted: Mapping[int, Counted]) -> MediaInfo:
    clip, structure = looked.clip, looked.structure
    names = container.format.name
    family = structure.family or ("still" if names == "image2" or names.endswith("_pipe") else names)
    tags = texts(container.metadata)
    found = _streams(looked, container, family, counted)
    video, audio, labelled = found.video, found.audio, found.labelled
    for place, picture in enumerate(video):
        if not counted and leaves_questions(picture, family):
            video[place] = after_first_packets(container, picture)
    _refuse_empty(looked, found)
    still = family == "still"
    duration, start, bit_rate = container.duration, container.start_time, container.bit_rate
    rate = next((v.frame_rate for v in video if v.frame_rate and not v.attached_picture), None)
    timecode, bad_timecode = find_timecode(tags, labelled, family=family, rate=rate)
    if timecode is not None and timecode.stream is not None:
        timecode = _at_track_rate(timecode, timecode.stream, container, structure)
    chapters = container.chapters()
    info = MediaInfo(
        name=readable(clip.name),
        container=Container(
            format=_format(names, structure),
            brand=structure.brand if structure.family == "iso" else None,
            size_bytes=looked.size,
            duration_s=None if still or duration is None or duration <= 0 else duration / _MICROSECONDS,
            start_s=None if start is None else start / _MICROSECONDS,
            bit_rate=None if still else bit_rate or None,
            faststart=structure.index_first if structure.family == "iso" else None,
            fragmented=structure.fragmented if structure.family == "iso" else None,
            operational_pattern=operational_pattern(tags.get("operational_pattern_ul", "")) if tags else None,
            created=_created(tags),
        ),
        video=video,
        audio=audio,
        subtitles=found.subtitles,
        data=found.data,
        chapters=[_chapter(c) for c in chapters] if chapters else [],
        attachments=found.attachments,
        timecode=timecode,
        time_reference_s=_time_reference(tags, audio),
        reel=find_reel(tags, labelled),
        camera=find_camera(tags),
        encryption=_encryption(structure),
        tags=bounded(tags),
    )
    warnings = findings(info, Facts(structure, _cut(looked), counted, bad_timecode))
    if warnings:
        info.warnings.extend(warnings)
    return info


@dataclass(slots=True)
class _Found:
    """The streams of a container by kind, and what each is labelled with."""

    video: list[VideoStream] = field(default_factory=list)
    audio: list[AudioStream] = field(default_factory=list)
    subtitles: list[SubtitleStream] = field(default_factory=list)
    data: list[DataStream] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    labelled: list[tuple[int, str, Mapping[str, str]]] = field(default_factory=list)


def _streams(
    looked: Looked, container: InputContainer, family: str, counted: Mapping[int, Counted]
) -> _Found:
    found = _Found()
    for stream, track in _paired(list(container.streams), looked.structure):
        kind = stream.type
        context: Any = stream.codec_context
        index = stream.index
        found.labelled.append((index, track.handler if track else kind, texts(stream.metadata)))
        if kind == "video" and context is not None:
            found.video.append(streams.video(stream, context, track, family, counted.get(index)))
        elif kind == "audio" and context is not None:
            found.audio.append(streams.audio(stream, context, track, counted.get(index)))
        elif kind == "subtitle":
            found.subtitles.append(streams.subtitle(stream, track))
        elif kind == "attachment":
            found.attachments.append(streams.attachment(stream))
        else:
            found.data.append(streams.data(stream, track))
    return found


def _refuse_empty(looked: Looked, found: _Found) -> None:
    if not (found.video or found.audio or found.subtitles or found.data):
        raise MediaError(
            f"{looked.clip.name} holds no stream at all.",
            code="not-media",
            fix="Check that it plays at its source.",
        )
    if found.video and not found.audio and not any(v.width and v.height for v in found.video):
        raise MediaError(
            f"{looked.clip.name} holds a picture whose size cannot be read: it is damaged, or larger than "
            f"{MAX_PIXELS / 1e6:.0f} megapixels.",
            code="no-picture",
            fix="Check that it plays at its source.",
        )


def _paired(listed: Sequence[Stream], structure: Structure) -> list[tuple[Stream, Track | None]]:
    """Each stream with its track header: by id in ISO files, by place and kind in Matroska."""
    tracks = structure.tracks
    if not tracks:
        return [(stream, None) for stream in listed]
    if structure.family == "iso":
        by_id = {track.id: track for track in tracks}
        return [(s, by_id.get(s.id) if not s.disposition.value & 0x400 else None) for s in listed]
    pairs: list[tuple[Stream, Track | None]] = []
    for place, stream in enumerate(listed):
        track = tracks[place] if place < len(tracks) else None
        pairs.append((stream, track if track is not None and track.kind == stream.type else None))
    return pairs


def _at_track_rate(timecode: Any, index: int, container: InputContainer, structure: Structure) -> Any:
    """The timecode with the rate of its own track, where that states one."""
    track = next((t for t in structure.tracks if t.id == container.streams[index].id), None)
    if track is None or track.timecode_rate is None:
        return timecode
    num, den = track.timecode_rate
    rate = Fraction(num, den)
    return timecode.model_copy(update={"rate": f"{rate.numerator}/{rate.denominator}"})


def _cut(looked: Looked) -> str | None:
    """How the file shows that its end is missing; the headers that were read tell where they can."""
    structure = looked.structure
    if structure.missing_bytes:
        return f"is cut short: {structure.missing_bytes:,} bytes are missing at its end"
    if structure.family in {"iso", "matroska"} and not structure.fragmented:
        return None
    return missing_end(Path(looked.path))


def _format(names: str, structure: Structure) -> str:
    if structure.family == "iso":
        brand = structure.brand or "qt"
        return _ISO_FORMATS.get(brand, "3gp" if brand.startswith("3g") else "mp4")
    if structure.family == "matroska":
        return "webm" if structure.brand == "webm" else "matroska"
    return names.partition(",")[0]


def _created(tags: Mapping[str, str]) -> str | None:
    for key in ("com.apple.quicktime.creationdate", "creation_time", "modification_date", "DATE", "date"):
        if value := tags.get(key):
            return value
    return None


def _chapter(chapter: Mapping[str, Any]) -> Chapter:
    base = float(ratio(chapter["time_base"]) or 0)
    return Chapter(
        start_s=chapter["start"] * base,
        end_s=chapter["end"] * base,
        title=texts(chapter["metadata"]).get("title"),
    )


def _time_reference(tags: Mapping[str, str], audio: Sequence[Any]) -> float | None:
    text = tags.get("time_reference")
    if not text or not text.isascii() or not text.isdigit() or not audio or not audio[0].sample_rate:
        return None
    return int(text[:20]) / float(audio[0].sample_rate)


def _encryption(structure: Structure) -> Encryption | None:
    schemes = sorted({t.scheme for t in structure.tracks if t.scheme is not None})
    if not schemes and not structure.systems:
        return None
    return Encryption(schemes=schemes, systems=sorted(set(structure.systems)))
