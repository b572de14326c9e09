"""Image sequences in a store: looked at as one clip, fetched whole, and refused with a frame missing."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from rushes import Asset, CallerError, MediaError
from rushes.runtime.attempts.task import Made, Task
from rushes.runtime.shared.objects.attempt import run_remote
from rushes.runtime.shared.objects.frames import fetch_clip, frames_of, look_clip
from rushes.runtime.shared.objects.marks import mark_of
from rushes.testing.clock import FakeClock
from rushes.testing.store import StubStore

PLATE = "stub://cards/sc 1/plate.[0099-0101].exr"


@pytest.fixture
def store() -> StubStore:
    made = StubStore(FakeClock())
    for number in (99, 100, 101):
        made.put(f"stub://cards/sc 1/plate.{number:04}.exr", b"frame %d" % number)
    return made


def attempt(store: StubStore, scratch: Path, fingerprint: str = "") -> Made:
    functions: Any = importlib.import_module("runtime.remote")
    task = Task(
        functions.frames, Asset(PLATE), functions.frames.params(None), "k7m2qx.1", key="ab" * 32,
        fingerprint=fingerprint,
    )  # fmt: skip
    return run_remote(
        task, store, scratch, report=lambda *_: None, may_publish=lambda _: None, cancelled=lambda: False,
        local_name=lambda uri: uri.rpartition("/")[2],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("uri", "frames"),
    [
        (PLATE, ["stub://cards/sc 1/plate.0099.exr", "stub://cards/sc 1/plate.0100.exr",
                 "stub://cards/sc 1/plate.0101.exr"]),
        ("s3://cards/[1-2].dpx", ["s3://cards/1.dpx", "s3://cards/2.dpx"]),
        ("s3://cards/take [1-2].mov", None),
        ("s3://cards/plate.[5-4].exr", None),
        ("s3://cards/a.exr", None),
    ],
)  # fmt: skip
def test_only_pictures_make_sequences(uri: str, frames: list[str] | None) -> None:
    assert frames_of(uri) == frames


def test_a_sequence_without_end_is_refused() -> None:
    with pytest.raises(CallerError, match="has 1,000,000 frames"):
        frames_of("s3://cards/plate.[0000001-1000000].exr")


def test_a_sequence_is_one_clip_whose_mark_follows_from_every_frame(store: StubStore) -> None:
    before = look_clip(store, PLATE)
    assert (before.uri, before.size_bytes) == (PLATE, len(b"frame 99frame 100frame 101"))
    assert look_clip(store, PLATE) == before
    store.put("stub://cards/sc 1/plate.0100.exr", b"frame 1oo")
    assert look_clip(store, PLATE).mark != before.mark


def test_a_clip_that_is_one_object_is_looked_at_as_ever(store: StubStore) -> None:
    uri = "stub://cards/sc 1/plate.0100.exr"
    assert look_clip(store, uri) == store.look(uri)


def test_the_body_gets_all_frames_under_their_names(store: StubStore, tmp_path: Path) -> None:
    made = attempt(store, tmp_path, mark_of(look_clip(store, PLATE)))
    assert json.loads(made.result) == {"read": ["frame 99", "frame 100", "frame 101"], "stem": "plate"}
    assert list(tmp_path.iterdir()) == []


def test_a_sequence_that_is_not_what_was_submitted_is_refused(store: StubStore, tmp_path: Path) -> None:
    mark = mark_of(look_clip(store, PLATE))
    store.put("stub://cards/sc 1/plate.0101.exr", b"another")
    with pytest.raises(MediaError) as caught:
        attempt(store, tmp_path, mark)
    assert caught.value.code == "source-changed"


def test_a_frame_that_is_missing_is_named(store: StubStore, tmp_path: Path) -> None:
    with pytest.raises(CallerError, match=r"plate\.0102\.exr") as caught:
        fetch_clip(store, "stub://cards/sc 1/plate.[0101-0102].exr", tmp_path / "plate.[0101-0102].exr")
    assert caught.value.code == "not-found"
