"""Reads packaged segments back: what each holds, where it starts, and whether it can be played alone.

A track's initialisation and its segments are read as the one stream that they make, by another demuxer run
than the one that wrote them. This module must not know playlists.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import av
import av.error

from rushes.errors import Cancelled, MediaError
from rushes.media.ladders.codec_strings import codec_string
from rushes.media.ladders.playlists import Segment
from rushes.media.readers.dialect import ratio
from rushes.media.readers.guard import MAX_STREAMS
from rushes.media.readers.packets import open_source

__all__ = ["SegmentedTrack", "codecs_of", "read_segments", "start_of"]

_ASK_EVERY = 512


@dataclass(frozen=True, slots=True)
class SegmentedTrack:
    """What was found in the segments of one track: its codecs string, and each segment."""

    codecs: str
    segments: tuple[Segment, ...]


@dataclass(slots=True)
class _Seen:
    packets: int = 0
    start: int | None = None
    end: int = 0
    first_is_key: bool = False


def read_segments(
    init: Path, files: Sequence[Path], *, folder: Path, cancelled: Callable[[], bool] = lambda: False
) -> SegmentedTrack:
    """What the segments of one track hold, every packet looked at.

    Args:
        init: the initialisation segment.
        files: the others, in order.
        folder: where names count from.
        cancelled: asked every few hundred packets.

    Raises:
        MediaError: they make no stream that can be read to its end.
        Cancelled: `cancelled` said so.
    """
    parts = [init, *files]
    sizes = [part.stat().st_size for part in parts]
    starts = [0, *accumulate(sizes)]
    seen = [_Seen() for _ in parts]
    try:
        options = {"max_streams": str(MAX_STREAMS)}
        with av.open(_Joined(parts, sizes), mode="r", format="mp4", options=options) as container:
            (stream,) = container.streams
            base = ratio(stream.time_base) or Fraction(1)
            codecs = _codecs(stream)
            for number, packet in enumerate(container.demux(stream)):
                if number % _ASK_EVERY == 0 and cancelled():
                    raise Cancelled
                if packet.size == 0 or packet.pts is None or packet.pos is None:
                    continue
                _add(seen[bisect_right(starts, packet.pos) - 1], packet)
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise MediaError(
            f"{init.name} and its segments cannot be read back: {error}.",
            code="not-media",
            fix="It is made again; if that does not help, try another ffmpeg build.",
        ) from error
    return SegmentedTrack(codecs, _segments(seen[1:], files, sizes[1:], base, folder))


def start_of(path: Path) -> Fraction:
    """When the first frame of a file of one track is shown, in seconds.

    Raises:
        MediaError: it cannot be opened, or has no timestamps.
    """
    with open_source(path) as container:
        stream = container.streams[0]
        if stream.start_time is None or (base := ratio(stream.time_base)) is None:
            raise MediaError(f"{path.name} has no timestamps.", code="not-media", fix="Make it again.")
        return stream.start_time * base


def codecs_of(path: Path) -> str:
    """The codecs string of a file's first track.

    Raises:
        MediaError: it cannot be opened, or says nothing of its codec.
    """
    with open_source(path) as container:
        try:
            return _codecs(container.streams[0])
        except ValueError as error:
            raise MediaError(f"{path.name}: {error}.", code="not-media", fix="Make it again.") from error


def _codecs(stream: Any) -> str:
    # A decoder may have a name of its own; the codec's is what counts.
    return codec_string(stream.codec_context.codec.canonical_name, stream.codec_context.extradata or b"")


def _add(seen: _Seen, packet: Any) -> None:
    if seen.packets == 0:
        seen.first_is_key = packet.is_keyframe
    seen.packets += 1
    seen.start = packet.pts if seen.start is None else min(seen.start, packet.pts)
    seen.end = max(seen.end, packet.pts + (packet.duration or 0))


def _segments(
    seen: Sequence[_Seen], files: Sequence[Path], sizes: Sequence[int], base: Fraction, folder: Path
) -> tuple[Segment, ...]:
    # A segment lasts until the next one starts; the last one, until its last frame is over.
    bounds = [one.start if one.start is not None else 0 for one in seen]
    ends = [after for _, after in pairwise(bounds)] + [one.end for one in seen[-1:]]
    return tuple(
        Segment(
            name=file.relative_to(folder).as_posix(),
            size_bytes=size,
            frames=one.packets,
            start=start * base,
            duration=(end - start) * base,
            independent=one.first_is_key,
        )
        for one, file, size, start, end in zip(seen, files, sizes, bounds, ends, strict=True)
    )


class _Joined(io.RawIOBase):
    """Files one after the other, read as one."""

    def __init__(self, parts: Sequence[Path], sizes: Sequence[int]) -> None:
        self._parts = list(parts)
        self._starts = [0, *accumulate(sizes)]
        self._at = 0
        self._open: tuple[int, io.BufferedReader] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        number = bisect_right(self._starts, self._at) - 1
        if number >= len(self._parts):
            return b""
        left = self._starts[number + 1] - self._at
        file = self._part(number)
        file.seek(self._at - self._starts[number])
        data = file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None
        super().close()

    def _part(self, number: int) -> io.BufferedReader:
        if self._open is None or self._open[0] != number:
            if self._open is not None:
                self._open[1].close()
            self._open = (number, self._parts[number].open("rb"))
        return self._open[1]
