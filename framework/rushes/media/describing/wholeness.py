"""Whether a file is as long as it says it is, read from its structure without decoding anything.

ffmpeg exits 0 on most files whose end is missing, and plays what is there. Nearly every container says in its
first bytes where it ends; a few reads tell, whatever the file's size. A transport stream says nothing, except
that it ends between two packets. This module must not know what the media in a container are.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rushes.media.readers.handed import Bytes, bytes_of

__all__ = ["missing_end"]

# Fragmented files have two boxes a fragment; more than this is not worth the reads.
_MOST_BOXES: Final = 100_000
_BOXES: Final = frozenset(
    (
        b"ftyp",
        b"moov",
        b"mdat",
        b"wide",
        b"free",
        b"skip",
        b"pnot",
        b"styp",
        b"moof",
        b"sidx",
        b"uuid",
        b"mfra",
    )
)
_MXF_PARTITION: Final = bytes.fromhex("060e2b34020501010d010201 01")
# SMPTE ST 377-1 allows 64 KiB of anything before the first partition.
_MXF_RUN_IN: Final = 65_536
_FOOTER: Final = 4
_W64: Final = b"riff\x2e\x91\xcf\x11"
_UNKNOWN_32: Final = 0xFFFF_FFFF


def missing_end(path: Path) -> str | None:
    """How the file at `path` shows that its end is missing, as the rest of a sentence; None if it does not.

    None also stands for a format without a length of its own. Sources: ISO/IEC 14496-12, RFC 8794 (EBML),
    SMPTE ST 377-1 (MXF), EBU Tech 3306 (RF64), ISO/IEC 13818-1 (transport stream), RFC 3533 (Ogg),
    IEC 61834 (DV).

    Raises:
        OSError: the file cannot be read.
    """
    file = bytes_of(path)
    try:
        head = file.read(400)
        for is_it, look in _FORMATS:
            if is_it(head):
                return look(file, file.size)
        # Last, for its key may stand anywhere in the first 64 KiB.
        return _mxf(file, file.size)
    finally:
        file.close()


def _is_isobmff(head: bytes) -> bool:
    return head[4:8] in _BOXES


def _isobmff(file: Bytes, size: int) -> str | None:
    at = 0
    has_index = False
    for _ in range(_MOST_BOXES):
        header = _read(file, at, 16)
        if len(header) < 8:
            break
        length, kind = struct.unpack_from(">I4s", header)
        if length == 1 and len(header) == 16:
            length = struct.unpack_from(">Q", header, 8)[0]
        elif length == 0:
            length = size - at
        if length < 8:
            break  # padding or rubbish behind the last box, which players skip
        has_index = has_index or kind in (b"moov", b"moof")
        if at + length > size:
            return _short(at + length - size, kind) if kind in _BOXES else None
        at += length
    return None if has_index else "has no index (moov atom): its end is missing, or it is still being written"


def _is_ebml(head: bytes) -> bool:
    return head.startswith(b"\x1a\x45\xdf\xa3")


def _ebml(file: Bytes, size: int) -> str | None:
    _, header_length, after = _ebml_element(_read(file, 0, 16))
    if header_length is None:
        return None
    at = after + header_length
    element, length, after = _ebml_element(_read(file, at, 16))
    if element != 0x18538067:
        return None
    if length is not None:
        return _short(at + after + length - size) if at + after + length > size else None
    return _ebml_clusters(file, size, at + after)


def _ebml_clusters(file: Bytes, size: int, at: int) -> str | None:
    """A live recording does not know its length, but each of its clusters does."""
    for _ in range(_MOST_BOXES):
        _, length, after = _ebml_element(_read(file, at, 16))
        if length is None or after == 0:
            return None
        at += after + length
        if at > size:
            return _short(at - size)
    return None


def _ebml_element(data: bytes) -> tuple[int, int | None, int]:
    """Id, length (None: unknown) and where the content starts."""
    if not data or data[0] < 0x10:
        return 0, None, 0
    id_bytes = 9 - data[0].bit_length()
    if len(data) <= id_bytes or data[id_bytes] == 0:
        return 0, None, 0
    length_bytes = 9 - data[id_bytes].bit_length()
    end = id_bytes + length_bytes
    marker = 1 << (7 * length_bytes)
    length = int.from_bytes(data[id_bytes:end]) - marker
    return int.from_bytes(data[:id_bytes]), None if length == marker - 1 else length, end


def _is_asf(head: bytes) -> bool:
    return head.startswith(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"))


def _asf(file: Bytes, size: int) -> str | None:
    head = _read(file, 0, 4096)
    at = head.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))  # the file properties
    if at < 0 or len(head) < at + 48:
        return None
    end = int.from_bytes(head[at + 40 : at + 48], "little")
    return _short(end - size) if end > size else None


def _is_riff(head: bytes) -> bool:
    return head[:4] in (b"RIFF", b"RF64", b"BW64")


def _riff(file: Bytes, size: int) -> str | None:
    at = 0
    # An AVI above 1 GB is a row of them.
    for _ in range(_MOST_BOXES):
        header = _read(file, at, 28)
        if len(header) < 28 or header[:4] not in (b"RIFF", b"RF64", b"BW64"):
            return None
        length = struct.unpack_from("<I", header, 4)[0]
        if header[:4] != b"RIFF" and header[12:16] == b"ds64":
            length = struct.unpack_from("<Q", header, 20)[0]
        elif length in (0, _UNKNOWN_32) or length >= 0x7FFF_FF00:
            return None  # written by something that could not go back to fill it in
        if at + 8 + length > size:
            return _short(at + 8 + length - size)
        at += 8 + length + length % 2
    return None


def _is_aiff(head: bytes) -> bool:
    return head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC")


def _aiff(file: Bytes, size: int) -> str | None:
    end = 8 + int.from_bytes(_read(file, 4, 4))
    return _short(end - size) if end > size else None


def _is_w64(head: bytes) -> bool:
    return head.startswith(_W64)


def _w64(file: Bytes, size: int) -> str | None:
    end = int.from_bytes(_read(file, 16, 8), "little")
    return _short(end - size) if size < end < 2**62 else None


def _is_caf(head: bytes) -> bool:
    return head.startswith(b"caff\x00\x01")


def _caf(file: Bytes, size: int) -> str | None:
    at = 8
    for _ in range(_MOST_BOXES):
        header = _read(file, at, 12)
        if len(header) < 12:
            return None
        length = int.from_bytes(header[4:12], signed=True)
        if length < 0:  # the data go on to the end of the file
            return None
        at += 12 + length
        if at > size:
            return _short(at - size)
    return None


def _is_ogg(head: bytes) -> bool:
    return head.startswith(b"OggS\x00")


def _ogg(file: Bytes, size: int) -> str | None:
    # A page is at most 65,307 bytes.
    start = max(0, size - 65_536)
    end = _read(file, start, 65_536)
    at = end.rfind(b"OggS\x00")
    page = end[at:]
    if at < 0 or len(page) < 27 or len(page) < 27 + page[26]:
        return "ends inside a page"
    missing = 27 + page[26] + sum(page[27 : 27 + page[26]]) - len(page)
    if missing > 0:
        return _short(missing)
    return None if page[5] & 4 else "has no last page: its end is missing"


def _transport_packet_bytes(head: bytes) -> int:
    for offset, length in ((0, 188), (4, 192)):
        if len(head) > offset + length and head[offset] == 0x47 and head[offset + length] == 0x47:
            return length
    return 0


def _is_transport_stream(head: bytes) -> bool:
    return _transport_packet_bytes(head) > 0


def _transport_stream(file: Bytes, size: int) -> str | None:
    rest = size % _transport_packet_bytes(_read(file, 0, 400))
    return "ends inside a transport packet" if rest else None


def _is_dv(head: bytes) -> bool:
    return head[:3] == b"\x1f\x07\x00" and head[3:4] in (b"\x3f", b"\xbf")


def _dv(file: Bytes, size: int) -> str | None:
    # IEC 61834: 10 or 12 sequences of 150 blocks of 80 bytes a picture; of DV50 and DV100 several of these.
    picture_bytes = 144_000 if _read(file, 3, 1) == b"\xbf" else 120_000
    return "ends inside a picture" if size % picture_bytes else None


def _mxf(file: Bytes, size: int) -> str | None:
    head = _read(file, 0, _MXF_RUN_IN + 200)
    run_in = head.find(_MXF_PARTITION)
    if run_in < 0 or len(head) < run_in + 200:
        return None
    fields = _ber_content(head, run_in + 16)
    footer = struct.unpack_from(">Q", head, fields + 24)[0]
    if footer == 0:  # an open file: a recording that goes on, or a writer that cannot go back
        return None
    at = run_in + footer
    pack = _read(file, at, 200)
    if len(pack) < 16:
        return _short(at + 16 - size)
    if not pack.startswith(_MXF_PARTITION) or pack[13] != _FOOTER:
        return "does not have its footer partition where it says"
    content = _ber_content(pack, 16)
    if len(pack) < content + 48:
        return "ends inside its footer partition"
    header_bytes, index_bytes = struct.unpack_from(">QQ", pack, content + 32)
    end = at + content + header_bytes + index_bytes
    return _short(end - size) if end > size else None


def _ber_content(data: bytes, at: int) -> int:
    """Where the content behind a BER length starts."""
    return at + 1 + (data[at] & 0x7F if data[at] & 0x80 else 0)


def _read(file: Bytes, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)


def _short(missing: int, kind: bytes = b"") -> str:
    inside = f" of its {kind.decode('ascii', 'replace')} atom" if kind else ""
    return f"is cut short: {missing:,} bytes{inside} are missing at its end"


_FORMATS: Final[tuple[tuple[Callable[[bytes], bool], Callable[[Bytes, int], str | None]], ...]] = (
    (_is_isobmff, _isobmff),
    (_is_ebml, _ebml),
    (_is_asf, _asf),
    (_is_riff, _riff),
    (_is_aiff, _aiff),
    (_is_w64, _w64),
    (_is_caf, _caf),
    (_is_ogg, _ogg),
    (_is_transport_stream, _transport_stream),
    (_is_dv, _dv),
)
