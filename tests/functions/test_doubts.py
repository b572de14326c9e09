"""A look at a clip whose end is missing, or that is damaged, says so; an encode of it fails."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import make_media
from rushes import Asset, MediaError
from rushes.options import Options
from rushes.runtime.attempts.direct import make_here
from rushes.runtime.attempts.task import Made
from rushes_functions.inspect import inspect
from rushes_functions.loudness import loudness
from rushes_functions.proxy import proxy
from rushes_functions.thumbnails import thumbnails

LOOKS = pytest.mark.parametrize("function", [inspect, loudness, thumbnails], ids=lambda one: one.name)


def made(function: object, clip: Path, out: Path) -> Made:
    return make_here(function, Asset.of(clip), function.params(), Options(out=str(out)))  # type: ignore[arg-type,attr-defined]


@pytest.fixture
def whole(media: make_media.Workshop, tmp_path: Path) -> Path:
    return Path(shutil.copy(media.get("h264_faststart.mp4"), tmp_path / "whole.mp4"))


@LOOKS
def test_of_a_whole_clip_there_is_nothing_to_say(function: object, whole: Path, tmp_path: Path) -> None:
    assert made(function, whole, tmp_path / "out").warnings == ()


@LOOKS
def test_of_a_clip_whose_end_is_missing_it_says_that_it_is_of_what_is_there(
    function: object, whole: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 7 // 10])

    (said,) = made(function, cut, tmp_path / "out").warnings

    assert said.startswith("the file is cut short: ")
    assert said.endswith("; this is of what is there")
    with pytest.raises(MediaError, match="cut short"):
        made(proxy, cut, tmp_path / "out")


@pytest.mark.parametrize("function", [loudness, thumbnails], ids=lambda one: one.name)
def test_of_a_clip_that_is_damaged_within_it_says_what_the_decoder_said(
    function: object, whole: Path, tmp_path: Path
) -> None:
    data = bytearray(whole.read_bytes())
    for place in range(len(data) // 2, len(data) * 9 // 10):
        data[place] = place * 37 % 251
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(data)

    (said,) = made(function, bad, tmp_path / "out").warnings

    assert said.startswith("the clip is damaged, and this is of what could be decoded: ")
