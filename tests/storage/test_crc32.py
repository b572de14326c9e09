"""The CRC-32 of a whole follows from those of its parts, and is read and written as S3 does."""

from __future__ import annotations

import io
import zlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rushes.storage.crc32 import crc32_of_parts, crc32_text, crc32_value
from rushes.storage.s3_client import FetchingClient, PublishingClient


@given(parts=st.lists(st.binary(max_size=5000), max_size=8))
def test_parts_in_their_order_give_the_sum_of_the_whole(parts: list[bytes]) -> None:
    known = [(zlib.crc32(part), len(part)) for part in parts]
    assert crc32_of_parts(known) == zlib.crc32(b"".join(parts))


@given(data=st.binary(max_size=100), gigabytes=st.integers(0, 5000))
def test_a_part_may_be_of_any_length(data: bytes, gigabytes: int) -> None:
    """Zeros before anything change nothing of a sum that began with none."""
    assert crc32_of_parts([(0, gigabytes << 30), (zlib.crc32(data), len(data))]) == zlib.crc32(data)


@given(crc=st.integers(0, 2**32 - 1))
def test_a_sum_is_read_as_it_was_written(crc: int) -> None:
    assert crc32_value(crc32_text(crc)) == crc


class Ranges:
    """A client that gives ranges of some bytes, the first of them badly once."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.broken = True

    def get_object(self, **asked: Any) -> Any:
        first, last = map(int, asked["Range"].removeprefix("bytes=").split("-"))
        body = self.data[first : last + 1]
        if first == 0 and self.broken:
            self.broken, body = False, body[:-3]
        return {"Body": io.BytesIO(body), "ContentRange": f"bytes {first}-{last}/{len(self.data)}"}


@given(data=st.binary(min_size=20, max_size=2000), turn=st.integers(0, 19))
def test_what_is_read_in_any_order_is_summed_in_its_own(data: bytes, turn: int) -> None:
    client, step = FetchingClient(Ranges(data), "mark"), 1 + len(data) // 7
    ranges = [(at, min(at + step, len(data)) - 1) for at in range(0, len(data), step)]
    ranges = ranges[turn % len(ranges) :] + ranges[: turn % len(ranges)]
    for first, last in [(0, step - 1), *ranges]:  # the first is asked for again: its answer broke off
        body = client.get_object(Range=f"bytes={first}-{last}")["Body"]
        while body.read(3):
            pass
    assert client.crc32(len(data)) == zlib.crc32(data)


def test_what_was_not_all_read_has_no_sum() -> None:
    client = FetchingClient(Ranges(b"0123456789"), "mark")
    client.get_object(Range="bytes=5-9")["Body"].read()
    assert client.crc32(10) is None


class Completed:
    """A client that remembers how an upload was completed."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def upload_part(self, **asked: Any) -> Any:
        return asked

    def complete_multipart_upload(self, **asked: Any) -> None:
        self.asked = asked


def test_an_upload_is_completed_with_the_sum_of_what_the_store_says_it_has() -> None:
    store, parts = Completed(), [b"one", b"and two"]
    client = PublishingClient(store, {"IfNoneMatch": "*"}, lambda: 7)
    for number, part in enumerate(parts, 1):
        client.upload_part(PartNumber=number, Body=part)
    told = [
        {"PartNumber": number, "ChecksumCRC32": crc32_text(zlib.crc32(part))}
        for number, part in enumerate(parts, 1)
    ]
    client.complete_multipart_upload(MultipartUpload={"Parts": told})
    assert store.asked["IfNoneMatch"] == "*"
    assert crc32_value(store.asked["ChecksumCRC32"]) == zlib.crc32(b"oneand two")


def test_a_store_that_says_nothing_of_parts_is_given_the_sum_of_the_file() -> None:
    store = Completed()
    client = PublishingClient(store, {}, lambda: 7)
    client.upload_part(PartNumber=1, Body=b"one")
    client.complete_multipart_upload(MultipartUpload={"Parts": [{"PartNumber": 1}]})
    assert crc32_value(store.asked["ChecksumCRC32"]) == 7
