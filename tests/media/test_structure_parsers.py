"""The parsers of container headers: what they read of made boxes, and that no bytes can break them."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import make_media
from rushes.media.describing.hdr_boxes import content_light, dolby_vision, mastering_display
from rushes.media.describing.hdr_messages import StaticHdr, hdr_of_frame, hdr_of_parameters
from rushes.media.describing.isobmff import is_iso, read_iso
from rushes.media.describing.matroska import is_matroska, read_matroska
from rushes.media.describing.mxf import list_bytes, operational_pattern, partitions, was_completed
from rushes.media.describing.parameter_sets import chroma_location
from rushes.media.describing.structure import Structure

_TURNS = {
    (1, 0, 0, 1): (0, False),
    (0, 1, -1, 0): (90, False),
    (-1, 0, 0, -1): (180, False),
    (0, -1, 1, 0): (270, False),
    (-1, 0, 0, 1): (0, True),
    (1, 0, 0, -1): (180, True),
}


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def tkhd(matrix: tuple[int, int, int, int] = (1, 0, 0, 1), track: int = 1) -> bytes:
    a, b, c, d = (v * 65536 for v in matrix)
    return box(
        b"tkhd",
        struct.pack(">IIII", 3, 0, 0, track),
        bytes(24),
        struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30),
        bytes(8),
    )


def stts(*runs: tuple[int, int]) -> bytes:
    return box(b"stts", struct.pack(">II", 0, len(runs)), *(struct.pack(">II", *run) for run in runs))


def movie(
    *,
    header: bytes = b"",
    table: bytes = b"",
    entry: bytes = b"",
    edits: bytes = b"",
    handler: bytes = b"vide",
    after: bytes = b"",
) -> bytes:
    mdhd = box(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, 12800, 25600, 0))
    hdlr = box(b"hdlr", struct.pack(">II4s", 0, 0, handler), bytes(12))
    stsd = box(b"stsd", struct.pack(">II", 0, 1), entry or box(b"avc1", bytes(78)))
    media = box(b"mdia", mdhd, hdlr, box(b"minf", box(b"stbl", stsd, table or stts((50, 512)))))
    mvhd = box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, 2000), bytes(80))
    track = box(b"trak", header or tkhd(), edits, media)
    return box(b"ftyp", b"qt  ", bytes(4)) + box(b"moov", mvhd, track) + after


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: data[offset : offset + length]


def read(data: bytes, size: int | None = None) -> Structure:
    return read_iso(reader(data), len(data) if size is None else size, data[:64])


@pytest.mark.parametrize(("matrix", "expected"), _TURNS.items(), ids=str)
def test_a_display_matrix_is_a_clockwise_turn_and_a_mirror(
    matrix: tuple[int, int, int, int], expected: tuple[int, bool]
) -> None:
    track = read(movie(header=tkhd(matrix))).tracks[0]

    assert (track.rotation, track.flipped) == expected


@pytest.mark.parametrize(
    ("runs", "constant"),
    [
        ([(50, 512)], True),
        ([(49, 512), (1, 400)], True),  # how long the last frame is shown says nothing
        ([(1, 42), (1, 41), (1, 42), (1, 42)], True),  # 24 fps in milliseconds
        ([(25, 512), (25, 1024)], False),
        ([(10, 512), (1, 1536), (10, 512)], False),
    ],
)
def test_a_sample_table_is_constant_when_every_timestamp_lies_within_a_tick(
    runs: list[tuple[int, int]],
    constant: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert read(movie(table=stts(*runs))).tracks[0].constant_rate is constant


def test_an_empty_sample_table_decides_nothing() -> None:
    assert read(movie(table=stts())).tracks[0].constant_rate is None


def test_an_edit_list_tells_gap_and_start_in_seconds() -> None:
    elst = box(b"elst", struct.pack(">IIIihhIihh", 0, 2, 500, -1, 1, 0, 1500, 6400, 1, 0))

    edits = read(movie(edits=box(b"edts", elst))).tracks[0].edits

    assert [(e.duration_s, e.media_start_s, e.rate) for e in edits] == [(0.5, None, 1.0), (1.5, 0.5, 1.0)]


def test_the_edit_list_that_shows_everything_is_left_out() -> None:
    elst = box(b"elst", struct.pack(">IIIihh", 0, 1, 2000, 0, 1, 0))

    assert read(movie(edits=box(b"edts", elst))).tracks[0].edits == []


def test_hdr_boxes_of_a_sample_entry_are_read() -> None:
    mdcv = box(
        b"mdcv",
        struct.pack(">8H2I", 13250, 34500, 7500, 3000, 34000, 16000, 15635, 16450, 10_000_000, 1),
    )
    clli = box(b"clli", struct.pack(">HH", 1000, 400))
    dvvc = box(b"dvvC", bytes((1, 0)), (8 << 17 | 6 << 11 | 0x500 | 4 << 4).to_bytes(3, "big"), bytes(19))

    track = read(movie(entry=box(b"hvc1", bytes(78), mdcv, clli, dvvc))).tracks[0]

    assert track.mastering is not None
    assert track.mastering.red == (0.68, 0.32)
    assert track.mastering.max_luminance == 1000.0
    assert track.light is not None
    assert (track.light.max_cll, track.light.max_fall) == (1000, 400)
    assert track.dolby is not None
    assert (track.dolby.profile, track.dolby.level, track.dolby.compatibility) == (8, 6, 4)
    assert (track.dolby.rpu, track.dolby.enhancement_layer, track.dolby.base_layer) == (True, False, True)


def test_an_encrypted_sample_entry_names_its_scheme() -> None:
    sinf = box(b"sinf", box(b"frma", b"avc1"), box(b"schm", bytes(4), b"cbcs", bytes(4)))

    assert read(movie(entry=box(b"encv", bytes(78), sinf))).tracks[0].scheme == "cbcs"
    assert read(movie(entry=box(b"enca", bytes(28), sinf), handler=b"soun")).tracks[0].scheme == "cbcs"


def test_media_that_reaches_past_the_end_is_missing() -> None:
    whole = movie(after=box(b"mdat", bytes(1000)))

    assert read(whole).missing_bytes == 0
    assert read(whole[:-300]).missing_bytes == 300


def test_the_place_of_the_index_is_told() -> None:
    mdat = box(b"mdat", bytes(100))

    assert read(movie(after=mdat)).index_first is True
    assert read(box(b"ftyp", b"isom", bytes(4)) + mdat + movie()[16:]).index_first is False
    assert read(box(b"ftyp", b"isom", bytes(4)) + mdat).has_index is False


def test_an_index_behind_500_gigabytes_costs_a_few_small_reads() -> None:
    size = 500 * 10**9
    index = movie()[16:]
    start = box(b"ftyp", b"qt  ", bytes(4)) + struct.pack(">I4sQ", 1, b"mdat", size - 16)
    places = {0: start, 16 + size - 16: index}
    reads: list[int] = []

    def sparse(offset: int, length: int) -> bytes:
        reads.append(length)
        for place, data in places.items():
            if place <= offset < place + len(data):
                return data[offset - place : offset - place + length]
        return bytes(length)

    structure = read_iso(sparse, size + len(index), start)

    assert structure.tracks[0].constant_rate is True
    assert sum(reads) < 10_000


def test_the_large_tables_of_a_long_film_are_not_read() -> None:
    stsz = box(b"stsz", struct.pack(">III", 0, 0, 300_000), bytes(1_200_000))
    film = movie(table=stts((300_000, 512)) + stsz)
    reads: list[int] = []

    def counting(offset: int, length: int) -> bytes:
        reads.append(length)
        return film[offset : offset + length]

    structure = read_iso(counting, len(film), film[:64])

    assert structure.tracks[0].constant_rate is True
    assert sum(reads) < 100_000


def test_a_claim_of_more_samples_than_bytes_is_impossible() -> None:
    stsz = box(b"stsz", struct.pack(">III", 0, 1, 67_000_000))

    assert "67000000 samples" in str(read(movie(table=stts((67_000_000, 1)) + stsz)).impossible)


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_no_bytes_break_the_iso_parser(tail: bytes) -> None:
    data = box(b"ftyp", b"isom") + tail

    assert isinstance(read(data), Structure)
    assert isinstance(read(box(b"moov", tail)), Structure)
    assert isinstance(read(box(b"moov", box(b"trak", tail))), Structure)


@given(st.integers(0, 700), st.integers(0, 255))
@settings(max_examples=300)
def test_a_flipped_byte_does_not_break_the_iso_parser(place: int, value: int) -> None:
    data = bytearray(movie(edits=box(b"edts", box(b"elst", struct.pack(">IIIihh", 0, 1, 9, 5, 1, 0)))))
    data[place % len(data)] = value

    assert isinstance(read(bytes(data)), Structure)


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_no_bytes_break_the_matroska_parser(tail: bytes) -> None:
    data = b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x10\x00\xff\xff" + tail

    assert isinstance(read_matroska(reader(data), len(data), data[:64]), Structure)


@given(st.binary(max_size=300), st.sampled_from(["h264", "hevc"]))
@settings(max_examples=300)
def test_no_bytes_break_the_bitstream_parsers(data: bytes, codec: str) -> None:
    for extradata in (data, b"\x01" + data, b"\x00\x00\x01" + data):
        location = chroma_location(codec, extradata)
        assert location is None or location in {"left", "center", "topleft", "top", "bottomleft", "bottom"}
        assert isinstance(hdr_of_parameters(codec, extradata), StaticHdr)
        assert isinstance(hdr_of_frame(codec, data, extradata), StaticHdr)


@pytest.mark.parametrize("name", ["h264.mkv", "hdr10.mkv", "h264.mp4"])
def test_a_flipped_header_byte_is_a_clean_answer(media: make_media.Workshop, name: str) -> None:
    original = media.get(name).read_bytes()[:2000]
    parse = read_iso if is_iso(original) else read_matroska
    assert is_iso(original) or is_matroska(original)

    for place in range(0, len(original), 3):
        data = bytearray(original)
        data[place] ^= 0xFF
        assert isinstance(parse(reader(bytes(data)), len(data), bytes(data)), Structure)


def test_short_hdr_payloads_are_nothing() -> None:
    assert mastering_display(bytes(23)) is None
    assert mastering_display(bytes(24)) is None
    assert content_light(bytes(4)) is None
    assert dolby_vision(bytes(4)) is None


def test_operational_patterns_have_their_names() -> None:
    assert operational_pattern("060e2b34.04010101.0d010201.01010900") == "OP1a"
    assert operational_pattern("060e2b34.04010102.0d010201.10030000") == "OPAtom"
    assert operational_pattern("nonsense") is None


def test_an_open_header_partition_was_not_completed() -> None:
    key = bytes.fromhex("060e2b34020501010d01020101")

    assert was_completed(key + b"\x02\x04\x00") is True
    assert was_completed(key + b"\x02\x01\x00") is False


_LIST = bytes.fromhex("060e2b34020501010d01020101110100")


def _listed(*places: int, size: bytes = b"\x83") -> bytes:
    """A list of partitions as a muxer ends a file with it."""
    entries = b"".join(struct.pack(">IQ", 1, place) for place in places)
    length = len(entries) + 4
    said = size + length.to_bytes(size[0] & 0x7F) if size[0] & 0x80 else bytes((length,))
    whole = _LIST + said + entries
    return whole + (len(whole) + 4).to_bytes(4)


@pytest.mark.parametrize("size", [b"\x83", b"\x87", b"\x00"])
def test_the_list_at_the_end_of_mxf_says_where_partitions_are(size: bytes) -> None:
    listed = _listed(0, 8192, 65_931_264, size=size)
    assert list_bytes(b"essence" + listed) == len(listed)
    assert partitions(listed, b"") == [0, 8192, 65_931_264]
    head = b"run in" + bytes.fromhex("060e2b34020501010d01020101")
    assert partitions(listed, head) == [6, 8198, 65_931_270]


@pytest.mark.parametrize("tail", [b"", b"\0\0\0\0", b"\0\0\0\x10", b"\xff\xff\xff\xff"])
def test_without_a_list_no_partition_is_known(tail: bytes) -> None:
    assert list_bytes(tail) == 0
    assert partitions(b"essence" + tail, b"") == []


@given(st.binary(max_size=80))
def test_no_bytes_break_the_list_of_partitions(data: bytes) -> None:
    assert 0 <= list_bytes(data) <= 256 * 1024
    assert all(place >= 0 for place in partitions(_LIST + data, data))
