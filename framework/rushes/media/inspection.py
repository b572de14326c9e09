"""Describe one clip: PyAV opens it once, the container's own headers fill in what PyAV lacks.

Header-only by default: a file of 500 GB costs a few reads. Sources are opened read-only, by demuxers on the
allow-list, by name and never as a stream of bytes. What is wrong with a clip but leaves it readable becomes a
warning; what leaves it unreadable becomes one `MediaError`, quickly.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rushes.asset import Asset
from rushes.errors import CallerError, MediaError
from rushes.media import streams as describing
from rushes.media.checksum import digest
from rushes.media.findings import Facts, findings
from rushes.media.formats import IMAGE_SUFFIXES
from rushes.media.guard import av_arguments, av_options, check_source
from rushes.media.isobmff import is_iso, read_iso
from rushes.media.matroska import is_matroska, read_matroska
from rushes.media.mxf import is_mxf, operational_pattern, was_completed
from rushes.media.origin import bounded, find_camera, find_reel, find_timecode
from rushes.media.scan import Counted, count_packets
from rushes.media.schema import Chapter, Container, Encryption, MediaInfo
from rushes.media.structure import Structure, Track
from rushes.media.wholeness import missing_end

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream

__all__ = ["describe"]

# Enough for the top of every container, and for the whole index of a short faststart clip.
_HEAD_BYTES: Final = 8192
_MICROSECONDS: Final = 1_000_000
_OPTIONS: Final = av_options()
# Text that names other media: refused before any demuxer sees it, so that the reason can be said.
_PLAYLISTS: Final = (
    (b"#EXTM3U", "an HLS playlist"),
    (b"ffconcat version", "a concat list"),
    (b"v=0\r\n", "a session description (SDP)"),
    (b"v=0\n", "a session description (SDP)"),
    (b"[playlist]", "a playlist"),
    (b"[Reference]", "a playlist"),
)
_XML_PLAYLISTS: Final = ((b"<MPD", "a DASH manifest"), (b"<SmoothStreamingMedia", "a streaming manifest"))
_ISO_FORMATS: Final = {
    "qt": "mov",
    "M4A": "m4a",
    "M4B": "m4a",
    "mif1": "heif",
    "heic": "heif",
    "avif": "avif",
}


def describe(
    asset: Asset | str | os.PathLike[str],
    *,
    count_frames: bool = False,
    checksum: str | None = None,
    deep: bool = False,
) -> MediaInfo:
    """Everything that can be found out about one clip without decoding it.

    Args:
        asset: a local file or an image sequence.
        count_frames: read all packets: true counts and durations, VFR for certain, timestamps that jump.
        checksum: also digest all bytes: sha256, sha1, md5 or blake2b.
        deep: also decode the first frame, with PyAV and with the encoding build, and say where they disagree.

    Raises:
        CallerError: the file is missing, unreadable or no regular file; the checksum is unknown.
        MediaError: it is no media, is damaged beyond opening, or is refused.
    """
    clip = Asset.of(asset)
    if clip.sequence is not None and not os.path.lexists(clip.path):
        from rushes.media.stills import describe_sequence  # noqa: PLC0415 - only for sequences

        info = describe_sequence(clip, checksum=checksum)
    else:
        info = _describe_file(clip, count_frames=count_frames, checksum=checksum)
    if deep:
        from rushes.media.second_look import look_closer  # noqa: PLC0415 - decodes, starts ffmpeg

        info = look_closer(clip, info)
    return info


def open_clip(clip: Asset, path: str) -> InputContainer:
    """The clip opened by PyAV within the limits of the guard.

    Raises:
        MediaError: PyAV cannot open it; says why as far as that is known.
    """
    import av  # noqa: PLC0415 - heavy; the command line imports this module

    try:
        if clip.suffix in IMAGE_SUFFIXES:
            return av.open(metadata_errors="replace", **av_arguments(clip))
        return av.open(f"file:{path}", options=_OPTIONS, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise _unopened(clip, path, error) from error
    except MemoryError as error:
        raise MediaError(
            f"{clip.name} asks for more memory than there is.", code="too-large", fix="Check its source."
        ) from error


def _describe_file(clip: Asset, *, count_frames: bool, checksum: str | None) -> MediaInfo:
    path = os.path.abspath(clip.path)
    structure, head, size = _look(clip, path)
    container = open_clip(clip, path)
    try:
        counted = _count(clip, container) if count_frames else {}
        info = _assemble(clip, path, container, structure, size, head, counted)
    finally:
        container.close()
    if checksum is not None:
        info = info.model_copy(update={"checksum": digest([Path(path)], checksum)})
    return info


def _look(clip: Asset, path: str) -> tuple[Structure, bytes, int]:
    """What the container's own headers say; refuses what PyAV must not be given.

    The guard's check explains what is wrong with a path; the common good one costs an open that is needed
    anyway.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        check_source(clip)
        raise CallerError(
            f"{path} cannot be opened: {error}.", code="not-readable", fix="Check it."
        ) from error
    try:
        status = os.fstat(descriptor)
        size = status.st_size
        if not stat.S_ISREG(status.st_mode) or not size:
            check_source(clip)
        head = os.pread(descriptor, _HEAD_BYTES, 0)
        _refuse_playlists(clip, head)

        def read(offset: int, length: int) -> bytes:
            return os.pread(descriptor, length, offset)

        if is_iso(head):
            structure = read_iso(read, size, head)
        elif is_matroska(head):
            structure = read_matroska(read, size, head)
        elif is_mxf(head):
            structure = Structure(family="mxf", live=not was_completed(head))
        else:
            structure = Structure()
    except OSError as error:
        raise CallerError(
            f"{path} cannot be read: {error.strerror}.", code="not-readable", fix="Check the disk it is on."
        ) from error
    finally:
        os.close(descriptor)
    if structure.family == "iso" and not structure.has_index and not structure.fragmented:
        raise _no_index(clip, structure)
    if structure.impossible:
        raise MediaError(
            f"{clip.name} is damaged or made to do harm: {structure.impossible}.",
            code="impossible-index",
            fix="Copy it from the source again.",
        )
    return structure, head, size


def _refuse_playlists(clip: Asset, head: bytes) -> None:
    start = head[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    kind = next((name for mark, name in _PLAYLISTS if start.startswith(mark)), None)
    if kind is None and start[:1] == b"<":
        kind = next((name for mark, name in _XML_PLAYLISTS if mark in start), None)
    if kind is not None:
        raise MediaError(
            f"{clip.name} is {kind}: it names other files and is not opened.",
            code="refused-format",
            fix="Name the media files themselves.",
        )


def _no_index(clip: Asset, structure: Structure) -> MediaError:
    cut = f", and {structure.missing_bytes:,} bytes are missing at its end" if structure.missing_bytes else ""
    return MediaError(
        f"{clip.name} has no index (moov){cut}: the recording was not finished or the copy was cut off.",
        code="truncated",
        fix="Copy it from the source again, or repair it with the camera's tool.",
    )


def _unopened(clip: Asset, path: str, error: Exception) -> MediaError:
    """Why PyAV could not open a clip, in the order of what helps most."""
    details = {"av": f"{type(error).__name__}: {error}"[:500]}
    cut = missing_end(Path(path))
    if cut is not None:
        return MediaError(
            f"{clip.name} {cut}.",
            code="truncated",
            fix="Copy it from the source again.",
            details=details,
        )
    return MediaError(
        f"{clip.name} is no media that can be opened here.",
        code="not-media",
        fix="Check that it is a video, sound or picture file, and that it plays at its source.",
        details=details,
    )


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


def _assemble(
    clip: Asset,
    path: str,
    container: InputContainer,
    structure: Structure,
    size: int,
    head: bytes,
    counted: Mapping[int, Counted],
) -> MediaInfo:
    names = container.format.name
    family = structure.family or ("still" if names == "image2" or names.endswith("_pipe") else names)
    tags: dict[str, str] = container.metadata
    video, audio, subtitles, data, attachments = [], [], [], [], []
    labelled: list[tuple[int, str, Mapping[str, str]]] = []
    for stream, track in _paired(list(container.streams), structure):
        kind, context = stream.type, stream.codec_context
        labelled.append((stream.index, track.handler if track else kind, stream.metadata))
        if kind == "video" and context is not None:
            video.append(describing.video(stream, context, track, family, counted.get(stream.index)))  # type: ignore[arg-type]
        elif kind == "audio" and context is not None:
            audio.append(describing.audio(stream, context, track, counted.get(stream.index)))  # type: ignore[arg-type]
        elif kind == "subtitle":
            subtitles.append(describing.subtitle(stream, track))
        elif kind == "attachment":
            attachments.append(describing.attachment(stream))
        else:
            data.append(describing.data(stream, track))
    if not (video or audio or subtitles or data):
        raise MediaError(
            f"{clip.name} holds no stream at all.", code="not-media", fix="Check that it plays at its source."
        )
    still = family == "still"
    duration, start, bit_rate = container.duration, container.start_time, container.bit_rate
    rate = next((v.frame_rate for v in video if v.frame_rate and not v.attached_picture), None)
    timecode, bad_timecode = find_timecode(tags, labelled, family=family, rate=rate)
    if timecode is not None and timecode.stream is not None:
        timecode = _at_track_rate(timecode, timecode.stream, container, structure)
    chapters = container.chapters()
    info = MediaInfo(
        name=clip.name,
        container=Container(
            format=_format(names, structure),
            format_names=names.split(","),
            brand=structure.brand if structure.family == "iso" else None,
            size_bytes=size,
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
        subtitles=subtitles,
        data=data,
        chapters=[_chapter(c) for c in chapters] if chapters else [],
        attachments=attachments,
        timecode=timecode,
        time_reference_s=_time_reference(tags, audio),
        reel=find_reel(tags, labelled),
        camera=find_camera(tags),
        encryption=_encryption(structure),
        tags=bounded(tags),
    )
    warnings = findings(info, Facts(structure, _cut(path, structure, head), counted, bad_timecode))
    if warnings:
        info.warnings.extend(warnings)
    return info


def _paired(streams: Sequence[Stream], structure: Structure) -> list[tuple[Stream, Track | None]]:
    """Each stream with its track header: by id in ISO files, by place and kind in Matroska."""
    tracks = structure.tracks
    if not tracks:
        return [(stream, None) for stream in streams]
    if structure.family == "iso":
        by_id = {track.id: track for track in tracks}
        return [(s, by_id.get(s.id) if not s.disposition & 0x400 else None) for s in streams]
    pairs: list[tuple[Stream, Track | None]] = []
    for place, stream in enumerate(streams):
        track = tracks[place] if place < len(tracks) else None
        pairs.append((stream, track if track is not None and track.kind == stream.type else None))
    return pairs


def _at_track_rate(timecode: Any, index: int, container: InputContainer, structure: Structure) -> Any:
    """The timecode with the rate of its own track, where that states one."""
    track = next((t for t in structure.tracks if t.id == container.streams[index].id), None)
    if track is None or track.timecode_rate is None:
        return timecode
    num, den = track.timecode_rate
    from fractions import Fraction  # noqa: PLC0415

    rate = Fraction(num, den)
    return timecode.model_copy(update={"rate": f"{rate.numerator}/{rate.denominator}"})


def _cut(path: str, structure: Structure, head: bytes) -> str | None:
    """How the file shows that its end is missing; its parsed headers tell where they can."""
    if structure.missing_bytes:
        return f"is cut short: {structure.missing_bytes:,} bytes are missing at its end"
    if structure.family in {"iso", "matroska"} and not structure.fragmented:
        return None
    if len(head) < _HEAD_BYTES and not structure.family:
        return None
    return missing_end(Path(path))


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
    base = float(chapter["time_base"] or 0)
    return Chapter(
        start_s=chapter["start"] * base,
        end_s=chapter["end"] * base,
        title=chapter["metadata"].get("title"),
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
