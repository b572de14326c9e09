"""A clip that is not here is described as if it were, and what keeps its bytes away is said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rushes import CallerError, MediaError, PlatformError
from rushes.media.describing.inspection import describe
from rushes.media.describing.schema import MediaInfo
from rushes.media.readers import ranged
from rushes.media.readers.ranged import TOO_SCATTERED, RangedAsset
from rushes.range_reader import AT_ONCE, BLOCK_BYTES, MOST_AHEAD, RangeReader
from rushes.stored import Stored

NAMES = (
    "index-at-end.mp4", "faststart.mp4", "fragmented.mp4", "prores.mov", "long-gop.mkv", "recorded-live.mkv",
    "broadcast.ts", "long-gop.mxf", "intra.mxf", "old.avi", "delayed.mp4", "tape.dv", "sound.wav",
)  # fmt: skip
# How long these are meant to be nothing says, but for a packet that is cut in two.
ENDLESS = {"recorded-live.mkv", "broadcast.ts", "tape.dv"}
LONG = ("index-at-end.mp4", "prores.mov", "long-gop.mxf", "intra.mxf", "long-gop.mkv")


def elsewhere(path: Path, get: Callable[[int, int], bytes] | None = None) -> RangedAsset:
    """The file as one that is fetched by ranges."""
    data = path.read_bytes()
    stored = Stored(f"s3://cards/{path.name}", len(data), "mark", 0.0)
    return RangedAsset(stored.uri, ranges=RangeReader(stored, get or (lambda start, stop: data[start:stop])))


def fetched(asset: RangedAsset) -> int:
    assert asset.ranges is not None
    return asset.ranges.fetched_bytes


def said(ask: Callable[[], MediaInfo]) -> str:
    try:
        return ask().model_dump_json()
    except MediaError as error:
        return f"{error.code}: {error.message}"


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_elsewhere_is_described_as_it_would_be_here(clip: Callable[[str], Path], name: str) -> None:
    path = clip(name)
    assert said(lambda: describe(elsewhere(path))) == said(lambda: describe(str(path)))


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_that_was_cut_off_is_found_out_elsewhere_too(
    clip: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    cut = tmp_path / name
    data = clip(name).read_bytes()
    cut.write_bytes(data[: len(data) * 2 // 3])
    here = said(lambda: describe(str(cut)))
    assert said(lambda: describe(elsewhere(cut))) == here
    assert "truncated" in here or name in ENDLESS


@pytest.mark.parametrize("name", LONG)
def test_of_a_long_clip_little_is_fetched(clip: Callable[[str], Path], name: str) -> None:
    """The bytes behind the first second are many, and nobody asks for them."""
    path = clip(name)
    one = elsewhere(path)
    describe(one)
    assert fetched(one) <= min(path.stat().st_size, 400_000)


@pytest.mark.parametrize("name", ["long-gop.mxf", "intra.mxf"])
def test_of_mxf_the_places_of_partitions_are_said_before_they_are_read_from_the_last(
    clip: Callable[[str], Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said_: list[int] = []
    expect = RangeReader.expect

    def listen(self: RangeReader, offset: int, count: int) -> None:
        said_.append(offset)
        expect(self, offset, count)

    monkeypatch.setattr(RangeReader, "expect", listen)
    data = clip(name).read_bytes()
    describe(elsewhere(clip(name)))
    assert said_ == sorted(said_, reverse=True)
    assert len(said_) >= 2
    assert all(data[at : at + 13] == bytes.fromhex("060e2b34020501010d01020101") for at in said_)


def test_it_has_no_path_and_says_why(clip: Callable[[str], Path]) -> None:
    with pytest.raises(CallerError, match="headers_only") as caught:
        describe(elsewhere(clip("index-at-end.mp4")), checksum="sha256")
    assert caught.value.code == "not-local"


@pytest.mark.parametrize("from_byte", [0, 1_000_000])
def test_what_keeps_bytes_away_is_the_error_whatever_the_reader_makes_of_it(
    clip: Callable[[str], Path], from_byte: int
) -> None:
    path = clip("tape.dv")
    data = path.read_bytes()

    def get(start: int, stop: int) -> bytes:
        if start >= from_byte:
            raise PlatformError("the way there is broken.", code="service-unreachable")
        return data[start:stop]

    with pytest.raises(PlatformError, match="the way there is broken"):
        describe(elsewhere(path, get))
    assert describe(str(path)).video  # the reader goes on


def test_a_short_answer_is_a_damaged_one(clip: Callable[[str], Path]) -> None:
    with pytest.raises(PlatformError) as caught:
        describe(elsewhere(clip("index-at-end.mp4"), lambda start, stop: bytes(stop - start - 1)))
    assert caught.value.code == "damaged-transfer"


def test_what_is_no_media_is_no_media_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "words.mov"
    path.write_bytes(os.urandom(300_000))
    assert said(lambda: describe(elsewhere(path))) == said(lambda: describe(str(path)))


def test_headers_that_are_all_over_a_clip_are_not_chased(
    clip: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranged, "FREE_BYTES", 100_000)
    with pytest.raises(PlatformError) as caught:
        describe(elsewhere(clip("index-at-end.mp4")))
    assert caught.value.code == TOO_SCATTERED


# -- which ranges -------------------------------------------------------------------------------------------


def reader(size: int) -> tuple[RangeReader, list[tuple[int, int]]]:
    asked: list[tuple[int, int]] = []

    def get(start: int, stop: int) -> bytes:
        asked.append((start, stop - start))
        return bytes(stop - start)

    return RangeReader(Stored("s3://b/k", size, "mark", 0.0), get), asked


def test_a_long_index_takes_few_requests() -> None:
    ranges, asked = reader(100_000_000)
    for at in range(50_000_000, 60_000_000, 16_384):
        assert len(ranges.read_at(at, 16_384)) == 16_384
    assert len(asked) <= 9
    assert max(length for _, length in asked) == MOST_AHEAD * BLOCK_BYTES


def test_of_each_of_many_places_no_more_is_fetched_than_of_the_one_before() -> None:
    ranges, asked = reader(10_000_000_000)
    for place in range(100):
        ranges.read_at(place * 60_000_000 + 5, 16_384)
    assert len(asked) <= 101
    assert sum(length for _, length in asked[3:]) <= 98 * 3 * BLOCK_BYTES


PLACES = [place * 60_000_000 + 5 for place in range(40, 0, -1)]


def expecting() -> tuple[RangeReader, list[tuple[int, int]]]:
    ranges, asked = reader(10_000_000_000)
    for place in PLACES:
        ranges.expect(place, 16_384)
    return ranges, asked


def test_places_that_were_said_are_fetched_several_at_a_time_once_one_of_them_is_read() -> None:
    ranges, asked = expecting()
    assert asked == []
    ranges.read_at(PLACES[0], 16_384)
    assert sorted(start for start, _ in asked) == sorted(
        place // BLOCK_BYTES * BLOCK_BYTES for place in PLACES[:AT_ONCE]
    )
    for place in PLACES[:AT_ONCE]:
        assert len(ranges.read_at(place, 16_384)) == 16_384
    assert len(asked) == AT_ONCE
    for place in PLACES:
        ranges.read_at(place, 16_384)
    assert (len(asked), ranges.requests) == (40, 40)
    assert ranges.fetched_bytes == sum(length for _, length in asked) <= 40 * 3 * BLOCK_BYTES


def test_of_places_that_were_said_and_are_not_come_to_nothing_is_fetched() -> None:
    ranges, asked = expecting()
    ranges.read_at(0, 100)
    ranges.read_at(9_999_000_000, 100)
    assert len(asked) == 2
    ranges.read_at(PLACES[-1], 100)
    assert len(asked) == 3  # those before it in the order are behind it


def test_what_is_there_of_a_place_that_was_said_is_not_fetched_again() -> None:
    ranges, asked = reader(1_000_000)
    ranges.read_at(500_000, 100)
    ranges.expect(400_000, 16_384)
    ranges.expect(510_000, 16_384)
    ranges.read_at(400_000, 100)
    assert len(asked) == 2
    assert ranges.read_at(510_000, 16_384) == bytes(16_384)
    assert len(asked) == 2


def test_places_that_are_none_are_not_believed() -> None:
    ranges, asked = reader(1_000_000)
    for offset, count in [(1_000_000, 10), (2**63, 10), (5, 0), (999_999, 2**40)]:
        ranges.expect(offset, count)
    assert ranges.read_at(999_999, 10) == b"\0"
    assert all(start + length <= 1_000_000 for start, length in asked)


def test_a_place_that_cannot_be_fetched_is_the_error() -> None:
    def get(start: int, stop: int) -> bytes:
        if start < PLACES[0] - 100_000_000:
            raise PlatformError("the way there is broken.", code="service-unreachable")
        return bytes(stop - start)

    ranges = RangeReader(Stored("s3://b/k", 10_000_000_000, "mark", 0.0), get)
    for place in PLACES:
        ranges.expect(place, 16_384)
    with pytest.raises(PlatformError, match="the way there is broken"):
        ranges.read_at(PLACES[0], 100)


def test_what_was_fetched_is_not_fetched_again() -> None:
    ranges, asked = reader(1_000_000)
    ranges.read_at(0, 100_000)
    ranges.read_at(900_000, 100_000)
    before = list(asked)
    ranges.read_at(50_000, 20_000)
    ranges.seek(950_000)
    ranges.read(1000)
    assert asked == before
