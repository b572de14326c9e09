"""Matroska and WebM: what track headers say and libavformat does not hand on; whether the file is whole.

Default durations, colour with chroma siting and mastering data, projection (rotation), stereo mode, Dolby
Vision, encryption (RFC 9559). Only the head of the file up to the track headers is read, never a cluster
beyond it. Pure but for the `read` that it is given; it must not know PyAV.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from rushes.media.describing.hdr_boxes import dolby_vision
from rushes.media.describing.schema import ContentLight, MasteringDisplay
from rushes.media.describing.structure import Structure, Track

__all__ = ["is_matroska", "read_matroska"]

Read = Callable[[int, int], bytes]

_EBML: Final = b"\x1a\x45\xdf\xa3"
_DOC_TYPE: Final = 0x4282
_SEGMENT: Final = 0x18538067
_SEEK_HEAD: Final = 0x114D9B74
_TRACKS: Final = 0x1654AE6B
_CLUSTER: Final = 0x1F43B675
_CUES: Final = 0x1C53BB6B
# Track headers carry codec private data: fonts and cover pictures are elsewhere.
_MAX_HEADER_BYTES: Final = 4 << 20
_MAX_TOP_ELEMENTS: Final = 64
_MAX_TRACKS: Final = 1024
_KINDS: Final = {1: "video", 2: "audio", 17: "subtitle"}
_CHROMA: Final = {(1, 1): "topleft", (1, 2): "left", (2, 1): "top", (2, 2): "center"}
_STEREO: Final = {1: "left-right", 2: "bottom-top", 3: "top-bottom", 11: "right-left"}
_PROJECTIONS: Final = {1: "equirectangular", 2: "cubemap", 3: "mesh"}
_DOLBY_TYPES: Final = frozenset((0x64766343, 0x64767643, 0x64767743))


def is_matroska(head: bytes) -> bool:
    """True if the first bytes of a file are an EBML header."""
    return head.startswith(_EBML)


def read_matroska(read: Read, size: int, head: bytes) -> Structure:
    """The facts of a Matroska file of `size` bytes; `head` is its beginning, to spare reads."""
    file = Structure(family="matroska", brand="matroska", has_index=False)
    # A header that breaks off: what was read until then stands.
    with suppress(IndexError, struct.error):
        _read_segment(file, read, size, head)
    return file


def _read_segment(file: Structure, read: Read, size: int, head: bytes) -> None:
    _, start, length = _element(head, 0)
    if length is None:
        return
    for kind, a, b in _children(head, start, min(start + length, len(head))):
        if kind == _DOC_TYPE:
            file.brand = head[a:b].rstrip(b"\0").decode("latin-1")
    kind, start, length = _element(head, start + length)
    if kind != _SEGMENT:
        return
    end = size
    if length is None:
        file.live = True
    else:
        file.missing_bytes = max(0, start + length - size)
        end = min(size, start + length)
    _top_level(file, read, head, start, end)


def _top_level(file: Structure, read: Read, head: bytes, offset: int, end: int) -> None:
    for _ in range(_MAX_TOP_ELEMENTS):
        if offset + 2 > end:
            return
        inside = offset + 16 <= len(head)
        raw, base = (head, offset) if inside else (read(offset, 16), 0)
        kind, at, length = _element(raw, base)
        if kind == _CLUSTER:
            return
        if length is None:
            return
        start = offset + at - base
        if kind == _CUES:
            file.has_index = True
        if kind in {_TRACKS, _SEEK_HEAD} and length <= _MAX_HEADER_BYTES:
            stop = start + length
            buf, a = (head, start) if stop <= len(head) else (read(start, length), 0)
            if kind == _SEEK_HEAD:
                file.has_index = file.has_index or _CUES.to_bytes(4, "big") in buf[a : a + length]
            else:
                for inner, c, d in _children(buf, a, min(a + length, len(buf))):
                    if inner == 0xAE and len(file.tracks) < _MAX_TRACKS:
                        file.tracks.append(_track(buf, c, d))
        offset = start + length


def _element(buf: bytes, at: int) -> tuple[int, int, int | None]:
    """Id, start of the payload and its length (None: unknown) of the element at `at`."""
    width = 9 - buf[at].bit_length()
    if width > 4:
        raise IndexError(at)
    kind = int.from_bytes(buf[at : at + width], "big")
    at += width
    width = 9 - buf[at].bit_length()
    if width > 8:
        raise IndexError(at)
    marker = 1 << 7 * width
    length = int.from_bytes(buf[at : at + width], "big") - marker
    return kind, at + width, None if length == marker - 1 else length


def _children(buf: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    while at + 2 <= end:
        kind, start, length = _element(buf, at)
        at = end if length is None else start + length
        if at > end:
            return
        yield kind, start, at


def _unsigned(buf: bytes, start: int, end: int) -> int:
    return int.from_bytes(buf[start:end], "big")


def _real(buf: bytes, start: int, end: int) -> float:
    if end - start == 8:
        return float(struct.unpack_from(">d", buf, start)[0])
    return float(struct.unpack_from(">f", buf, start)[0]) if end - start == 4 else 0.0


def _track(buf: bytes, start: int, end: int) -> Track:
    track = Track()
    for kind, a, b in _children(buf, start, end):
        if kind == 0x83:
            track.kind = _KINDS.get(_unsigned(buf, a, b), "data")
        elif kind == 0x23E383:
            track.frame_ns = _unsigned(buf, a, b) or None
        elif kind == 0xE0:
            _video(track, buf, a, b)
        elif kind == 0x6D80:
            # ContentEncodings hold one ContentEncryption (0x5035) for each layer of encryption.
            track.scheme = "matroska" if b"\x50\x35" in buf[a:b] else None
        elif kind == 0x41E4:
            _block_addition(track, buf, a, b)
    return track


def _video(track: Track, buf: bytes, start: int, end: int) -> None:
    for kind, a, b in _children(buf, start, end):
        if kind == 0x55B0:
            _colour(track, buf, a, b)
        elif kind == 0x7670:
            _projection(track, buf, a, b)
        elif kind == 0x53B8:
            track.stereo = _STEREO.get(_unsigned(buf, a, b))


def _colour(track: Track, buf: bytes, start: int, end: int) -> None:
    values = {kind: (a, b) for kind, a, b in _children(buf, start, end)}
    siting = tuple(_unsigned(buf, *values[k]) if k in values else 0 for k in (0x55B7, 0x55B8))
    track.chroma_location = _CHROMA.get((siting[0], siting[1]))
    if 0x55BC in values:
        brightest = _unsigned(buf, *values[0x55BC])
        average = _unsigned(buf, *values[0x55BD]) if 0x55BD in values else 0
        track.light = ContentLight(max_cll=brightest, max_fall=average)
    if 0x55D0 in values:
        found = {kind: _real(buf, a, b) for kind, a, b in _children(buf, *values[0x55D0])}
        track.mastering = MasteringDisplay(
            red=_point(found, 0x55D1),
            green=_point(found, 0x55D3),
            blue=_point(found, 0x55D5),
            white=_point(found, 0x55D7),
            max_luminance=found.get(0x55D9),
            min_luminance=found.get(0x55DA),
        )


def _point(found: dict[int, float], kind: int) -> tuple[float, float] | None:
    x, y = found.get(kind), found.get(kind + 1)
    return None if x is None or y is None else (round(x, 5), round(y, 5))


def _projection(track: Track, buf: bytes, start: int, end: int) -> None:
    values = {kind: (a, b) for kind, a, b in _children(buf, start, end)}
    kind = _unsigned(buf, *values[0x7671]) if 0x7671 in values else 0
    track.projection = _PROJECTIONS.get(kind)
    if kind == 0:
        # A rectangular projection with a roll is how Matroska writes a turned picture; a yaw of 180 mirrors.
        roll = _real(buf, *values[0x7675]) if 0x7675 in values else 0.0
        yaw = _real(buf, *values[0x7673]) if 0x7673 in values else 0.0
        track.rotation = round(-roll / 90) % 4 * 90
        track.flipped = abs(round(yaw)) == 180


def _block_addition(track: Track, buf: bytes, start: int, end: int) -> None:
    values = {kind: (a, b) for kind, a, b in _children(buf, start, end)}
    if 0x41E7 in values and 0x41ED in values and _unsigned(buf, *values[0x41E7]) in _DOLBY_TYPES:
        a, b = values[0x41ED]
        track.dolby = dolby_vision(buf[a:b])
