"""A clip's file before and while it is opened: what its first bytes are, what is refused, who reads it.

The container's own headers are read first, with a few small reads wherever they lie: PyAV is not given what
they show to be cut off, made to do harm, or a list of other files. What then cannot be opened becomes one
`MediaError` that says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rushes.asset import Asset
from rushes.errors import CallerError, MediaError
from rushes.media.describing.isobmff import is_iso, read_iso
from rushes.media.describing.matroska import is_matroska, read_matroska
from rushes.media.describing.mxf import (
    LIST_TAIL_BYTES,
    is_mpeg_essence,
    is_mxf,
    list_bytes,
    partitions,
    was_completed,
)
from rushes.media.describing.structure import Structure
from rushes.media.describing.wholeness import missing_end
from rushes.media.readers.dialect import text_options
from rushes.media.readers.formats import IMAGE_SUFFIXES
from rushes.media.readers.guard import av_arguments, av_options
from rushes.media.readers.handed import Bytes, bytes_of, protocol, url_of

if TYPE_CHECKING:
    from av.container import InputContainer

__all__ = ["Looked", "look", "open_clip", "readable"]

# Enough for the top of every container, and for the whole index of a short faststart clip.
_HEAD_BYTES: Final = 8192
# What the first bytes show need not be guessed by 300 probes (measured: 40 µs of 200). The name that the
# allow-list is asked for is the demuxer's, so it holds here too.
_BY_MAGIC: Final = (
    (b"RIFF", b"WAVE", "wav"),
    (b"RF64", b"WAVE", "wav"),
    (b"RIFF", b"AVI ", "avi"),
)
_DEMUXERS: Final = {"iso": "mov", "matroska": "matroska", "mxf": "mxf"}
# libavformat reads 50 frames for the start of a stream whose packets have no times, and 40 for the rate of
# MPEG-2 and AVC, whose clocks it distrusts: 5 MB of a clip of 50 Mb/s. MXF states an edit rate, and four
# frames tell the same (measured on eight codecs at six rates).
_MXF: Final = {"max_ts_probe": "4"}
_MXF_OF_MPEG: Final = {**_MXF, "fpsprobesize": "4"}
# Text that names other media: refused before any demuxer sees it, so that the reason can be said.
_PLAYLISTS: Final = (
    (b"#EXTM3U", "an HLS playlist"),
    (b"ffconcat version", "a concat list"),
    (b"v=0\r\n", "a session description (SDP)"),
    (b"v=0\n", "a session description (SDP)"),
    (b"[playlist]", "a playlist"),
    (b"[Reference]", "a playlist"),
)
# Of a source elsewhere; half of libavformat's own, for a place in an index is small.
_PIECE_BYTES: Final = 16 * 1024
_NONE: Final[Mapping[str, str]] = {}
_XML_PLAYLISTS: Final = ((b"<MPD", "a DASH manifest"), (b"<SmoothStreamingMedia", "a streaming manifest"))


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen of a file before PyAV opened it."""

    clip: Asset
    path: str
    size: int
    head: bytes
    structure: Structure

    @property
    def demuxer(self) -> str | None:
        """The demuxer that the first bytes call for, if they do."""
        known = _DEMUXERS.get(self.structure.family)
        if known is not None:
            return known
        start, form = self.head[:4], self.head[8:12]
        return next((d for mark, f, d in _BY_MAGIC if start == mark and form == f), None)

    @property
    def options(self) -> Mapping[str, str]:
        """How little of it tells what its container leaves open."""
        if self.structure.family != "mxf":
            return {}
        return _MXF_OF_MPEG if is_mpeg_essence(self.head) else _MXF


def look(clip: Asset, path: str) -> Looked:
    """What the container's own headers say; refuses what PyAV must not be given."""
    file = bytes_of(path)
    try:
        size = file.size
        head = file.at(0, _HEAD_BYTES)
        _refuse_playlists(clip, head)
        if is_iso(head):
            structure = read_iso(file.at, size, head)
        elif is_matroska(head):
            structure = read_matroska(file.at, size, head)
        elif is_mxf(head):
            structure = Structure(family="mxf", live=not was_completed(head))
            if file.is_elsewhere:
                _announce_partitions(file, head)
        else:
            structure = Structure()
    except OSError as error:
        raise CallerError(
            f"{path} cannot be read: {error.strerror}.", code="not-readable", fix="Check the disk it is on."
        ) from error
    finally:
        file.close()
    if structure.family == "iso" and not structure.has_index and not structure.fragmented:
        raise _no_index(clip, structure)
    if structure.impossible:
        raise MediaError(
            f"{clip.name} is damaged or made to do harm: {structure.impossible}.",
            code="impossible-index",
            fix="Copy it from the source again.",
        )
    return Looked(clip, path, size, head, structure)


def _announce_partitions(file: Bytes, head: bytes) -> None:
    """Say where libavformat is about to look: at each partition, from the last to the first."""
    length = list_bytes(file.at(max(file.size - LIST_TAIL_BYTES, 0), LIST_TAIL_BYTES))
    if 0 < length < file.size:
        for place in reversed(partitions(file.at(file.size - length, length), head)):
            file.expect(place, _PIECE_BYTES)


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


def open_clip(
    clip: Asset,
    path: str,
    demuxer: str | None = None,
    *,
    briefly: bool = False,
    options: Mapping[str, str] = _NONE,
) -> InputContainer:
    """The clip opened by PyAV within the limits of the guard.

    Args:
        clip: what it is called.
        path: where it is, absolute.
        demuxer: what its first bytes show it to be, if they do.
        briefly: read one packet and no more; `rushes.media.describing.brief` tells whether that was enough.
        options: of its demuxer, beside the limits.

    Raises:
        MediaError: PyAV cannot open it; says why as far as that is known.
    """
    import av  # noqa: PLC0415 - heavy; the command line imports this module

    streams, limits, brief = _options(protocol())
    opened: InputContainer
    try:
        if demuxer is not None:
            # Should its first bytes have been something else's after all, it is probed as any other.
            with suppress(av.error.InvalidDataError):
                opened = av.open(
                    url_of(path),
                    "r",
                    format=demuxer,
                    options=streams,
                    container_options=brief if briefly else {**limits, **options} if options else limits,
                    buffer_size=_PIECE_BYTES,
                    **text_options(),
                )
                return opened
        if clip.suffix in IMAGE_SUFFIXES:
            opened = av.open(**text_options(), **av_arguments(clip))
        else:
            opened = av.open(
                url_of(path),
                "r",
                options=streams,
                container_options=limits,
                buffer_size=_PIECE_BYTES,
                **text_options(),
            )
    except MemoryError as error:
        raise MediaError(
            f"{clip.name} asks for more memory than its function may have.",
            code="too-large",
            fix="Check its source, or give the function more memory (Resources(memory=...)).",
        ) from error
    except av.error.FFmpegError as error:
        raise _unopened(clip, path, error) from error
    return opened


@cache
def _options(only_protocol: str) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Those of every stream's decoder, which PyAV copies for each; the container's; the latter in brief."""
    limits = av_options() | {"protocol_whitelist": only_protocol}
    streams = {"max_pixels": limits.pop("max_pixels")}
    return streams, limits, {**limits, "probesize": "32"}


def readable(name: str) -> str:
    """A name that JSON can carry: a byte that is no UTF-8 is written as an escape."""
    if name.isascii():
        return name
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
