"""Clips of 5 GB that take a few megabytes of disk: a real second, then frames of zeros, written with holes.

Their indexes are true to the last entry, for a muxer has written them; the frames behind the first second
would not decode. Whoever only describes a clip does not see the difference.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av

__all__ = ["KINDS", "Made", "make"]

RATE: Final = 25
GOP: Final = 12
HZ: Final = 48_000
SAMPLES: Final = 1024
FRAME_BYTES: Final = 50_000_000 // 8 // RATE
_STRUCTURE: Final = (bytes.fromhex("0d010201"), bytes.fromhex("0d010101"))
_ZEROS: Final = bytes(FRAME_BYTES)
FORMS: Final[dict[str, tuple[str, str, str, dict[str, str]]]] = {
    "mp4, moov last": ("mp4", "h264", "aac", {}),
    "mp4, moov first": ("mp4", "h264", "aac", {"moov_size": "8000000"}),
    "mov": ("mov", "prores", "pcm_s24le", {}),
    "mxf": ("mxf", "mpeg2video", "pcm_s24le", {}),
    "mkv": ("matroska", "h264", "aac", {}),
}
KINDS: Final = tuple(FORMS)
_CODEC: Final[dict[str, tuple[str, str, dict[str, str]]]] = {
    "h264": ("libx264", "yuv420p", {"preset": "ultrafast", "bf": "2"}),
    "prores": ("prores_ks", "yuv422p10le", {"profile": "lt"}),
    "mpeg2video": ("mpeg2video", "yuv422p", {"bf": "2"}),
}


@dataclass(frozen=True, slots=True)
class Made:
    """A clip: where, how long, and how many bytes of it are index."""

    path: Path
    size_bytes: int
    index_bytes: int
    seconds: int


class _Holes:
    """A file to which zeros are not written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb+", buffering=0)
        self._end = 0
        self._zeros = memoryview(bytes(1 << 15))

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        for at in range(0, len(view), len(self._zeros)):
            part = view[at : at + len(self._zeros)]
            if part == self._zeros[: len(part)]:
                self._file.seek(len(part), os.SEEK_CUR)
            else:
                self._file.write(part)
        self._end = max(self._end, self._file.tell())
        return len(view)

    def read(self, count: int) -> bytes:
        return self._file.read(count)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._file.tell(), os.SEEK_END: self._end}[whence]
        return self._file.seek(base + offset)

    def tell(self) -> int:
        return self._file.tell()

    def end(self) -> int:
        self._file.truncate(self._end)
        self._file.close()
        return self._end


def make(kind: str, folder: Path, size_bytes: int) -> Made:
    """A clip of a kind, of at least so many bytes."""
    form, picture, sound, options = FORMS[kind]
    second = folder / f"second-{picture}-{sound}.mov"
    if not second.exists():
        _second(second, picture, sound)
    path = folder / f"{kind.replace(', ', '-').replace(' ', '-')}.{form.replace('matroska', 'mkv')}"
    sink, frames = _Holes(path), -(-size_bytes // FRAME_BYTES)
    with av.open(str(second)) as source:
        pictures = [packet for packet in source.demux(video=0) if packet.dts is not None]
        source.seek(0)
        sounds = next(packet for packet in source.demux(audio=0) if packet.size)
        target: Any = av.open(sink, "w", format=form, options=options)
        video, audio = (target.add_stream_from_template(one[0]) for one in _streams_of(source))
        heard = 0
        for frame in range(frames):
            number, place = divmod(frame, len(pictures))
            target.mux(_picture(pictures[place], number, video, picture))
            while heard < (frame + 1) * HZ // RATE:
                target.mux(_sound(sounds, heard, audio))
                heard += SAMPLES
        target.close()
    size = sink.end()
    return Made(path, size, _index_bytes(path, form, size), frames // RATE)


def _streams_of(source: Any) -> tuple[Any, Any]:
    return source.streams.video, source.streams.audio


def _second(path: Path, picture: str, sound: str) -> None:
    """A second, small: its pictures are filled up as they are copied."""
    encoder, pix_fmt, options = _CODEC[picture]
    with av.open(str(path), "w", format="mov") as target:
        video: Any = target.add_stream(encoder, rate=RATE, options=options)
        video.width, video.height, video.pix_fmt = 1920, 1080, pix_fmt
        video.bit_rate, video.codec_context.gop_size = 20_000_000, GOP
        audio: Any = target.add_stream(sound, rate=HZ, layout="stereo")
        for number in range(GOP * 2):
            frame = av.VideoFrame(1920, 1080, pix_fmt)
            for plane in frame.planes:
                plane.update(bytes([64 + number * 4]) * plane.buffer_size)
            frame.pts = number
            target.mux(video.encode(frame))
        target.mux(video.encode(None))
        for start in range(0, HZ, SAMPLES):
            block = av.AudioFrame(
                format="fltp" if sound == "aac" else "s32", layout="stereo", samples=SAMPLES
            )
            for silent in block.planes:
                silent.update(bytes(silent.buffer_size))
            block.sample_rate, block.pts = HZ, start
            target.mux(audio.encode(block))
        target.mux(audio.encode(None))


def _picture(packet: Any, number: int, stream: Any, codec: str) -> Any:
    """A picture of 50 Mb/s: filled up by what its codec skips, or zeros where nobody looks."""
    data = bytes(packet)
    lack = FRAME_BYTES - len(data)
    if number:
        data = _ZEROS
    elif codec == "h264":  # a NAL unit of type 12
        data += (lack - 4).to_bytes(4) + b"\x0c" + b"\xff" * (lack - 6) + b"\x80"
    else:
        data += bytes(lack)
    made = av.Packet(data)
    shift = round(number * GOP * 2 / RATE / packet.time_base)
    made.stream, made.time_base, made.is_keyframe = stream, packet.time_base, packet.is_keyframe
    made.pts, made.dts, made.duration = packet.pts + shift, packet.dts + shift, packet.duration
    return made


def _sound(packet: Any, heard: int, stream: Any) -> Any:
    made = av.Packet(bytes(packet))
    made.stream, made.time_base, made.is_keyframe = stream, Fraction(1, HZ), True
    made.pts = made.dts = heard
    made.duration = SAMPLES
    return made


# -- how much of a clip is index ----------------------------------------------------------------------------


def _index_bytes(path: Path, form: str, size: int) -> int:
    with path.open("rb", buffering=0) as file:
        parts = {"mxf": _klv, "matroska": _ebml}.get(form, _boxes)(file, size)
        return sum(parts)


def _boxes(file: Any, size: int) -> Iterator[int]:
    at = 0
    while at < size:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        if length == 1:
            length = struct.unpack(">Q", file.read(8))[0]
        if kind not in {b"mdat", b"free"}:
            yield length
        at += length or size


def _ebml(file: Any, size: int) -> Iterator[int]:
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(12)
        id_length = 9 - head[0].bit_length()
        length_bytes = 9 - head[id_length].bit_length()
        raw = int.from_bytes(head[id_length : id_length + length_bytes])
        length = raw - (1 << (7 * length_bytes))
        name, start = head[:id_length], id_length + length_bytes
        if name == bytes.fromhex("18538067"):  # the segment: what is in it
            at += start
            continue
        if name != bytes.fromhex("1f43b675"):  # no cluster
            yield start + length
        at += start + length


def _klv(file: Any, size: int) -> Iterator[int]:
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(25)
        first = head[16]
        more = first & 0x7F if first & 0x80 else 0
        length = int.from_bytes(head[17 : 17 + more]) if more else first
        # Partition packs, primers, index tables, the index of partitions; and the sets of the header.
        if head[8:12] in _STRUCTURE:
            yield 17 + more + length
        at += 17 + more + length
