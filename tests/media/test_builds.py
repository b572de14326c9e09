from __future__ import annotations

from pathlib import Path

import pytest

from rushes.errors import CallerError, PlatformError
from rushes.media.running.builds import Build, bundled_ffmpeg, find_build, read_build


def _script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def _speaking(path: Path, version: str, avcodec: str = "63") -> Path:
    return _script(
        path, f'echo "ffmpeg version {version} Copyright"; echo "libavcodec     {avcodec}. 1.100 /"'
    )


def test_the_bundled_ffmpeg_is_the_default() -> None:
    assert find_build(environ={}).path == bundled_ffmpeg()


def test_a_build_describes_itself(build: Build) -> None:
    assert build.major in {5, 9}
    assert "--enable-gpl" in build.configuration
    assert {"libx264", "prores_ks", "dnxhd", "ffv1"} <= build.encoders
    assert {"scale", "overlay", "loudnorm"} <= build.filters
    assert {"mp4", "mov", "mxf", "matroska"} <= build.muxers
    assert {"h264", "prores"} <= build.decoders
    assert "=" not in "".join(build.encoders)


def test_a_receipt_is_not_told_where_the_build_lies(bundled: Build) -> None:
    assert str(bundled.path.parent) not in str(bundled.facts()["name"])


def test_the_environment_names_one_build_for_all(tmp_path: Path) -> None:
    other = _speaking(tmp_path / "ffmpeg", "7.1")
    found = find_build("nvenc", {"RUSHES_FFMPEG": str(other)})
    assert (found.path, found.version, found.major) == (other, "7.1", 7)


def test_the_environment_names_a_build_for_one_family(tmp_path: Path) -> None:
    vendor = _speaking(tmp_path / "vendor=1", "4.3.1")
    setting = {"RUSHES_FFMPEG": f"netint={vendor}"}
    assert find_build("netint", setting).path == vendor
    assert find_build("software", setting).path == bundled_ffmpeg()


@pytest.mark.parametrize(
    ("version", "avcodec", "major"),
    [
        ("n9.0.2-17-g2a571b6", "63", 9),
        ("5.1.9-0+deb12u1", "59", 5),
        ("N-120000-gabc", "61", 7),
        ("odd", "1", 0),
    ],
)
def test_the_major_version_is_told_from_releases_and_from_git_builds(
    tmp_path: Path, version: str, avcodec: str, major: int
) -> None:
    assert read_build(_speaking(tmp_path / "ffmpeg", version, avcodec)).major == major


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("exit 3", "answered 3"),
        ("echo hello", "is not ffmpeg"),
        ("exec /nonexistent/interpreter", "answered"),
    ],
)
def test_what_is_not_ffmpeg_is_refused(tmp_path: Path, body: str, why: str) -> None:
    with pytest.raises(CallerError, match=why) as caught:
        read_build(_script(tmp_path / "ffmpeg", body))
    assert caught.value.code == "bad-ffmpeg"


def test_a_build_that_was_killed_is_asked_again(tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    path = _script(tmp_path / "ffmpeg", f'[ -e {killed} ] || {{ : > {killed}; kill -9 $$; }}\n'
                   'echo "ffmpeg version 7.0 "')  # fmt: skip

    with pytest.raises(PlatformError, match="was killed"):
        read_build(path)
    assert read_build(path).version == "7.0"


def test_a_missing_build_is_named(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="nowhere is not there"):
        find_build(environ={"RUSHES_FFMPEG": str(tmp_path / "nowhere")})


def test_a_file_that_cannot_be_executed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ffmpeg").write_text("text")
    with pytest.raises(CallerError, match="not an executable file"):
        find_build(environ={"RUSHES_FFMPEG": str(tmp_path / "ffmpeg")})


def test_a_relative_path_is_refused() -> None:
    with pytest.raises(CallerError, match="absolute"):
        find_build(environ={"RUSHES_FFMPEG": "bin/ffmpeg"})


def test_a_build_is_asked_once_until_its_file_changes(tmp_path: Path) -> None:
    path, count = tmp_path / "ffmpeg", tmp_path / "count"
    _script(path, f'echo x >> {count}; echo "ffmpeg version 7.0 "')
    read_build(path)
    read_build(path)
    assert count.read_text() == "x\n"
    _script(path, f'echo y >> {count}; echo "ffmpeg version 7.11 "')
    assert read_build(path).version == "7.11"
