"""Whether an output is what was asked for, read back with another decoder than the one that made it.

All packets and timestamps are read, the first and the last group of pictures decoded (or everything), and
frames and duration compared with what the source holds. This module must not know how the output was made.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import av
import av.error
from pydantic import TypeAdapter

from rushes.asset import Asset
from rushes.errors import CallerError, MediaError, PlatformError, RushesError
from rushes.media.describing.truth import (
    SourceTruth,
    StreamCount,
    count_packets,
    open_source,
    packet_count,
    primary_video,
    source_truth,
)
from rushes.media.describing.wholeness import missing_end
from rushes.media.readers.decoding import Decoding, decode_from
from rushes.media.readers.dialect import ratio
from rushes.media.readers.patience import UnreadableError
from rushes.media.readers.questions import ask_about

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet as AnyPacket
    from av.stream import Stream
    from av.video.stream import VideoStream

    Packet = AnyPacket[Any]

__all__ = ["ExpectedOutput", "Level", "SourceTruth", "Verification", "packet_count", "source_truth", "verify"]

Level = Literal["packets", "full"]

# A codec adds its own silence before and after: AAC 1024 to 2112 samples, Opus 312, MP2 1152.
_AUDIO_TOLERANCE_S: Final = 0.15
# A first group longer than this is not decoded to its end: with x264's longest, 250 pictures, verifying would
# take 3 % of the time of a minute's encode, decoding being done by one thread (see `decoding`).
_FIRST_FRAMES: Final = 100
# Of a codec that has only keyframes a group is one picture: too few to say anything.
_FIRST_AT_LEAST: Final = 12
_AUDIO_PACKETS: Final = 8


@dataclass(frozen=True)
class ExpectedOutput:
    """What an output must be; None where it does not matter.

    Args:
        frames: pictures.
        duration_s: of the video, or of the audio if there is no video.
        tolerance_frames: by how many pictures it may differ either way.
        tolerance_s: by how much the duration may differ; None for that many pictures, at least 50 ms.
        longest_s: how long it may last where the source's own times leave holes, e.g. where a clip was cut
            amid B-frames; None when it leaves none.
        leading: pictures that may be missing at the start beside that (`SourceTruth.leading`).
        has_video: whether there must be moving pictures.
        audio_tracks: how many.
        audio_s: how long each of them must be at least, within 150 ms and `tolerance_s`.
        width, height: in pixels, as coded.
        source_problem: what is known to be wrong with the source: it is then to blame.
    """

    frames: int | None = None
    duration_s: float | None = None
    tolerance_frames: int = 1
    tolerance_s: float | None = None
    longest_s: float | None = None
    leading: int = 0
    has_video: bool | None = None
    audio_tracks: int | None = None
    audio_s: float | None = None
    width: int | None = None
    height: int | None = None
    source_problem: str | None = None

    @classmethod
    def of(cls, truth: SourceTruth, **changes: Any) -> ExpectedOutput:
        """What an encode of the whole of a source must be, before what its profile changes."""
        facts: dict[str, Any] = {
            "frames": truth.frames,
            "duration_s": truth.duration_s,
            "leading": truth.leading,
            "has_video": truth.frames is not None or None,
            "source_problem": truth.problem,
        }
        return cls(**facts | changes)


@dataclass(frozen=True)
class Verification:
    """What was found in an output that passed.

    Args:
        level: how much was decoded.
        frames: pictures, by packets.
        duration_s: of the video, or of the longest audio.
        audio_s: duration of each audio track.
        decoded_frames: how many pictures were decoded.
        seconds: how long verifying took.
        warnings: what is odd but not wrong.
    """

    level: Level
    frames: int | None
    duration_s: float | None
    audio_s: tuple[float, ...]
    decoded_frames: int
    seconds: float
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For the receipt; the time it took is not of the result."""
        facts = asdict(self)
        facts.pop("seconds")
        return facts


def verify(
    output: str | os.PathLike[str],
    expected: ExpectedOutput,
    level: Level = "packets",
    *,
    cancelled: Callable[[], bool] = lambda: False,
) -> Verification:
    """What was found in `output`, if it is what was expected.

    Raises:
        MediaError: it is not, and the source is to blame (``truncated``, ``damaged``).
        PlatformError: it is not (``bad-output``).
        Cancelled: `cancelled` said so.
    """
    path = Path(output)
    asset = Asset.of(path)
    try:
        return ask_about(
            "verify",
            asset,
            os.path.abspath(path),  # noqa: PTH100 - resolve() would follow links
            _verifications().validate_json,
            arguments={"expected": asdict(expected), "level": level},
            cancelled=cancelled,
        )
    except (CallerError, UnreadableError) as error:
        raise _bad(path, f"cannot be read back: {error}", expected) from error
    except MediaError as error:
        if error.code == "empty":
            raise _bad(path, "cannot be read back: it is empty", expected) from error
        raise


def verify_here(path: Path, expected: ExpectedOutput, level: Level) -> Verification:
    """As `verify`, read in this process: a reader's answer."""
    began = time.monotonic()
    try:
        found, warnings = _Reading(path, level).read()
    except (av.error.FFmpegError, MediaError, OSError) as error:
        raise _bad(path, f"cannot be read back: {error}", expected) from error
    for complaint in _complaints(found, expected):
        raise _bad(path, complaint, expected)
    return Verification(
        level=level,
        frames=found.frames,
        duration_s=found.duration_s,
        audio_s=found.audio_s,
        decoded_frames=found.decoded,
        seconds=time.monotonic() - began,
        warnings=tuple(warnings),
    )


@cache
def _verifications() -> TypeAdapter[Verification]:
    return TypeAdapter(Verification)


@dataclass(frozen=True)
class _Found:
    frames: int | None
    duration_s: float | None
    rate: Fraction | None
    audio_s: tuple[float, ...]
    audio_tracks: int
    width: int | None
    height: int | None
    decoded: int
    problem: str | None


class _Reading:
    """One output, read once for its packets and where needed once more for its pictures."""

    def __init__(self, path: Path, level: Level) -> None:
        self._path = path
        self._level = level
        self._decoded = 0
        self._problem: str | None = None
        self._last_key: int | None = None
        self._open_streams: dict[int, Decoding] = {}

    def read(self) -> tuple[_Found, list[str]]:
        problem = missing_end(self._path)
        with open_source(Asset.of(self._path)) as container:
            video = primary_video(container)
            self._open_streams = {
                stream.index: Decoding(stream, self._limit(stream))
                for stream in container.streams
                if stream.type == "audio" or stream is video
            }
            counts, error = count_packets(container, visit=self._visit)
            for decoding in self._open_streams.values():
                decoding.finish()
            seen = counts[video.index] if video is not None else None
            if video is not None and self._level == "packets":
                self._last_group(container, video, counts[video.index])
            problem = problem or self._first_problem(error, counts)
            return self._found(container, video, counts, problem), _oddities(counts, seen)

    def _limit(self, stream: Stream) -> int | None:
        if self._level == "full":
            return None
        return _FIRST_FRAMES if stream.type == "video" else _AUDIO_PACKETS

    def _visit(self, packet: Packet) -> None:
        decoding = self._open_streams.get(packet.stream_index)
        if decoding is None:
            return
        if packet.stream.type == "video" and packet.is_keyframe and packet.pts is not None:
            if self._level == "packets" and decoding.packets >= _FIRST_AT_LEAST:
                decoding.finish()
            self._last_key = packet.pts
        decoding.feed(packet)

    def _last_group(self, container: InputContainer, video: VideoStream, count: StreamCount) -> None:
        """Decodes from the last keyframe to the end, unless the first group was all there is."""
        decoding = self._open_streams[video.index]
        if self._last_key is None or decoding.packets >= count.packets:
            return
        self._open_streams[-1] = decode_from(container, video, self._last_key)

    def _first_problem(self, error: str | None, counts: dict[int, StreamCount]) -> str | None:
        if error is not None:
            return f"cannot be read to its end ({error})"
        for decoding in self._open_streams.values():
            if decoding.problem is not None:
                return decoding.problem
        corrupt = sum(count.corrupt for count in counts.values())
        return f"has {corrupt} incomplete packets" if corrupt else None

    def _found(
        self,
        container: InputContainer,
        video: VideoStream | None,
        counts: dict[int, StreamCount],
        problem: str | None,
    ) -> _Found:
        seen = counts[video.index] if video is not None else None
        audio = tuple(counts[stream.index].duration_s or 0.0 for stream in container.streams.audio)
        frames = None if seen is None else seen.packets - seen.hidden
        decoded = sum(d.frames for d in self._open_streams.values() if d.kind == "video")
        if self._level == "full" and frames is not None and problem is None and decoded != frames:
            problem = f"has {frames} frames of which {decoded} can be decoded"
        return _Found(
            frames=frames,
            duration_s=seen.duration_s if seen is not None else max(audio, default=None),
            rate=ratio(video.average_rate) if video is not None else None,
            audio_s=audio,
            audio_tracks=len(container.streams.audio),
            width=video.width if video is not None else None,
            height=video.height if video is not None else None,
            decoded=decoded,
            problem=problem,
        )


def _complaints(found: _Found, expected: ExpectedOutput) -> Iterator[str]:
    """What is wrong with an output, the worst first."""
    if found.problem is not None:
        yield found.problem
    if expected.has_video is not None and expected.has_video != (found.frames is not None):
        yield "has no video" if expected.has_video else "has video where none was asked for"
    if expected.audio_tracks is not None and found.audio_tracks != expected.audio_tracks:
        yield f"has {found.audio_tracks} audio tracks instead of {expected.audio_tracks}"
    for name, size, wanted in (
        ("wide", found.width, expected.width),
        ("high", found.height, expected.height),
    ):
        if wanted is not None and size != wanted:
            yield f"is {size} pixels {name} instead of {wanted}"
    if expected.frames is not None and found.frames is not None:
        least = expected.frames - expected.tolerance_frames - expected.leading
        if not least <= found.frames <= expected.frames + expected.tolerance_frames:
            yield f"has {found.frames} frames instead of {expected.frames}"
    yield from _wrong_durations(found, expected)


def _wrong_durations(found: _Found, expected: ExpectedOutput) -> Iterator[str]:
    picture_s = float(1 / found.rate) if found.rate else 0.04
    tolerance = expected.tolerance_s
    if tolerance is None:
        tolerance = max(0.05, expected.tolerance_frames * picture_s) + 0.002
        if found.frames is None:
            tolerance = _AUDIO_TOLERANCE_S
    if expected.duration_s is not None:
        least = expected.duration_s - tolerance - expected.leading * picture_s
        if found.duration_s is None:
            yield "has no timestamps"
        elif not least <= found.duration_s <= max(expected.duration_s, expected.longest_s or 0) + tolerance:
            yield f"lasts {found.duration_s:.3f} s instead of {expected.duration_s:.3f} s"
    if expected.audio_s is not None:
        for number, duration in enumerate(found.audio_s, start=1):
            if duration < expected.audio_s - _AUDIO_TOLERANCE_S - tolerance:
                yield f"has {duration:.3f} s in audio track {number} instead of {expected.audio_s:.3f} s"


def _oddities(counts: dict[int, StreamCount], video: StreamCount | None) -> list[str]:
    odd = [
        f"{count.disordered} packets of stream {count.index} are not in decoding order"
        for count in counts.values()
        if count.disordered
    ]
    if video is not None and video.untimed:
        odd.append(f"{video.untimed} packets of the video have no timestamp")
    return odd


def _bad(path: Path, complaint: str, expected: ExpectedOutput) -> RushesError:
    details = {"output": path.name, "complaint": complaint, "source_problem": expected.source_problem}
    if expected.source_problem is not None:
        return MediaError(
            f"The source {expected.source_problem}; what was made of it {complaint}.",
            code="truncated",
            fix="Copy it from the source again, or wait until its copy is complete.",
            details=details,
        )
    return PlatformError(
        f"The output {path.name} {complaint}.",
        code="bad-output",
        fix="It is made again; if that does not help, try another encoder or ffmpeg build.",
        details=details,
    )
