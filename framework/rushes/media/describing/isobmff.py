"""ISO base media files (mp4, mov, m4a, 3gp): what the index says and libavformat does not hand on.

Display matrix, edit lists, sample table, encryption, HDR boxes, timecode flags, and whether the file is
whole (ISO/IEC 14496-12; QuickTime File Format; Dolby Vision Streams Within the ISO Base Media File Format).
Only box headers and small boxes are read, wherever the index lies: never the media. Pure but for the `read`
that it is given; it must not know PyAV.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from rushes.media.describing.hdr_boxes import content_light, dolby_vision, mastering_display
from rushes.media.describing.schema import Edit
from rushes.media.describing.structure import Structure, Track

__all__ = ["is_iso", "read_iso"]

Read = Callable[[int, int], bytes]

_FIRST: Final = frozenset(
    (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof", b"sidx", b"uuid")
)
# Walking the top level costs a read a box: a fragmented file has one pair for every second of media.
_MAX_TOP_BOXES: Final = 64
_MAX_TRACKS: Final = 1024
_MAX_DEPTH_BOXES: Final = 20_000
# An index below this is read in one go: two hours of 25 fps video with audio are about 5 MB, a clip 20 kB.
_WHOLE_INDEX_BYTES: Final = 262_144
_SMALL_BOX_BYTES: Final = 65_536
_CONTAINERS: Final = frozenset((b"trak", b"mdia", b"minf", b"stbl", b"edts"))
_MEDIA: Final = frozenset((b"mdat", b"moof"))
_TABLES: Final = frozenset((b"stts", b"ctts", b"stsz", b"stsd"))
_VISUAL_ENTRY_BYTES: Final = 86
_HEADER: Final = struct.Struct(">I4s")
_KINDS: Final = {"vide": "video", "soun": "audio", "sbtl": "subtitle", "text": "subtitle", "subp": "subtitle"}
_PAIR: Final = struct.Struct(">II")
_U32: Final = struct.Struct(">I")
_U64: Final = struct.Struct(">Q")
_MATRIX: Final = struct.Struct(">9i")
_ONE: Final = 65536


def is_iso(head: bytes) -> bool:
    """True if the first bytes of a file look like an ISO base media or QuickTime file."""
    return head[4:8] in _FIRST


def read_iso(read: Read, size: int, head: bytes) -> Structure:
    """The facts of an ISO base media file of `size` bytes.

    Args:
        read: `read(offset, length)` of the file; may return fewer bytes at its end.
        size: its size in bytes.
        head: its first bytes, to spare reads.
    """
    file = Structure(family="iso", has_index=False)
    offset = 0
    saw_media = False
    for _ in range(_MAX_TOP_BOXES):
        raw = head[offset : offset + 16] if offset + 16 <= len(head) else read(offset, 16)
        length, kind, skip = _top_box(raw, size - offset)
        if length < skip:
            break
        start, end = offset + skip, offset + length
        if kind == b"moov":
            file.has_index = True
            file.index_first = not saw_media
            _read_index(file, _index_bytes(read, head, start, min(end, size)), size)
        elif kind == b"ftyp":
            file.brand = head[start : min(start + 4, end)].decode("latin-1").strip() or None
        elif kind in _MEDIA:
            saw_media = True
            file.fragmented = file.fragmented or kind == b"moof"
        if end > size:
            file.missing_bytes = end - size
            break
        offset = end
        if file.fragmented and file.has_index:
            break
    return file


def _top_box(raw: bytes, rest: int) -> tuple[int, bytes, int]:
    """Length, kind and header length of the box that begins with `raw`; length 0 ends the walk."""
    if len(raw) < 8:
        return 0, b"", 8
    length, kind = _HEADER.unpack_from(raw)
    if length == 1 and len(raw) >= 16:
        return _U64.unpack_from(raw, 8)[0], kind, 16
    return (rest if length == 0 else length), kind, 8


def _index_bytes(read: Read, head: bytes, start: int, end: int) -> bytes:
    """The index without its large tables: their first bytes stand for them."""
    if end <= len(head):
        return head[start:end]
    if end - start <= _WHOLE_INDEX_BYTES:
        return read(start, end - start)
    parts: list[bytes] = []
    _slim(read, start, end, parts, [_MAX_DEPTH_BOXES])
    return b"".join(parts)


def _slim(read: Read, start: int, end: int, parts: list[bytes], budget: list[int]) -> int:
    """Append the boxes of a range, small ones whole, tables cut; returns how many bytes that made."""
    made = 0
    while start + 8 <= end and budget[0] > 0:
        budget[0] -= 1
        raw = read(start, 8)
        if len(raw) < 8:
            break
        length, kind = _HEADER.unpack(raw)
        if length < 8:
            break
        stop = min(start + length, end)
        if kind in _CONTAINERS:
            slot = len(parts)
            parts.append(b"")
            inside = _slim(read, start + 8, stop, parts, budget)
            parts[slot] = _HEADER.pack(inside + 8, kind)
            made += inside + 8
        elif length <= _SMALL_BOX_BYTES or kind in _TABLES:
            body = read(start + 8, min(length, _SMALL_BOX_BYTES) - 8)
            parts.append(_HEADER.pack(len(body) + 8, kind) + body)
            made += len(body) + 8
        start += length
    return made


def _boxes(buf: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the payload of each box in a range; stops at the first that makes no sense."""
    unpack = _HEADER.unpack_from
    while start + 8 <= end:
        length, kind = unpack(buf, start)
        skip = 8
        if length == 1 and start + 16 <= end:
            length, skip = _U64.unpack_from(buf, start + 8)[0], 16
        elif length == 0:
            length = end - start
        stop = start + length
        if length < skip or stop > end:
            return
        yield kind, start + skip, stop
        start = stop


def _read_index(file: Structure, buf: bytes, size: int) -> None:
    movie_scale = 0
    # All that is wanted of a sound track's sample table is whether it is encrypted.
    encrypted = b"sinf" in buf
    for kind, start, end in _boxes(buf, 0, len(buf)):
        if kind == b"trak":
            if len(file.tracks) < _MAX_TRACKS:
                file.tracks.append(
                    _track(_Index(file, buf, size, encrypted=encrypted), start, end, movie_scale)
                )
        elif kind == b"mvhd" and end - start >= 32:
            movie_scale = _U32.unpack_from(buf, start + (20 if buf[start] == 1 else 12))[0]
        elif kind == b"mvex":
            file.fragmented = True
        elif kind == b"pssh" and end - start >= 20:
            raw = buf[start + 4 : start + 20].hex()
            file.systems.append(f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}")


@dataclass(frozen=True, slots=True)
class _Index:
    """What every level of the walk through the index needs."""

    file: Structure
    buf: bytes
    size: int
    encrypted: bool


def _track(index: _Index, start: int, end: int, movie_scale: int) -> Track:
    buf = index.buf
    track = Track()
    edits = (0, 0)
    timescale = 0
    for kind, a, b in _boxes(buf, start, end):
        if kind == b"mdia":
            timescale = _media(index, track, a, b)
        elif kind == b"tkhd":
            _track_header(track, buf, a, b)
        elif kind == b"edts":
            edits = next(((c, d) for k, c, d in _boxes(buf, a, b) if k == b"elst"), edits)
    if edits[1]:
        track.edits = _edit_list(buf, *edits, movie_scale, timescale)
    return track


def _track_header(track: Track, buf: bytes, start: int, end: int) -> None:
    long = end - start >= 1 and buf[start] == 1
    matrix_at = start + (52 if long else 40)
    if matrix_at + 36 > end:
        return
    track.id = _U32.unpack_from(buf, start + (20 if long else 12))[0]
    a, b, _, c, d, *_ = _MATRIX.unpack_from(buf, matrix_at)
    if (a, b, c, d) != (_ONE, 0, 0, _ONE):
        track.rotation, track.flipped = _turn(a, b, c, d)


def _turn(a: int, b: int, c: int, d: int) -> tuple[int, bool]:
    """Clockwise quarter turns and mirroring of a display matrix; (0, False) for any other transform."""
    flipped = a * d - b * c < 0
    if flipped:  # mirror the columns first; what is left is a turn
        a, c = -a, -c
    if abs(a) > abs(b):
        return (0 if a > 0 else 180), flipped
    if b:
        return (90 if b > 0 else 270), flipped
    return 0, flipped


def _media(index: _Index, track: Track, start: int, end: int) -> int:
    buf = index.buf
    timescale = 0
    for kind, a, b in _boxes(buf, start, end):
        if kind == b"mdhd" and b - a >= 24:
            timescale = _U32.unpack_from(buf, a + (20 if buf[a] == 1 else 12))[0]
        elif kind == b"hdlr" and b - a >= 12:
            track.handler = buf[a + 8 : a + 12].decode("latin-1")
            track.kind = _KINDS.get(track.handler, "data")
        elif kind == b"minf" and (index.encrypted or track.kind != "audio"):
            for inner, c, d in _boxes(buf, a, b):
                if inner == b"stbl":
                    _sample_table(index, track, c, d)
    return timescale


def _sample_table(index: _Index, track: Track, start: int, end: int) -> None:
    buf = index.buf
    for kind, a, b in _boxes(buf, start, end):
        if kind == b"stsd" and b - a >= 16:
            _sample_entry(track, buf, a + 8, b)
        elif kind == b"stts" and b - a >= 8:
            if track.kind == "video":
                track.constant_rate = _is_constant(buf, a, b)
        elif kind == b"ctts":
            track.reordered = True
        elif kind == b"stsz" and b - a >= 12:
            sample_bytes, track.samples = _PAIR.unpack_from(buf, a + 4)
            # A table of sizes is bounded by the file; one size for all is not, and the demuxer would build
            # an index of that many entries.
            if sample_bytes and track.kind != "audio" and track.samples * sample_bytes > 2 * index.size:
                index.file.impossible = (
                    f"track {track.id} claims {track.samples} samples of {sample_bytes} bytes "
                    f"in a file of {index.size} bytes"
                )
            if track.kind != "video":
                break


def _is_constant(buf: bytes, start: int, end: int) -> bool | None:
    """Whether every timestamp lies within one tick of a constant rate; the last duration does not count.

    None when the table is empty (fragments) or was too long to be read whole.
    """
    count = _U32.unpack_from(buf, start + 4)[0]
    if count == 0:
        return None
    if count == 1:
        return True
    if count * 8 > end - start - 8:
        return None
    runs = struct.unpack_from(f">{2 * count}I", buf, start + 8)
    samples = sum(runs[::2])
    ticks = sum(n * d for n, d in zip(runs[::2], runs[1::2], strict=True))
    # Of N samples, N - 1 distances count: the last one's duration says when the picture ends.
    samples, ticks = samples - 1, ticks - runs[-1]
    if samples < 1:
        return None
    n = t = 0
    for i in range(0, 2 * count, 2):
        n += runs[i]
        t += runs[i] * runs[i + 1]
        if n <= samples and abs(t * samples - n * ticks) > samples:
            return False
    return True


def _sample_entry(track: Track, buf: bytes, start: int, end: int) -> None:
    length, entry = _HEADER.unpack_from(buf, start)
    stop = start + length
    if length < 16 or stop > end:
        return
    if track.kind == "video":
        _visual_entry(track, buf, start + _VISUAL_ENTRY_BYTES, stop)
    elif entry == b"tmcd" and length >= 34:
        flags, timescale, frame = struct.unpack_from(">III", buf, start + 20)
        track.timecode_drop = bool(flags & 1)
        if timescale and frame:
            track.timecode_rate = (timescale, frame)
    elif entry in {b"enca", b"encs", b"enct", b"drms", b"p608"}:
        # The fixed part of a sound entry depends on its version: look for the box itself.
        at = buf.find(b"sinf", start, stop)
        if at > 0:
            track.scheme = _scheme(buf, at + 4, stop)


def _visual_entry(track: Track, buf: bytes, start: int, end: int) -> None:
    for kind, a, b in _boxes(buf, start, end):
        if kind == b"sinf":
            track.scheme = _scheme(buf, a, b)
        elif kind == b"mdcv":
            track.mastering = mastering_display(buf[a:b])
        elif kind == b"clli":
            track.light = content_light(buf[a:b])
        elif kind in {b"dvcC", b"dvvC", b"dvwC"}:
            track.dolby = dolby_vision(buf[a:b])
        elif kind == b"st3d" and b - a >= 5:
            track.stereo = {1: "top-bottom", 2: "left-right"}.get(buf[a + 4])
        elif kind == b"sv3d":
            found = (name for mark, name in _PROJECTIONS if buf.find(mark, a, b) > 0)
            track.projection = next(found, "spherical")


_PROJECTIONS: Final = ((b"equi", "equirectangular"), (b"cbmp", "cubemap"), (b"mshp", "mesh"))


def _scheme(buf: bytes, start: int, end: int) -> str:
    at = buf.find(b"schm", start, end)
    return buf[at + 8 : at + 12].decode("latin-1") if 0 < at <= end - 12 else "encrypted"


def _edit_list(buf: bytes, start: int, end: int, movie_scale: int, media_scale: int) -> list[Edit]:
    if end - start < 8 or not movie_scale or not media_scale:
        return []
    layout = struct.Struct(">Qqhh" if buf[start] == 1 else ">Iihh")
    count = min(_U32.unpack_from(buf, start + 4)[0], (end - start - 8) // layout.size)
    edits = []
    for i in range(min(count, 1000)):
        duration, media_time, whole, part = layout.unpack_from(buf, start + 8 + i * layout.size)
        edits.append(
            Edit(
                duration_s=duration / movie_scale,
                media_start_s=None if media_time < 0 else media_time / media_scale,
                rate=whole + part / _ONE,
            )
        )
    if len(edits) == 1 and edits[0].media_start_s == 0 and edits[0].rate == 1:
        return []  # "show it all from the start": the list that every muxer writes
    return edits
