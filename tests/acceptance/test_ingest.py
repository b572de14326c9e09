"""One-pass ingest of clips: the very bytes that each function makes alone, and blame where it belongs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import make_media
from rushes import RushesError, together
from rushes.media.running.builds import Build
from rushes_functions.checksum import checksum
from rushes_functions.inspect import inspect
from rushes_functions.loudness import loudness
from rushes_functions.proxy import proxy
from rushes_functions.thumbnails import thumbnails
from rushes_functions.transcode import transcode

_SMALL: dict[str, Any] = {"video": "hevc", "height": 90, "threads": 1}
ALL = together(inspect, checksum, proxy, thumbnails, loudness)


@pytest.fixture
def asked(build: Build, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Each ffmpeg, as the one that is asked for."""
    monkeypatch.setenv("RUSHES_FFMPEG", str(build.path))
    return build


def made_in(folder: Path) -> dict[str, str]:
    """What lies in a folder, by name, receipts left out."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".json")
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def argv_of(receipt: str) -> list[list[str]]:
    argv: list[list[str]] = json.loads(Path(receipt).read_text())["argv"]
    return argv


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("h264.mp4", [{"height": 120}, {"sheet": "2x2"}]),
        (
            "h264_24p.mp4",
            [{"burn_in": "name,timecode,frame", "lut": "look"}, {"every": 0.5, "picture": "png"}],
        ),
        ("prores_faststart.mov", [{"codec": "prores_proxy"}, {"every": 12.0}]),
        ("hevc.mkv", [{"codec": "dnxhr_lb"}, {}]),
        ("vfr.mkv", [{"cfr": True}, {"every": 0.25}]),
        ("open_gop_b.ts", [{}, {"sheet": "3x1"}]),
        ("interlaced_bff.mov", [{"fraction": "1/2"}, {"sheet": "2x1"}]),
    ],
)
def test_a_pass_makes_what_each_function_makes_alone(
    name: str, options: list[dict[str, Any]], asked: Build, media: make_media.Workshop, tmp_path: Path
) -> None:
    proxied, stills = options
    # With two threads x264 writes other bytes of the same pictures now and then, alone too (3 of 120 runs).
    proxied = {"threads": 1, **proxied}
    if "lut" in proxied:
        proxied = {**proxied, "lut": _look(tmp_path)}
    clip = media.get(name)

    result = ALL(clip, out=tmp_path / "together", proxy=proxied, thumbnails=stills)
    proxy(clip, out=tmp_path / "alone", **proxied)
    thumbnails(clip, out=tmp_path / "alone", **stills)

    assert made_in(tmp_path / "together") == made_in(tmp_path / "alone")
    assert result.of(checksum) == checksum(clip)
    assert result.of(loudness) == loudness(clip)
    assert result.of(inspect) == inspect(clip)
    shared = argv_of(result.functions["proxy"].receipt or "")
    assert shared == argv_of(result.functions["thumbnails"].receipt or "")
    assert len(shared) == 1
    assert shared[0].count("-i") == (2 if "-skip_frame" in shared[0] else 1)


def _look(folder: Path) -> str:
    corners = [(r, g, b) for b in (0, 1) for g in (0, 1) for r in (0, 1)]
    lines = ["LUT_3D_SIZE 2", *(f"{1 - r} {g} {b}" for r, g, b in corners)]
    path = folder / "look.cube"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_two_encodes_share_a_decode_and_a_partial_clip_is_partial_in_all(
    media: make_media.Workshop, tmp_path: Path
) -> None:
    from rushes import Asset  # noqa: PLC0415 - the door is lazy

    clip = Asset.of(media.get("h264.mp4")).with_frames(5, 20)
    both = together(proxy, transcode)

    result = both(clip, out=tmp_path / "together", proxy={"threads": 1}, transcode=_SMALL)
    proxy(clip, out=tmp_path / "alone", threads=1)
    transcode(clip, out=tmp_path / "alone", **_SMALL)

    assert made_in(tmp_path / "together") == made_in(tmp_path / "alone")
    assert (result.of(proxy).frames, result.of(transcode).frames) == (15, 15)
    assert len(argv_of(result.functions["proxy"].receipt or "")[0]) > 60
    assert argv_of(result.functions["proxy"].receipt or "") == argv_of(
        result.functions["transcode"].receipt or ""
    )


def test_who_is_to_blame_fails_alone(media: make_media.Workshop, tmp_path: Path) -> None:
    clip, look = media.get("h264.mp4"), tmp_path / "look.cube"
    look.write_text("LUT_3D_SIZE 2\n0 0 zero\n")

    with pytest.raises(RushesError) as caught:
        ALL(clip, out=tmp_path / "together", proxy={"lut": str(look)})
    with pytest.raises(RushesError) as alone:
        proxy(clip, out=tmp_path / "alone", lut=str(look))
    thumbnails(clip, out=tmp_path / "alone")

    functions = caught.value.details["functions"]
    assert [name for name, one in functions.items() if one["state"] == "failed"] == ["proxy"]
    assert functions["proxy"]["error"]["code"] == caught.value.code == alone.value.code
    assert made_in(tmp_path / "together") == made_in(tmp_path / "alone")
    assert functions["loudness"]["result"] == loudness(clip).model_dump(mode="json")


def test_a_clip_without_sound_has_no_loudness_and_fails_nothing(
    media: make_media.Workshop, tmp_path: Path
) -> None:
    result = ALL(media.get("cineform.mov"), out=tmp_path / "out")

    assert result.of(loudness).tracks == []
