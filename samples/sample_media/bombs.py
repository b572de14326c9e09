"""Small files that ask for much: memory, frames, streams.

Beside them, headers that lie, and tags that attack whoever shows them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from sample_media.containers import X264, card
from sample_media.recipe import Expectation, Facts, Recipe, Workshop

__all__ = ["HOSTILE_TAGS", "RECIPES"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _png_chunk(tag: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))


def _png(width: int, height: int, data: bytes) -> bytes:
    """A one-bit greyscale PNG of the size that it claims, with `data` as its picture."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = (_png_chunk(b"IHDR", header), _png_chunk(b"IDAT", data), _png_chunk(b"IEND", b""))
    return _SIGNATURE + b"".join(chunks)


def _deep_png() -> bytes:
    """12000 × 12000 pixels of 64 bits, all black: within what cameras make, and a gigabyte to hold."""
    header = struct.pack(">IIBBBBB", 12000, 12000, 16, 6, 0, 0, 0)
    pack, row = zlib.compressobj(1), bytes(1 + 8 * 12000)
    pixels = b"".join(pack.compress(row) for _ in range(12000)) + pack.flush()
    chunks = (_png_chunk(b"IHDR", header), _png_chunk(b"IDAT", pixels), _png_chunk(b"IEND", b""))
    return _SIGNATURE + b"".join(chunks)


def _packed_index() -> bytes:
    """A movie whose index is compressed: 64 MB of nothing that claim to be 2 GB."""
    pack = zlib.compressobj(9)
    packed = b"".join(pack.compress(bytes(1 << 20)) for _ in range(64)) + pack.flush()
    index = _box(b"cmov", _box(b"dcom", b"zlib"), _box(b"cmvd", struct.pack(">I", 0x7FFF_FFF0), packed))
    return _box(b"ftyp", b"qt  ", b"\0\0\2\0", b"qt  ") + _box(b"moov", index) + _box(b"mdat", b"\0")


def _claims(tag: bytes, entry_bytes: int, fields: bytes = b"") -> bytes:
    """A movie of one sample with a table that claims 2 ** 28 entries, none of which is there."""
    table = _full(tag, fields, struct.pack(">I", 1 << 28), bytes(entry_bytes))
    whole = _mp4()
    place = whole.index(b"stco") - 4
    grown = bytearray(whole[:place] + table + whole[place:])
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        at = grown.index(name) - 4
        size = struct.unpack_from(">I", grown, at)[0]
        struct.pack_into(">I", grown, at, size + len(table))
    return bytes(grown)


def _gif() -> bytes:
    """60 frames of one pixel on a canvas of 16000 × 16000."""
    screen = b"GIF89a" + struct.pack("<HHBBB", 16000, 16000, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    control = b"\x21\xf9\x04\0\x04\0\0\0"
    # LZW codes of three bits: clear, colour 0, end.
    frame = control + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return screen + frame * 60 + b"\x3b"


def _box(tag: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I", len(data) + 8) + tag + data


def _full(tag: bytes, *parts: bytes) -> bytes:
    return _box(tag, b"\0\0\0\0", *parts)


_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def _mp4(samples: int = 1, timescale: int = 25, delta: int = 1) -> bytes:
    """An MP4 of `samples` one-byte samples, which need not be there."""
    length = min(samples * delta, 0xFFFFFFFF)
    movie = _full(b"mvhd", struct.pack(">IIII", 0, 0, timescale, length), b"\0\1\0\0\1\0", bytes(10),
                  _MATRIX, bytes(24), struct.pack(">I", 2))  # fmt: skip
    track = _box(b"tkhd", b"\0\0\0\3", struct.pack(">IIIII", 0, 0, 1, 0, length), bytes(16), _MATRIX,
                 struct.pack(">II", 320 << 16, 180 << 16))  # fmt: skip
    entry = _box(b"mp4v", bytes(6), b"\0\1", bytes(16), struct.pack(">HH", 320, 180),
                 struct.pack(">II", 72 << 16, 72 << 16), bytes(4), b"\0\1", bytes(32),
                 b"\0\x18\xff\xff")  # fmt: skip
    table = _box(
        b"stbl",
        _full(b"stsd", struct.pack(">I", 1), entry),
        _full(b"stts", struct.pack(">III", 1, samples, delta)),
        _full(b"stsc", struct.pack(">IIII", 1, 1, samples, 1)),
        _full(b"stsz", struct.pack(">II", 1, samples)),
        _full(b"stco", struct.pack(">II", 1, 600)),
    )
    reference = _box(b"dinf", _full(b"dref", struct.pack(">I", 1), _box(b"url ", b"\0\0\0\1")))
    media = _box(
        b"mdia",
        _full(b"mdhd", struct.pack(">IIIII", 0, 0, timescale, length, 0x55C40000)),
        _full(b"hdlr", bytes(4), b"vide", bytes(12), b"\0"),
        _box(b"minf", _box(b"vmhd", b"\0\0\0\1", bytes(8)), reference, table),
    )
    brand = _box(b"ftyp", b"isom", b"\0\0\2\0", b"isommp41")
    return brand + _box(b"moov", movie, _box(b"trak", track, media)) + _box(b"mdat", b"\0")


def _odd_sizes(size: bytes) -> bytes:
    """A moov whose first child claims `size`."""
    return _box(b"ftyp", b"isom", b"\0\0\2\0", b"isom") + _box(b"moov", size + b"trak" + bytes(64))


def _nested(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = _box(b"moov", _box(b"trak", inner))
    return _box(b"ftyp", b"isom", b"\0\0\2\0", b"isom") + inner


def _bytes(name: str, content: Callable[[], bytes], expect: Expectation, why: str) -> Recipe:
    def make(_workshop: Workshop, folder: Path) -> Path:
        target = folder / name
        target.write_bytes(content())
        return target

    return Recipe(name, "hostile", make, Facts(expect=expect, why=why))


def _gap(workshop: Workshop, folder: Path) -> Path:
    late = r"setpts=if(eq(N\,2)\,PTS+36000/TB\,PTS)"
    options = ("-frames:v", "3", "-vf", late, "-fps_mode", "passthrough", *X264, "-bf", "0")
    return workshop.encode(folder / "gap_10h.mkv", card(), options=options)


def _many_streams(workshop: Workshop, folder: Path) -> Path:
    seed = workshop.encode(folder / "seed.mkv", card("32x32"), options=("-frames:v", "1", "-c:v", "mjpeg"))
    maps = [part for _ in range(990) for part in ("-map", "0")]
    return workshop.encode(folder / "streams_990.mkv", seed, options=(*maps, "-c", "copy"))


def _resolution_change(workshop: Workshop, folder: Path) -> Path:
    options = (*X264, "-frames:v", "25")
    first = workshop.encode(folder / "a.ts", card("320x180"), options=options)
    later = ("-output_ts_offset", "1")
    second = workshop.encode(folder / "b.ts", card("160x96"), options=(*options, *later))
    target = folder / "resolution_change.ts"
    target.write_bytes(first.read_bytes() + second.read_bytes())
    return target


def _subtitles_only(workshop: Workshop, folder: Path) -> Path:
    lines = folder / "lines.srt"
    lines.write_text("1\n00:00:00,000 --> 00:00:01,000\nNo picture.\n", encoding="utf-8")
    return workshop.encode(folder / "subtitles_only.mkv", lines, options=("-c:s", "srt"))


# What must be shown escaped and must never reach a filter, a shell or a page.
HOSTILE_TAGS = {
    "title": "\x1b[31mred\x1b[0m \x1b]0;owned\x07 </script><script>alert(1)</script>",
    "artist": "%{pts}:textfile=/etc/passwd",
    "comment": "'; $(touch pwned) `touch pwned` \\ \r\n second line",
    "album": "\u202egnp.exe ../../x",
}


def _tags(workshop: Workshop, folder: Path) -> Path:
    tags = [part for key, value in HOSTILE_TAGS.items() for part in ("-metadata", f"{key}={value}")]
    options = ("-map", "0:v", "-c", "copy", *tags, "-metadata:s:v", "reel_name=../../\x1b[2Jreel")
    return workshop.encode(folder / "hostile_tags.mkv", workshop.get("h264.mp4"), options=options)


def _huge_tag(workshop: Workshop, folder: Path) -> Path:
    tags = folder / "tags.txt"
    tags.write_text(";FFMETADATA1\ncomment=" + "A" * 1_000_000 + "\n", encoding="utf-8")
    options = ("-map", "0:v", "-map_metadata", "1", "-c", "copy")
    return workshop.encode(folder / "huge_tag.mkv", workshop.get("h264.mp4"), tags, options=options)


def _made(name: str, make: Callable[[Workshop, Path], Path], expect: Expectation, why: str) -> Recipe:
    return Recipe(name, "hostile", make, Facts(expect=expect, why=why))


RECIPES = (
    _bytes("header_16200.png", lambda: _png(16200, 16200, zlib.compress(b"\0\0\0\0")), "limited",
           "69 bytes that claim 262 million pixels"),
    _bytes("pixels_16000.png", lambda: _png(16000, 16000, zlib.compress(bytes(16000 * 2001), 9)),
           "limited", "31 kB that unpack to 256 million pixels"),
    _bytes("canvas_16000.gif", _gif, "limited", "60 frames of one pixel on 256 million"),
    _bytes("samples_67m.mp4", lambda: _mp4(67_000_000), "limited", "an index of 67 million samples"),
    _bytes("deep_12000.png", _deep_png, "limited", "a megabyte that unpacks to a gigabyte of pixels"),
    _bytes("packed_index.mov", _packed_index, "limited", "an index that unpacks, and claims 2 GB"),
    _bytes("times_268m.mp4", lambda: _claims(b"ctts", 8), "limited", "268 million times"),
    _bytes("keys_268m.mp4", lambda: _claims(b"stss", 4), "limited", "268 million key frames"),
    _bytes("timescale_0.mp4", lambda: _mp4(10, 0), "limited", "a clock that never ticks"),
    _bytes("rate_1e9.mp4", lambda: _mp4(10, 1_000_000_000), "limited", "a thousand million frames a second"),
    _bytes("rate_tiny.mp4", lambda: _mp4(10, 1, 100_000_000), "limited", "a frame every three years"),
    _bytes("box_size_0.mp4", lambda: _odd_sizes(b"\0\0\0\0"), "limited", "a box that runs to the end"),
    _bytes("box_size_1.mp4", lambda: _odd_sizes(b"\0\0\0\1"), "unreadable", "a 64-bit size of nothing"),
    _bytes("box_size_neg.mp4", lambda: _odd_sizes(b"\xff\xff\xff\xff"), "limited", "a box of 4 GiB"),
    _bytes("boxes_nested.mp4", lambda: _nested(2000), "unreadable", "2000 boxes inside each other"),
    _made("gap_10h.mkv", _gap, "limited", "three frames, the last ten hours later"),
    _made("streams_990.mkv", _many_streams, "limited", "990 streams"),
    _made("resolution_change.ts", _resolution_change, "contained", "the picture's size changes inside"),
    _made("subtitles_only.mkv", _subtitles_only, "contained", "no picture and no sound"),
    _made("hostile_tags.mkv", _tags, "contained", "escapes, markup and filter text in the tags"),
    _made("huge_tag.mkv", _huge_tag, "contained", "a tag of a million letters"),
)  # fmt: skip
