"""What a body's context does: ffmpeg graphs of its own, declared tools, and what the receipt says of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ffmpeg
import pytest

from rushes import CallerError, MediaError, catalog
from rushes.media.planning.graph import guard_graph
from rushes.media.running.builds import find_build
from rushes_functions.inspect import inspect

GRAPHS = Path(__file__).with_name("graphs.py")
Media = Callable[[str], Path]


@pytest.fixture
def graphs() -> Callable[[str], Any]:
    return lambda name: catalog.find(f"{GRAPHS}:{name}")


def test_a_graph_of_the_author_s_own_runs_and_is_in_the_receipt(
    graphs: Callable[[str], Any], media: Media, tmp_path: Path
) -> None:
    made = graphs("half")(str(media("h264.mp4")), out=str(tmp_path))

    receipt = json.loads((tmp_path / "half.mp4.rushes.json").read_text())
    assert Path(made.file).stat().st_size > 0
    assert receipt["ffmpeg"]["version"]
    assert "scale=iw/2:ih/2" in " ".join(receipt["argv"][0])


def test_a_playlist_cannot_pull_another_file_in_through_a_graph(
    graphs: Callable[[str], Any], media: Media, tmp_path: Path
) -> None:
    other = media("h264.ts")
    playlist = tmp_path / "clip.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile {other}\n")

    with pytest.raises((MediaError, CallerError)):
        graphs("half")(str(playlist), out=str(tmp_path / "out"))
    assert not (tmp_path / "out" / "half.mp4").exists()


def test_the_inputs_of_a_graph_are_limited_and_its_outputs_left_alone() -> None:
    stream = ffmpeg.input("/a/clip.mov", ss=1).output("/b/out.mp4", vcodec="copy")
    args = guard_graph(ffmpeg.get_args(stream))

    assert args[:3] == ["-protocol_whitelist", "file", "-format_whitelist"]
    assert args[4:8] == ["-ss", "1", "-i", "file:/a/clip.mov"]
    assert args[-3:] == ["-vcodec", "copy", "/b/out.mp4"]


def test_a_graph_reads_an_image_sequence_by_the_path_of_its_clip(
    graphs: Callable[[str], Any], media: Media, tmp_path: Path
) -> None:
    clip = media("sequence.png")
    short = clip.with_name(clip.name.replace("-1012]", "-1005]"))

    made = graphs("half")(str(clip), out=str(tmp_path / "all"))
    some = graphs("half")(str(short), out=str(tmp_path / "some"))

    assert [inspect(str(one.file)).media.video[0].frames_declared for one in (made, some)] == [12, 5]


def test_a_graph_over_a_sequence_with_holes_is_refused_rather_than_cut_short(
    graphs: Callable[[str], Any], media: Media, tmp_path: Path
) -> None:
    with pytest.raises(MediaError, match="lacks frames 1004-1005, 1009") as refused:
        graphs("half")(str(media("sequence_gaps.exr")), out=str(tmp_path))

    assert refused.value.code == "missing-frames"


def test_what_a_graph_says_of_its_sequence_is_kept(media: Media) -> None:
    clip = str(media("sequence.png"))
    args = guard_graph(
        ffmpeg.get_args(ffmpeg.input(clip, framerate="30000/1001", t=0.1).output("/b/out.mp4"))
    )

    assert args[args.index("-t") + 1] == "0.1"
    assert "-to" not in args
    assert [args[n + 1] for n, arg in enumerate(args) if arg == "-framerate"][-1] == "30000/1001"
    with pytest.raises(CallerError, match="'fast' is no frame rate"):
        guard_graph(ffmpeg.get_args(ffmpeg.input(clip, framerate="fast").output("/b/out.mp4")))


def test_a_declared_tool_runs_with_progress_and_an_undeclared_one_is_refused(
    graphs: Callable[[str], Any], media: Media, tmp_path: Path
) -> None:
    assert graphs("tool")(str(media("h264.mp4"))).said == "made by a tool"
    with pytest.raises(CallerError, match=r"tools=\[\"cp\"\]"):
        graphs("undeclared")(str(media("h264.mp4")))


def test_the_tool_ffmpeg_is_the_build_that_comes_along(
    graphs: Callable[[str], Any], media: Media, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")

    graphs("bare")(str(media("h264.mp4")), out=str(tmp_path))

    receipt = json.loads((tmp_path / "bare.mp4.rushes.json").read_text())
    assert receipt["argv"][0][0] == str(find_build().path)
    assert receipt["ffmpeg"]["version"] == find_build().version


def test_an_output_that_was_asked_for_and_not_written_is_named(
    graphs: Callable[[str], Any], media: Media, tmp_path: Path
) -> None:
    with pytest.raises(CallerError, match=r"nothing\.mp4"):
        graphs("forgets")(str(media("h264.mp4")), out=str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == []
