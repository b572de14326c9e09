"""The rate of an image sequence is one, whoever asks: named, stated by its pictures, or assumed and told."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from rushes.asset import Asset
from rushes.media.describing.inspection import describe
from rushes.media.encoding.encode import Encoded, encode
from rushes.media.ladders.renditions import supervised
from rushes.media.ladders.snapshots import make_snapshots
from rushes.media.ladders.still_branches import Stills
from rushes.media.profile import Profile
from rushes.media.readers.guard import input_args
from rushes.media.readers.sequence_rate import ASSUMED_RATE, assumption, at_rate, sequence_rate, stated_rate
from rushes.media.running.builds import Build, bundled_ffmpeg, find_build


def pictures(folder: Path, kind: str, rate: int = 25) -> Asset:
    """Eight pictures."""
    made = f"testsrc2=s=64x36:r={rate}"
    subprocess.run(
        [str(bundled_ffmpeg()), "-v", "error", "-f", "lavfi", "-i", made, "-frames:v", "8",
         str(folder / f"plate.%04d.{kind}")],
        check=True, timeout=60,
    )  # fmt: skip
    return Asset.of(str(folder / f"plate.[0001-0008].{kind}"))


def proxy(source: Asset, target: Path, **video: object) -> Encoded:
    wish = {"codec": "h264", "speed": "ultrafast", **video}
    return encode(source, target, Profile.model_validate({"video": wish, "audio": {"codec": "none"}}))


def test_pictures_that_state_no_rate_are_read_at_the_assumed_one_and_that_is_said(tmp_path: Path) -> None:
    source = pictures(tmp_path, "png")

    made = proxy(source, tmp_path / "out.mp4")

    assert describe(source).duration_s is None, "none is stated, and inspect says so"
    assert made.argv[made.argv.index("-framerate") + 1] == str(ASSUMED_RATE) == "24"
    assert made.expected.rate == ASSUMED_RATE
    assert made.duration_s == pytest.approx(8 / 24, abs=0.001)
    assert any("state no frame rate: they are read at 24 a second" in one for one in made.warnings)


def test_pictures_that_state_one_have_it(tmp_path: Path) -> None:
    source = pictures(tmp_path, "exr", rate=30)

    made = proxy(source, tmp_path / "out.mp4")

    assert made.expected.rate == Fraction(30)
    assert not any("frame rate" in one for one in made.warnings)


def test_a_rate_that_is_named_goes_before_both(tmp_path: Path) -> None:
    info = describe(pictures(tmp_path, "exr", rate=30))

    assert stated_rate(info, "25") == sequence_rate(info, "25") == Fraction(25)
    assert sequence_rate(info) == Fraction(30)
    assert assumption(info) == ()


def test_stills_of_a_sequence_spread_over_all_of_it(tmp_path: Path) -> None:
    source, folder, build = pictures(tmp_path, "png"), tmp_path / "stills", find_build(environ={})
    folder.mkdir()

    made = make_snapshots(
        source,
        Stills(every_s=1 / 12, columns=2, rows=2, height=32),
        folder,
        build=build,
        run=supervised(build),
    )

    assert made.thumbnails == 4
    assert made.sheet == "contact-sheet.jpg"


def test_a_command_that_opens_a_sequence_without_more_assumes_the_same(tmp_path: Path) -> None:
    words = input_args(pictures(tmp_path, "png"))

    assert words[words.index("-framerate") + 1] == str(ASSUMED_RATE)


def test_a_clip_that_is_no_sequence_is_left_as_it_is(tmp_path: Path, bundled: Build) -> None:
    source = pictures(tmp_path, "png")
    alone = tmp_path / "alone.png"
    shutil.copy(source.sequence.path(1) if source.sequence else "", alone)
    info = describe(alone)

    assert sequence_rate(info) is None
    assert at_rate(info, Fraction(24)) == info
