"""What every store promises, as tests: mix `StoreContract` into a pytest class and say how one is built.

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self) -> Store: ...
        root = "s3://bucket/folder/"
        def put(self, store: Store, uri: str, data: bytes) -> None: ...   # by somebody else's hand

What a store cannot do is declared in `lacks`, and its tests are skipped by that name. This module must not
know which store it examines.
"""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import ClassVar, Final

import pytest

from rushes.errors import CallerError
from rushes.ports import Store

__all__ = ["HOSTILE_KEYS", "StoreContract"]

HOSTILE_KEYS: Final = (
    "a b+c.mov",
    "day 01/A001 C002+.mov",
    "50%.mov",
    "%2e%2e/x",
    "../../etc/passwd",
    "..",
    "x/../y",
    "//double//slash",
    "trailing/",
    "-i",
    "a:b",
    "%03d.exr",
    "new\nline",
    "tab\there",
    "question?versionId=abc",
    "question?versionId=",
    "hash#tag",
    "ünïcödé/名前.mov",
    "nfd-u\u0308.mov",
    "nfc-\u00fc.mov",
    "rtl-\u202egnp.mov",
    "emoji-🎬.mov",
    "k" * 1024,
    "ü" * 512,
)
"""Names that somebody's bucket has."""


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class StoreContract:
    """Tests that every store passes."""

    root: ClassVar[str]
    """A prefix that is the test's own, and empty; it ends with ``/``."""
    lacks: ClassVar[frozenset[str]] = frozenset()
    """Of ``archive`` (objects that have to be brought back)."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    def put(self, store: Store, uri: str, data: bytes) -> None:
        """Somebody else puts an object there."""
        raise NotImplementedError

    def file(self, folder: Path, data: bytes) -> Path:
        path = folder / "made"
        path.write_bytes(data)
        return path

    def test_what_is_not_there_is_named(self, store: Store, tmp_path: Path) -> None:
        uri = f"{self.root}none.mov"
        for ask in (store.look, store.reader, lambda one: store.fetch(one, tmp_path / "x")):
            with pytest.raises(CallerError, match="does not exist") as caught:
                ask(uri)
            assert caught.value.code == "not-found"
        assert list(tmp_path.iterdir()) == []

    def test_an_object_is_described(self, store: Store) -> None:
        self.put(store, f"{self.root}a.mov", b"12345")
        found = store.look(f"{self.root}a.mov")
        assert (found.size_bytes, bool(found.mark), found.archived) == (5, True, "")

    def test_the_mark_changes_with_the_content(self, store: Store) -> None:
        uri = f"{self.root}a.mov"
        self.put(store, uri, b"one")
        before = store.look(uri)
        self.put(store, uri, b"two")
        assert store.look(uri).mark != before.mark

    def test_an_object_is_fetched_whole(self, store: Store, tmp_path: Path) -> None:
        data = bytes(range(256)) * 1000
        self.put(store, f"{self.root}a.mov", data)
        heard: list[int] = []
        found = store.fetch(f"{self.root}a.mov", tmp_path / "here.mov", heard.append)
        assert (tmp_path / "here.mov").read_bytes() == data
        assert (found.size_bytes, sum(heard)) == (len(data), len(data))
        assert [one.name for one in tmp_path.iterdir()] == ["here.mov"]

    def test_an_object_is_read_here_and_there(self, store: Store) -> None:
        data = bytes(range(256)) * 5000
        self.put(store, f"{self.root}a.mov", data)
        with store.reader(f"{self.root}a.mov") as file:
            assert file.seekable()
            assert file.read(10) == data[:10]
            assert file.seek(-7, io.SEEK_END) == len(data) - 7
            assert file.read() == data[-7:]
            file.seek(600_000)
            read = bytearray()
            while len(read) < 100_000 and (chunk := file.read(100_000 - len(read))):
                read += chunk
            assert bytes(read) == data[600_000:700_000]

    def test_an_empty_object_is_an_object(self, store: Store, tmp_path: Path) -> None:
        self.put(store, f"{self.root}empty", b"")
        store.fetch(f"{self.root}empty", tmp_path / "empty")
        assert (tmp_path / "empty").read_bytes() == b""
        assert store.reader(f"{self.root}empty").read(1) == b""

    def test_what_is_published_is_there(self, store: Store, tmp_path: Path) -> None:
        data, uri = b"made" * 1000, f"{self.root}out.mp4"
        made = store.publish(self.file(tmp_path, data), uri, _sha(data), about={"rushes-key": "ab12"})
        found = store.look(uri)
        assert (found.mark, found.size_bytes, found.sha256) == (made.mark, len(data), _sha(data))
        assert found.about == {"rushes-key": "ab12"}
        store.fetch(uri, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == data

    def test_nothing_that_is_there_is_replaced(self, store: Store, tmp_path: Path) -> None:
        uri = f"{self.root}theirs.mp4"
        self.put(store, uri, b"theirs")
        before = store.look(uri)
        with pytest.raises(CallerError) as caught:
            store.publish(self.file(tmp_path, b"mine"), uri, _sha(b"mine"))
        assert caught.value.code == "target-exists"
        assert store.look(uri) == before

    def test_the_same_published_twice_is_success_by_the_first(self, store: Store, tmp_path: Path) -> None:
        uri = f"{self.root}same.mp4"
        first = store.publish(self.file(tmp_path, b"same"), uri, _sha(b"same"))
        assert store.publish(self.file(tmp_path, b"same"), uri, _sha(b"same")).mark == first.mark

    def test_what_is_ours_may_be_replaced_while_it_is_what_we_saw(self, store: Store, tmp_path: Path) -> None:
        uri = f"{self.root}ours.mp4"
        first = store.publish(self.file(tmp_path, b"one"), uri, _sha(b"one"))
        second = store.publish(self.file(tmp_path, b"two"), uri, _sha(b"two"), over=first)
        assert store.look(uri).sha256 == _sha(b"two")
        self.put(store, uri, b"theirs")
        with pytest.raises(CallerError) as caught:
            store.publish(self.file(tmp_path, b"three"), uri, _sha(b"three"), over=second)
        assert caught.value.code == "target-exists"
        assert store.look(uri).size_bytes == len(b"theirs")

    def test_a_listing_has_what_is_below_a_prefix(self, store: Store) -> None:
        for name in ("day1/b.mov", "day1/a.mov", "day10/c.mov", "day2/d.mov"):
            self.put(store, f"{self.root}{name}", b"x")
        assert [one.uri for one in store.listing(f"{self.root}day1/")] == [
            f"{self.root}day1/a.mov",
            f"{self.root}day1/b.mov",
        ]
        behind = store.listing(f"{self.root}day1/", after=f"{self.root}day1/a.mov")
        assert [one.uri for one in behind] == [f"{self.root}day1/b.mov"]
        assert list(store.listing(f"{self.root}day1/", after=f"{self.root}day1/b.mov")) == []

    def test_nothing_on_its_way_is_nothing_to_abandon(self, store: Store) -> None:
        assert store.abandon(f"{self.root}none") == 0
