"""INPUT arguments that name objects: which clips they are, in which order, and where their outputs go."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes import CallerError
from rushes.runtime.shared.objects.frames import look_clip
from rushes.runtime.shared.objects.inputs import expand_objects
from rushes.runtime.shared.objects.marks import object_mark
from rushes.runtime.sources.inputs import Found
from rushes.testing.clock import FakeClock
from rushes.testing.store import StubStore


def store_of(*keys: str) -> StubStore:
    store = StubStore(FakeClock())
    for key in keys:
        store.put(f"s3://cards/{key}", key.encode())
    return store


def found(store: StubStore, *inputs: str, out: str | None = None, stdin: str = "") -> list[Found]:
    return list(expand_objects(inputs, store, out=out, stdin=io.StringIO(stdin)))


def keys(store: StubStore, *inputs: str, out: str | None = None) -> list[str]:
    return [one.asset.uri.removeprefix("s3://cards/") for one in found(store, *inputs, out=out)]


DAY = ("day1/A001.mov", "day1/b/A002.MXF", "day1/b/notes.txt", "day1/.hidden/A003.mov", "day2/A001.mov")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("day1/A001.mov", ["day1/A001.mov"]),
        ("day1/b/notes.txt", ["day1/b/notes.txt"]),
        ("day1/", ["day1/A001.mov", "day1/b/A002.MXF"]),
        ("day1", ["day1/A001.mov", "day1/b/A002.MXF"]),
        ("", ["day1/A001.mov", "day1/b/A002.MXF", "day2/A001.mov"]),
        ("day*/*.mov", ["day1/A001.mov", "day2/A001.mov"]),
        ("day1/**", ["day1/A001.mov", "day1/b/A002.MXF", "day1/b/notes.txt"]),
        ("**/*.MXF", ["day1/b/A002.MXF"]),
        ("day[!2]/A00?.mov", ["day1/A001.mov"]),
    ],
)
def test_objects_prefixes_and_globs_name_clips(asked: str, expected: list[str]) -> None:
    assert keys(store_of(*DAY), f"s3://cards/{asked}") == expected


def test_a_bucket_alone_is_all_of_it() -> None:
    assert len(keys(store_of(*DAY), "s3://cards")) == 3


def test_an_object_that_is_named_like_a_pattern_is_that_object() -> None:
    store = store_of("take[1].mov", "take1.mov", "a*b.mov")
    assert keys(store, "s3://cards/take[1].mov") == ["take[1].mov"]
    assert keys(store, "s3://cards/a*b.mov") == ["a*b.mov"]


def test_the_tree_below_a_prefix_is_mirrored_and_no_two_clips_take_one_name() -> None:
    store = store_of("d/x/A.mov", "d/x/A.mxf", "d/y/A.mov", "d/../A.mov", "d//B.mov")
    got = {one.asset.uri: (one.subdir, bool(one.tag)) for one in found(store, "s3://cards/d/")}
    assert got["s3://cards/d/x/A.mov"] == ("x", False)
    assert got["s3://cards/d/x/A.mxf"] == ("x", True)
    assert got["s3://cards/d/y/A.mov"] == ("y", False)
    assert "s3://cards/d/../A.mov" not in got  # what begins with a point is hidden, as in a folder
    assert got["s3://cards/d//B.mov"] == ("", False)


def test_a_listing_says_what_a_clip_was() -> None:
    store = store_of("A.mov")
    (by_name,), (by_prefix,) = found(store, "s3://cards/A.mov"), found(store, "s3://cards/")
    assert by_name.mark == by_prefix.mark == "mark:1"


def test_what_rushes_made_is_passed_over_where_outputs_are_made() -> None:
    store = store_of("A.mov", "A.mov.bak", "out/A.mp4", "made.mp4", "made.mp4.rushes.json", "made2.mp4")
    assert keys(store, "s3://cards/", out="s3://cards/out") == ["A.mov", "made2.mp4"]
    assert keys(store, "s3://cards/") == ["A.mov", "made.mp4", "made2.mp4", "out/A.mp4"]
    only = store_of("made.mp4", "made.mp4.rushes.json")
    with pytest.raises(CallerError, match="1 output that Rushes made") as caught:
        keys(only, "s3://cards/", out="s3://proxies")
    assert caught.value.code == "no-media"


@pytest.mark.parametrize("inputs", ["s3://cards/day1/", "s3://cards/day1", "s3://cards/day1/*.mov"])
def test_outputs_that_would_go_among_the_clips_are_named_as_what_is_wrong(inputs: str) -> None:
    store = store_of("day1/A.mov", "day1/B.mov")
    with pytest.raises(CallerError, match="2 objects there are below it") as caught:
        keys(store, inputs, out="s3://cards/day1")
    assert caught.value.code == "no-media"
    assert "outside --out s3://cards/day1/" in caught.value.message
    assert "Rushes made" not in caught.value.message
    assert "--out s3://BUCKET/PREFIX" in caught.value.fix


def test_the_frames_of_a_shot_are_one_clip_by_prefix_and_by_name() -> None:
    store = store_of("s/p.1001.exr", "s/p.1002.exr", "s/still.jpg", "A.mov")
    shot, still = found(store, "s3://cards/s/")
    assert (shot.asset.name, shot.problem, still.asset.name) == ("p.[1001-1002].exr", None, "still.jpg")
    (named,) = found(store, "s3://cards/s/p.[1001-1002].exr")
    assert (named.asset, named.mark) == (shot.asset, shot.mark)
    assert shot.mark == object_mark(look_clip(store, shot.asset.uri))


def test_a_shot_with_gaps_is_refused_by_name() -> None:
    got = found(store_of("s/p.1001.exr", "s/p.1002.exr", "s/p.1004.exr", "s/still.jpg"), "s3://cards/s/")
    assert [(one.asset.name, (one.problem or {}).get("code")) for one in got] == [
        ("p.[1001-1004].exr", "not-found"),
        ("still.jpg", None),
    ]
    assert "has no p.1003.exr" in (got[0].problem or {})["message"]


def test_a_manifest_names_objects_with_options_of_their_own(tmp_path: Path) -> None:
    manifest = tmp_path / "day.jsonl"
    manifest.write_text(
        '{"source": "s3://cards/day1/A001.mov", "params": {"height": 720}}\n'
        '{"source": "clips/B.mov"}\n'
        '{"source": "s3://cards/none.mov"}\n'
    )
    one, local, none = found(store_of(*DAY), str(manifest))
    assert (one.asset.uri, one.params) == ("s3://cards/day1/A001.mov", {"height": 720})
    assert (local.problem or {})["code"] == "local-input"
    assert (none.problem or {})["code"] == "not-found"


def test_standard_input_names_objects() -> None:
    got = found(store_of(*DAY), "-", stdin="s3://cards/day2/A001.mov\ns3://cards/day1/\n")
    assert [one.asset.uri for one in got] == [
        "s3://cards/day2/A001.mov",
        "s3://cards/day1/A001.mov",
        "s3://cards/day1/b/A002.MXF",
    ]


def test_each_clip_is_there_once_however_often_it_is_named() -> None:
    store = store_of(*DAY)
    assert keys(store, "s3://cards/day1/A001.mov", "s3://cards/day1/", "s3://cards/day1/**") == [
        "day1/A001.mov",
        "day1/b/A002.MXF",
        "day1/b/notes.txt",
    ]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("/clips/A001.mov", "local-input"),
        ("A001.mov", "local-input"),
        ("s3://cards/nothing.mov", "not-found"),
        ("s3://cards/nothing/", "no-media"),
        ("s3://cards/day9*/**", "no-media"),
    ],
)
def test_what_names_no_clip_is_said_with_the_next_step(asked: str, code: str) -> None:
    with pytest.raises(CallerError) as caught:
        keys(store_of(*DAY), asked)
    assert caught.value.code == code
    assert caught.value.fix
    with pytest.raises(CallerError):
        next(expand_objects([], store_of()))


names = st.text(st.sampled_from("ab.1~ é/"), min_size=1, max_size=8)


@given(stems=st.sets(names, max_size=12), made=st.booleans())
def test_a_prefix_gives_every_clip_below_it_once_and_none_that_has_a_receipt(
    *, stems: set[str], made: bool
) -> None:
    clips = {f"d/{stem}.mov" for stem in stems}
    receipts = {f"{key}.rushes.json" for key in clips if len(key) % 2} if made else set()
    store = store_of(*clips, *receipts)
    hidden = {key for key in clips if any(part.startswith(".") for part in key[2:].split("/"))}
    wanted = {key for key in clips if f"{key}.rushes.json" not in receipts} - hidden
    if not wanted:
        return
    got = keys(store, "s3://cards/d/", out="s3://proxies")
    assert sorted(got) == sorted(wanted)
