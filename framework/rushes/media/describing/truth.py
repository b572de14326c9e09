"""What a source really holds, against what its header says: ffmpeg encodes half a clip and exits 0.

`source_truth` reads an index where the container has one, which costs nothing, and otherwise every packet
without decoding any. What it counts is what an encode has to deliver. This module must not know of encodes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

import av
from pydantic import TypeAdapter

from rushes.asset import Asset, ImageSequence
from rushes.errors import MediaError
from rushes.media.describing.wholeness import missing_end
from rushes.media.readers.decoding import decode_from
from rushes.media.readers.dialect import ratio
from rushes.media.readers.guard import check_source
from rushes.media.readers.handed import size_of
from rushes.media.readers.packets import StreamCount, count_packets, open_source, primary_video
from rushes.media.readers.questions import ask_about

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = [
    "SourceTruth",
    "StreamCount",
    "count_packets",
    "open_source",
    "packet_count",
    "packet_count_here",
    "primary_video",
    "source_truth",
    "truth_here",
]

# Formats whose duration stands in their header, so that what is missing shows. Others are guessed by FFmpeg
# from the last timestamps or the bit rate.
_DECLARES_DURATION: Final = frozenset(("matroska,webm", "mxf", "avi", "flac", "gxf", "w64", "aiff", "caf"))
# Streams that may be cut anywhere: only the last pictures tell.
_ENDS_ANYWHERE: Final = frozenset(("mpegts", "mpeg"))
# Uncompressed audio, whose length is its size.
_LENGTH_IS_HEADER: Final = frozenset(("wav", "w64", "aiff", "caf"))
# A muxer rounds, a subtitle lasts longer than the picture, an audio frame is 20–100 ms: less is no loss.
_MISSING_S: Final = 0.5
# Problems that are not those of a missing end.
_DAMAGE: Final = ("incomplete packet", "to its end", "inside a picture")


@dataclass(frozen=True)
class SourceTruth:
    """What a source holds.

    Args:
        frames: pictures that its video has to offer; None if it has none, or they cannot be counted.
        leading: how many of these, at most, a decoder may drop at the start (an open group of pictures).
        duration_s: of what is there: of the video, or of the longest audio.
        declared_frames: what the header says, edit lists not considered; None if it does not.
        declared_duration_s: what the header says, of all streams.
        audio_s: duration of each audio stream whose length is known, in the file's order.
        audio_tracks: how many audio streams there are.
        how: read from the index, from all packets, or counted as files of a sequence.
        problem: what is missing or damaged, as the rest of a sentence; None for a whole file.
    """

    frames: int | None
    duration_s: float | None
    leading: int = 0
    declared_frames: int | None = None
    declared_duration_s: float | None = None
    audio_s: tuple[float, ...] = ()
    audio_tracks: int = 0
    how: Literal["index", "packets", "files"] = "packets"
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """For the receipt."""
        return asdict(self)


def source_truth(
    source: Asset | str | os.PathLike[str],
    *,
    frame_rate: Fraction | None = None,
    strict: bool = True,
    every_packet: bool = False,
    cancelled: Callable[[], bool] = lambda: False,
) -> SourceTruth:
    """What `source` really holds.

    Args:
        source: a local file or image sequence.
        frame_rate: pictures a second, for an image sequence.
        strict: raise for a source whose end is missing; else it is told in `problem`.
        every_packet: read all packets even where an index says enough.
        cancelled: asked now and then while packets are read.

    Raises:
        CallerError: there is no such file.
        MediaError: it cannot be opened as media; or, when strict, ``truncated`` or ``damaged``.
    """
    asset = Asset.of(source)
    check_source(asset)
    if asset.sequence is not None and not asset.path.exists():
        return _of_sequence(asset.sequence, frame_rate)
    return ask_about(
        "truth",
        asset,
        _place(asset),
        _truths().validate_json,
        arguments={"strict": strict, "every_packet": every_packet},
        cancelled=cancelled,
    )


def truth_here(asset: Asset, *, strict: bool, every_packet: bool) -> SourceTruth:
    """As `source_truth`, of one file, read in this process: a reader's answer."""
    problem = missing_end(asset.path)
    if problem is not None and strict:
        raise _truncated(asset, problem)
    with open_source(asset) as container:
        indexed = None if every_packet else _by_index(container, size_of(asset.path))
        truth = indexed or _by_packets(container)
    problem = problem or truth.problem
    if problem is not None and strict:
        raise _truncated(asset, problem)
    return truth if problem == truth.problem else _with_problem(truth, problem)


def packet_count(path: str | os.PathLike[str], stream: int | None = None) -> int:
    """How many packets a stream has, those that an edit list leaves out not counted.

    Args:
        path: a local file.
        stream: its index; None for the first that shows moving pictures.

    Raises:
        CallerError: there is no such file.
        MediaError: it cannot be opened, or has no such stream.
    """
    asset = Asset.of(path)
    return ask_about(
        "packets", asset, _place(asset), lambda told: int(json.loads(told)), arguments={"stream": stream}
    )


def packet_count_here(asset: Asset, stream: int | None) -> int:
    """As `packet_count`, read in this process: a reader's answer."""
    with open_source(asset) as container:
        if stream is None:
            video = primary_video(container)
            stream = -1 if video is None else video.index
        counts, _ = count_packets(container)
        if stream not in counts:
            raise MediaError(
                f"{asset.name} has no such stream.", code="no-stream", fix="Look with `inspect`."
            )
        return counts[stream].packets


def _place(asset: Asset) -> str:
    return os.path.abspath(asset.path)  # noqa: PTH100 - resolve() would follow links


@cache
def _truths() -> TypeAdapter[SourceTruth]:
    return TypeAdapter(SourceTruth)


def _by_index(container: InputContainer, size: int) -> SourceTruth | None:
    """From an index or a header that can be trusted because the file is as long as its structure says."""
    video = primary_video(container)
    name = container.format.name
    if video is None:
        return _by_header(container, None) if name in _LENGTH_IS_HEADER else None
    if name == "mxf":
        return _by_header(container, video)
    if not name.startswith(("mov", "avi")) or not video.frames or not ratio(video.time_base):
        return None
    if len(video.index_entries) < video.frames:  # fragments, whose index is in pieces
        return None
    frames = leading = 0
    has_key = False
    for entry in video.index_entries:
        if entry.pos + entry.size > size or entry.size == 0:
            return None  # where it ends for all of its streams only the packets tell
        has_key = has_key or entry.is_keyframe
        if not entry.is_discard:
            frames += 1
            leading += not has_key
    return _declared(container, video, frames, leading, _shown_s(container, video))


def _shown_s(container: InputContainer, video: VideoStream) -> float | None:
    """How long the pictures of an index last by the times at which they are shown.

    The index sums up the times of decoding. A clip that was cut without encoding can end amid B-frames: its
    last pictures are shown later than as many pictures would be.
    """
    base = ratio(video.time_base)
    if video.duration is None or base is None:
        return None
    declared = video.duration
    if not video.codec_context.has_b_frames or not declared:
        return float(declared * base)
    keys = [entry.timestamp for entry in video.index_entries if entry.is_keyframe]
    if not keys:
        return float(declared * base)
    container.seek(keys[-1], stream=video)
    start = video.start_time or 0
    ends = (
        packet.pts + (packet.duration or 0)
        for packet in container.demux(video)
        if packet.pts is not None and not packet.is_discard
    )
    return float(max(max(ends, default=0) - start, declared) * base)


def _by_header(container: InputContainer, video: VideoStream | None) -> SourceTruth | None:
    """From the header of a file whose end is where the header says: an MXF counts in edit units."""
    if video is None:
        return _declared(container, None, None, 0, max(_declared_audio(container), default=None))
    base, rate = ratio(video.time_base), ratio(video.average_rate)
    if not video.duration or not base or not rate:
        return None
    duration = video.duration * base
    frames = duration * rate
    if frames.denominator != 1:
        return None
    return _declared(container, video, int(frames), 0, float(duration))


def _declared(
    container: InputContainer,
    video: VideoStream | None,
    frames: int | None,
    leading: int,
    duration_s: float | None,
) -> SourceTruth:
    return SourceTruth(
        frames=frames,
        duration_s=duration_s,
        leading=leading,
        declared_frames=None if video is None else video.frames or frames,
        declared_duration_s=_declared_s(container),
        audio_s=_declared_audio(container),
        audio_tracks=len(container.streams.audio),
        how="index",
    )


def _by_packets(container: InputContainer) -> SourceTruth:
    video = primary_video(container)
    counts, error = count_packets(container)
    audio = tuple(
        duration
        for stream in container.streams.audio
        if (duration := counts[stream.index].duration_s) is not None
    )
    seen = counts[video.index] if video is not None else None
    frames = None if seen is None or video is None else _pictures(seen, video)
    return SourceTruth(
        frames=frames,
        duration_s=seen.duration_s if seen is not None else max(audio, default=None),
        leading=seen.leading if seen is not None else 0,
        declared_frames=(video.frames or None) if video is not None else None,
        declared_duration_s=_declared_s(container),
        audio_s=audio,
        audio_tracks=len(container.streams.audio),
        how="packets",
        problem=_missing(container, video, counts, error) or _broken_end(container, video, seen),
    )


def _pictures(seen: StreamCount, video: VideoStream) -> int | None:
    """Pictures of so many packets; None where a packet may be one field of two."""
    pictures = seen.packets - seen.hidden
    rate, duration = ratio(video.average_rate), seen.duration_s
    if rate and duration and pictures > 1.5 * duration * rate + 2:
        return None
    return pictures


def _missing(
    container: InputContainer,
    video: VideoStream | None,
    counts: dict[int, StreamCount],
    error: str | None,
) -> str | None:
    """What the packets show to be missing; None for a whole file."""
    corrupt = sum(count.corrupt for count in counts.values())
    if error is not None:
        return f"cannot be read to its end ({error})"
    if corrupt:
        return f"has {corrupt} incomplete packet{'s' if corrupt > 1 else ''}"
    timed = [
        count for count in counts.values() if count.end_s is not None and count.kind in ("video", "audio")
    ]
    declared = _declared_s(container)
    if container.format.name in _DECLARES_DURATION and declared is not None and timed:
        start = min(count.start_s or 0.0 for count in timed)
        end = max(count.end_s or 0.0 for count in counts.values())
        # Some muxers count the duration from zero, some from the first packet: the kinder reading counts.
        if declared - max(end, end - start) > _MISSING_S:
            return f"declares {declared:.2f} s and holds {end - start:.2f} s"
    if video is not None and video.frames and container.format.name.startswith(("avi", "mov")):
        count = counts[video.index]
        if count.untimed == 0 and count.packets and _lost(container, video, count):
            return f"declares {video.frames} frames and holds {count.packets}"
    return None


def _broken_end(container: InputContainer, video: VideoStream | None, seen: StreamCount | None) -> str | None:
    """Whether a stream that knows no length of its own stops in the middle of a picture."""
    if container.format.name not in _ENDS_ANYWHERE or video is None or seen is None or seen.last_key is None:
        return None
    problem = decode_from(container, video, seen.last_key).problem
    return None if problem is None else f"ends inside a picture: its end {problem}"


def _lost(container: InputContainer, video: VideoStream, count: StreamCount) -> bool:
    # What an edit list leaves out is declared too, and an AVI counts frames that are empty.
    if container.format.name == "avi":
        return False
    listed = sum(1 for entry in video.index_entries if not entry.is_discard)
    return count.packets < min(video.frames, listed)


def _declared_s(container: InputContainer) -> float | None:
    return None if container.duration is None else container.duration / av.time_base


def _declared_audio(container: InputContainer) -> tuple[float, ...]:
    return tuple(
        float(stream.duration * base)
        for stream in container.streams.audio
        if stream.duration is not None and (base := ratio(stream.time_base)) is not None
    )


def _of_sequence(sequence: ImageSequence, frame_rate: Fraction | None) -> SourceTruth:
    """The pictures up to the first gap, which is where ffmpeg stops reading."""
    frames = 0
    for frame in range(sequence.first, sequence.last + 1):
        if not sequence.path(frame).exists():
            break
        frames += 1
    return SourceTruth(
        frames=frames,
        duration_s=float(frames / frame_rate) if frame_rate else None,
        declared_frames=len(sequence),
        how="files",
    )


def _truncated(asset: Asset, problem: str) -> MediaError:
    return MediaError(
        f"{asset.name} {problem}.",
        code="damaged" if any(word in problem for word in _DAMAGE) else "truncated",
        fix="Copy it from the source again, or wait until its copy is complete.",
        details={"source": str(asset.path)},
    )


def _with_problem(truth: SourceTruth, problem: str | None) -> SourceTruth:
    return SourceTruth(**{**asdict(truth), "problem": problem})
