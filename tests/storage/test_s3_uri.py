"""Keys go there and back exactly, and never leave the folder that they are fetched into."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rushes import Asset, CallerError
from rushes.storage.s3_uri import KEY_BYTES, NAME_BYTES, Place, local_name, place_of, uri_of
from rushes.testing.store_contract import HOSTILE_KEYS

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300).filter(
    lambda key: len(key.encode()) <= KEY_BYTES
)


@given(key=KEYS, version=st.from_regex(r"[A-Za-z0-9._-]{0,32}", fullmatch=True))
@example(key="a?versionId=b", version="")
@example(key="a?versionId=", version="c")
@example(key="\n?versionId=", version="")
def test_every_key_and_version_has_one_spelling_that_is_read_back(key: str, version: str) -> None:
    uri = uri_of("bucket", key, version)
    assert place_of(uri) == Place("bucket", key, version)


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_hostile_keys_go_there_and_back_through_an_asset(key: str) -> None:
    assert place_of(Asset.of(uri_of("bucket", key)).uri).key == key


@given(key=KEYS)
def test_a_local_name_is_one_name_inside_its_folder(key: str) -> None:
    name = local_name(key)
    assert Path("/scratch/1", name).resolve().parent == Path("/scratch/1")
    assert name not in {"", ".", ".."}
    assert not name.startswith("-")
    assert len(name.encode()) <= NAME_BYTES
    assert not set(name) & set("/\0\n")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("day1/A001C002.mov", "A001C002.mov"),
        ("../../etc/passwd", "passwd"),
        ("a/..", "object__"),
        ("folder/", "folder"),
        ("/", "object"),
    ],
)
def test_a_local_name_is_the_last_part_where_that_is_one(key: str, name: str) -> None:
    assert local_name(key) == name


def test_a_long_name_keeps_its_extension() -> None:
    name = local_name("x" * 900 + ".mxf")
    assert name.endswith(".mxf")
    assert local_name("x" * 899 + "y.mxf") != name


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("gs://bucket/x", "does not begin with s3://"),
        ("s3://B/x", "has no bucket that S3 could have: 'B'"),
        ("s3:///x", "has no bucket"),
        ("s3://bucket/" + "k" * 1025, "more than 1024 bytes"),
        ("s3://bucket/\udcff", "is no UTF-8"),
    ],
)
def test_what_s3_cannot_have_is_refused(uri: str, said: str) -> None:
    with pytest.raises(CallerError, match=said) as caught:
        place_of(uri)
    assert caught.value.code == "bad-uri"


def test_an_access_point_is_a_bucket() -> None:
    arn = "arn:aws:s3:eu-west-1:123456789012:accesspoint/dailies"
    assert place_of(f"s3://{arn}/day1/a.mov") == Place(arn, "day1/a.mov")
