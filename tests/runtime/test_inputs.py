"""INPUT arguments become clips: what is found, what is passed over, what is refused."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.asset import Asset
from rushes.errors import CallerError
from rushes.runtime.sources import places as places_module
from rushes.runtime.sources.clips import clip_names
from rushes.runtime.sources.inputs import Found, distinct, expand
from rushes.runtime.sources.places import Places


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(*inputs: str | Path, **options: Any) -> list[Found]:
    return list(expand([os.fspath(i) for i in inputs], **options))


def names(root: Path, clips: list[Found]) -> list[str]:
    return [os.path.relpath(c.asset.uri, root) for c in clips if c.problem is None]


def problems(clips: list[Found]) -> dict[str, str]:
    return {c.asset.name: c.problem["code"] for c in clips if c.problem is not None}


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# -- folders --------------------------------------------------------------------------------------------


def test_a_folder_gives_its_clips_in_byte_order_folder_by_folder(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.mov", "b/1.mov", "a/c/3.mov", "a/4.mov", "Z.mov", "notes.txt", "a/readme")

    clips = found(tmp_path)

    assert names(tmp_path, clips) == ["Z.mov", "a/4.mov", "a/c/3.mov", "b/1.mov", "b/2.mov"]
    assert [c.subdir for c in clips] == ["", "a", "a/c", "b", "b"]


def test_a_folder_gives_sequences_and_never_their_frames(tmp_path: Path) -> None:
    touch(tmp_path, *[f"plate.{n}.exr" for n in (1001, 1002, 1005)], "still.png", "A.mov")

    clips = found(tmp_path)

    assert names(tmp_path, clips) == ["A.mov", "plate.[1001-1005].exr", "still.png"]
    sequence = clips[1].asset.sequence
    assert sequence is not None
    assert (sequence.first, sequence.last) == (1001, 1005)


def test_hidden_files_receipts_and_the_output_folder_are_never_inputs(tmp_path: Path) -> None:
    touch(tmp_path, "A.mov", ".B.mov", ".hidden/C.mov", "A.mov.rushes.json", "proxies/A.mov", "d/E.mov")
    (tmp_path / "link").symlink_to(tmp_path / "proxies")

    clips = found(tmp_path, out=str(tmp_path / "proxies"))

    assert names(tmp_path, clips) == ["A.mov", "d/E.mov"]


def _own_output(path: Path, size: int = 1) -> None:
    touch(path.parent, path.name)
    outputs = [{"name": path.name, "path": str(path), "size_bytes": size, "sha256": "0"}]
    receipt = {"kind": "rushes.receipt", "schema": 1, "outputs": outputs}
    path.with_name(path.name + ".rushes.json").write_text(json.dumps(receipt))


def test_what_a_receipt_says_rushes_made_is_no_input_of_a_run_that_makes_more(tmp_path: Path) -> None:
    touch(tmp_path, "A.mov")
    _own_output(tmp_path / "A.mp4")
    _own_output(tmp_path / "changed.mp4", size=99)

    with_outputs = found(tmp_path, out=str(tmp_path))
    without = found(tmp_path)

    assert names(tmp_path, with_outputs) == ["A.mov", "changed.mp4"]
    assert names(tmp_path, without) == ["A.mov", "A.mp4", "changed.mp4"]


def test_a_folder_of_our_outputs_alone_says_how_to_name_them(tmp_path: Path) -> None:
    _own_output(tmp_path / "A.mp4")

    with pytest.raises(CallerError, match="1 output that Rushes made") as refused:
        found(tmp_path, out=str(tmp_path / "more"))

    assert refused.value.code == "no-media"
    assert names(tmp_path, found(tmp_path / "A.mp4", out=str(tmp_path / "more"))) == ["A.mp4"]


def test_linked_folders_are_followed_and_loops_are_named_not_followed(tmp_path: Path) -> None:
    touch(tmp_path, "in/A.mov", "elsewhere/B.mov")
    (tmp_path / "in/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/up").symlink_to("..")
    (tmp_path / "in/self").symlink_to(".")
    (tmp_path / "in/loop").symlink_to("loop")

    clips = found(tmp_path / "in")

    assert names(tmp_path / "in", clips)[:2] == ["A.mov", "more/B.mov"]
    assert problems(clips)["self"] == "link-loop"
    assert problems(clips)["loop"] == "link-loop"
    assert problems(clips)["in"] == "link-loop"  # up/in leads back


def test_what_is_no_file_is_that_names_problem_and_the_rest_goes_on(tmp_path: Path) -> None:
    touch(tmp_path, "A.mov")
    os.mkfifo(tmp_path / "pipe.mov")
    (tmp_path / "gone.mov").symlink_to("nowhere")
    (tmp_path / "folder.mp4").mkdir()
    touch(tmp_path, "folder.mp4/B.mov", "l[1-2].png")

    clips = found(tmp_path)

    assert names(tmp_path, clips) == ["A.mov", "folder.mp4/B.mov"]
    assert problems(clips) == {
        "pipe.mov": "not-a-file",
        "gone.mov": "dangling-link",
        "l[1-2].png": "ambiguous-name",
    }


def test_unreadable_clips_and_folders_are_problems_of_their_own() -> None:
    # Not in pytest's folder, which only its owner may enter.
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        touch(root, "A.mov", "locked/B.mov", "C.mov")
        (root / "C.mov").chmod(0)
        (root / "locked").chmod(0)

        with as_nobody():
            clips = found(root)
            with pytest.raises(CallerError) as refused:
                found(root / "locked/B.mov")
        (root / "locked").chmod(0o755)

    assert names(root, clips) == ["A.mov"]
    assert problems(clips) == {"C.mov": "no-permission", "locked": "no-permission"}
    assert refused.value.code == "no-permission"


@pytest.mark.parametrize(
    "name",
    [b"quo'te\".mov", b"new\nline.mov", b"-dash.mov", b"100%03d.mov", b"a:b.mov", b"t [1-2].mov",
     b"\xff\xfe.mov", "Å\u0308 ü 映画.mov".encode(), b"file:x.mov", b"*?.mov", b"#1.mov", b" .mov"],
)  # fmt: skip
def test_a_name_survives_whatever_it_is_made_of(tmp_path: Path, name: bytes) -> None:
    path = os.fsencode(tmp_path) + b"/" + name
    Path(os.fsdecode(path)).touch()
    listed = io.BytesIO(name + b"\0")

    in_folder = found(tmp_path)
    named = found(os.fsdecode(path))
    piped = found("-", base=tmp_path, stdin=listed)

    for clips in (in_folder, named, piped):
        assert [os.fsencode(c.asset.uri) for c in clips] == [path]
        assert [c.problem for c in clips] == [None]
        assert clips[0].asset.sequence is None
        json.dumps(clips[0].asset.uri)


# -- explicit arguments ---------------------------------------------------------------------------------


def test_a_named_file_is_taken_whatever_its_extension(tmp_path: Path) -> None:
    touch(tmp_path, "clip.weird", ".hidden.mov")

    assert names(tmp_path, found(tmp_path / "clip.weird", tmp_path / ".hidden.mov")) == [
        "clip.weird",
        ".hidden.mov",
    ]


def test_a_missing_path_is_refused_before_the_first_clip_and_named(tmp_path: Path) -> None:
    touch(tmp_path, "A.mov")

    with pytest.raises(CallerError, match=r"B\.mov does not exist") as refused:
        expand([str(tmp_path / "A.mov"), str(tmp_path / "B.mov")])

    assert refused.value.code == "not-found"


def test_a_folder_without_media_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "x.mp4/readme.md")

    with pytest.raises(CallerError, match=r"x\.mp4 holds no media") as refused:
        found(tmp_path / "x.mp4")

    assert refused.value.code == "no-media"


def test_an_empty_folder_beside_a_full_one_is_a_problem_of_its_own(tmp_path: Path) -> None:
    touch(tmp_path, "full/A.mov")
    (tmp_path / "empty").mkdir()

    clips = found(tmp_path / "empty", tmp_path / "full")

    assert names(tmp_path, clips) == ["full/A.mov"]
    assert problems(clips) == {"empty": "no-media"}


def test_named_pipes_links_to_nothing_and_receipts_fail_as_clips(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    touch(tmp_path, "A.mp4.rushes.json")

    clips = found(*(tmp_path / n for n in ("pipe", "gone", "loop", "A.mp4.rushes.json")), "/dev/null")

    assert problems(clips) == {
        "pipe": "not-a-file",
        "gone": "dangling-link",
        "loop": "link-loop",
        "A.mp4.rushes.json": "not-media",
        "null": "not-a-file",
    }


def test_a_sequence_pattern_is_one_clip_if_any_frame_exists(tmp_path: Path) -> None:
    touch(tmp_path, "p.1002.exr")

    assert names(tmp_path, found(tmp_path / "p.[1001-1096].exr")) == ["p.[1001-1096].exr"]
    with pytest.raises(CallerError, match="no frame"):
        found(tmp_path / "p.[2001-2096].exr")


def test_relative_inputs_start_from_base(tmp_path: Path) -> None:
    touch(tmp_path, "in/A.mov")

    assert names(tmp_path, found("in", base=tmp_path)) == ["in/A.mov"]


def test_a_remote_uri_says_which_engine_takes_it() -> None:
    with pytest.raises(CallerError, match="not on this machine") as refused:
        found("s3://bucket/day1/")

    assert refused.value.code == "not-local"
    assert "--engine aws:ENV" in refused.value.fix


# -- globs ----------------------------------------------------------------------------------------------


def test_a_glob_mirrors_the_tree_below_its_fixed_part(tmp_path: Path) -> None:
    touch(tmp_path, "day1/a/A.mov", "day1/B.mov", "day2/C.mov", "other/D.mov", "day1/readme.txt")

    clips = found(str(tmp_path / "day*" / "**" / "*.mov"))

    assert names(tmp_path, clips) == ["day1/B.mov", "day1/a/A.mov", "day2/C.mov"]
    assert [c.subdir for c in clips] == ["day1", "day1/a", "day2"]


def test_a_glob_collapses_frames_and_expands_folders(tmp_path: Path) -> None:
    touch(tmp_path, "p.1.exr", "p.2.exr", "in/A.mov", "in/out/B.mov", "x.weird")

    assert names(tmp_path, found(str(tmp_path / "*"), out=str(tmp_path / "in/out"))) == [
        "p.[1-2].exr",
        "in/A.mov",
    ]
    assert names(tmp_path, found(str(tmp_path / "*.weird"))) == ["x.weird"]


def test_a_glob_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="nothing matches") as refused:
        found(str(tmp_path / "*.mov"))

    assert refused.value.code == "not-found"


# -- manifests ------------------------------------------------------------------------------------------


def test_a_text_manifest_mirrors_its_relative_lines(tmp_path: Path) -> None:
    touch(tmp_path, "day1/A.mov", "day2/B.mov", "day2/C.mov")
    manifest = tmp_path / "list.txt"
    manifest.write_bytes(b"\xef\xbb\xbfday1/A.mov\r\n\n# not this\nday2\nmissing.mov\n")

    clips = found(manifest)

    assert names(tmp_path, clips) == ["day1/A.mov", "day2/B.mov", "day2/C.mov"]
    assert [c.subdir for c in clips if c.problem is None] == ["day1", "day2", "day2"]
    assert clips[-1].problem is not None
    assert clips[-1].problem["code"] == "not-found"
    assert "line 5 of" in clips[-1].problem["message"]


def test_a_csv_manifest_gives_options_to_each_clip(tmp_path: Path) -> None:
    touch(tmp_path, "A.mov", "B,2.mov")
    manifest = tmp_path / "list.csv"
    manifest.write_text(
        'clip,height,frames\nA.mov,720,10-20\n"B,2.mov",,\nA.mov,540,9-3\n\n,1\nA.mov,1,2,3\n'
    )

    clips = found(manifest)

    assert [(c.asset.name, c.params) for c in clips[:2]] == [("A.mov", {"height": "720"}), ("B,2.mov", None)]
    assert clips[0].asset.frames is not None
    assert (clips[0].asset.frames.start, clips[0].asset.frames.stop) == (10, 20)
    assert [c.problem["code"] for c in clips[2:] if c.problem] == ["bad-manifest-line"] * 3
    assert clips[2].problem is not None
    assert "line 4 of" in clips[2].problem["message"]
    assert "empty or negative" in clips[2].problem["message"]


def test_a_csv_without_a_source_column_is_refused(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text("file;height\nA.mov;3\n")

    with pytest.raises(CallerError, match="no column that names the source"):
        found(manifest)


def test_a_json_lines_manifest_reports_its_bad_lines(tmp_path: Path) -> None:
    touch(tmp_path, "A.mov")
    manifest = tmp_path / "list.jsonl"
    lines = [
        '{"source": "A.mov", "params": {"height": 720}, "frames": [0, 5]}',
        "not json",
        "[]",
        '{"source": 3}',
        '{"source": "A.mov", "heigth": 3}',
        "[" * 100_000,
    ]
    manifest.write_text("\n".join(lines))

    first, *rest = found(manifest)

    assert first.params == {"height": 720}
    assert [c.problem["code"] for c in rest if c.problem] == ["bad-manifest-line"] * 5
    assert "line 2 of" in (rest[0].problem or {})["message"]


def test_the_same_clip_with_other_options_is_another_clip_and_a_repeated_line_is_not(tmp_path: Path) -> None:
    touch(tmp_path, "A.mov")
    lines = [json.dumps({"source": "A.mov", "params": {"height": h}}) for h in (1, 2, 1)]

    clips = found("-", base=tmp_path, stdin=io.StringIO("\n".join(lines)))

    assert [c.params for c in clips] == [{"height": 1}, {"height": 2}]
    assert clips[0].tag == ""
    assert clips[1].tag.startswith("~")


def test_a_binary_file_that_poses_as_a_manifest_does_not_fill_memory(tmp_path: Path) -> None:
    manifest = tmp_path / "list.txt"
    manifest.write_bytes(b"x" * 3_000_000)

    with pytest.raises(CallerError, match="longer than") as refused:
        found(manifest)

    assert refused.value.code == "bad-manifest"


def test_standard_input_can_be_read_once(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="twice"):
        expand(["-", "-"], stdin=io.BytesIO(b""))


def test_a_pipe_gives_its_first_clips_while_the_list_is_still_written(tmp_path: Path) -> None:
    touch(tmp_path, "A.mov", "B.mov")
    reader, writer = os.pipe()
    os.write(writer, b"A.mov\n")
    with os.fdopen(reader, "rb") as stream:
        clips = expand(["-"], base=tmp_path, stdin=stream)

        first = next(clips)
        os.write(writer, b"B.mov\n")
        os.close(writer)

        assert first.asset.name == "A.mov"
        assert [c.asset.name for c in clips] == ["B.mov"]


# -- names of outputs -----------------------------------------------------------------------------------


def test_twins_get_a_short_hash_that_is_the_same_on_every_run(tmp_path: Path) -> None:
    touch(tmp_path, "a/A.mov", "a/A.mxf", "b/A.mov")

    first = [c.tag for c in found(tmp_path)]
    second = [c.tag for c in found(tmp_path)]

    assert first == second
    assert first[0] == first[2] == ""
    assert first[1][0] == "~"
    assert len(first[1]) == 5


def test_the_same_stems_of_two_roots_are_twins_and_the_same_file_twice_is_one_clip(tmp_path: Path) -> None:
    touch(tmp_path, "one/A.mov", "two/A.mov", "three/A.mov")

    clips = found(*(tmp_path / n for n in ("one", "two", "three", "one")))

    assert names(tmp_path, clips) == ["one/A.mov", "two/A.mov", "three/A.mov"]
    assert len({c.tag for c in clips}) == 3


@given(
    st.lists(
        st.tuples(st.sampled_from(["", "d", "e"]), st.sampled_from("ABC"), st.integers(0, 5)), max_size=60
    )
)
def test_no_two_inputs_ever_get_the_same_output_name(asked: list[tuple[str, str, int]]) -> None:
    taken = Places()
    holders: dict[tuple[str, str], int] = {}
    known: set[tuple[str, str, int]] = set()
    for subdir, stem, identity in asked:
        tag, again = taken.take(subdir, stem, f"{subdir}/{stem}", str(identity))

        assert holders.setdefault((subdir, stem + tag), identity) == identity
        assert again == ((subdir, stem, identity) in known)
        known.add((subdir, stem, identity))


def test_names_stay_unique_when_they_no_longer_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places_module, "_IN_MEMORY", 10)
    taken = Places()

    first = [taken.take("", f"A{n}", f"A{n}.mov", f"mov{n}") for n in range(40)]
    twins = [taken.take("", f"A{n}", f"A{n}.mxf", f"mxf{n}") for n in range(40)]
    again = [taken.take("", f"A{n}", f"A{n}.mxf", f"mxf{n}") for n in range(40)]
    taken.close()

    assert first == [("", False)] * 40
    assert all(tag.startswith("~") and not again for tag, again in twins)
    assert again == [(tag, True) for tag, _ in twins]


def test_clips_that_a_program_names_are_kept_one_for_one_under_distinct_names() -> None:
    asked = [("/a/A.mov", None), ("/b/A.mov", None), ("/a/A.mov", {"height": 1}), ("/a/A.mov", None)]

    clips = list(distinct((Asset.of(path), params) for path, params in asked))

    assert [(c.asset.uri, c.params) for c in clips] == asked
    assert clips[0].tag == clips[3].tag == ""
    assert len({c.tag for c in clips}) == 3


# -- sequences ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names_given", "clips"),
    [
        (["9.dpx", "10.dpx", "11.dpx"], ["[9-11].dpx"]),
        ([f"a.{n:04d}.dpx" for n in range(9998, 10002)], ["a.[9998-10001].dpx"]),
        (["a.08.png", "a.09.png", "a.8.png", "a.9.png"], ["a.[08-09].png", "a.[8-9].png"]),
        (["a.1.EXR", "a.2.EXR", "a.2.exr"], ["a.2.exr", "a.[1-2].EXR"]),
        (["b.101.exr", "b.102.exr", "b.1001.exr", "b.1002.exr"], ["b.[1001-1002].exr", "b.[101-102].exr"]),
        (["p_20240101.jpg", "p_20250101.jpg"], ["p_20240101.jpg", "p_20250101.jpg"]),
        (["a.1.mov", "a.2.mov"], ["a.1.mov", "a.2.mov"]),
        (["v1.jpg"], ["v1.jpg"]),
        (["0.png", "1.png"], ["[0-1].png"]),
        (["x" + "1" * 30 + ".png"], ["x" + "1" * 30 + ".png"]),
    ],
)
def test_numbered_images_make_one_sequence(names_given: list[str], clips: list[str]) -> None:
    assert list(clip_names(names_given)) == clips


@given(st.sets(st.integers(0, 12_000), min_size=1, max_size=40), st.integers(1, 5))
def test_every_frame_belongs_to_exactly_one_clip(numbers: set[int], width: int) -> None:
    given_names = {f"p.{n:0{width}d}.exr" for n in numbers}

    covered: list[str] = []
    for clip in clip_names(given_names):
        sequence = Asset(f"/{clip}").sequence
        if sequence is None:
            covered.append(clip)
        else:
            frames = (sequence.path(n).name for n in range(sequence.first, sequence.last + 1))
            covered += [name for name in frames if name in given_names]

    assert sorted(covered) == sorted(given_names)
