"""Cut and damaged footage is found out, whole footage is not accused: real files through the real media core.

ffmpeg leaves 0 on most of the broken ones here, and a plausible short file behind.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import pytest

import make_media
from rushes.errors import MediaError

if TYPE_CHECKING:
    from rushes.media.running.builds import Build

RECIPES = make_media.RECIPES.values()
# A sequence with gaps is whole in each of its files, and yet not a whole clip: see below.
GOOD = [r.name for r in RECIPES if r.set == "good" and not r.facts.get("missing_frames")]
GAPS = [r.name for r in RECIPES if r.set == "good" and r.facts.get("missing_frames")]


def _broken(*expect: str) -> list[str]:
    return [r.name for r in RECIPES if r.set == "broken" and r.facts["expect"] in expect]


@pytest.mark.parametrize("name", _broken("unreadable"))
def test_a_file_that_cannot_be_read_fails_once_as_media_and_says_why(
    media: make_media.Workshop, attempt: Any, name: str
) -> None:
    outcome = attempt(media(name))

    assert isinstance(outcome.described, MediaError), outcome
    assert outcome.describes_clearly, outcome
    assert isinstance(outcome.failed, MediaError), outcome
    assert outcome.left == ()


@pytest.mark.parametrize("name", _broken("damaged"))
def test_a_damaged_file_fails_its_encode_as_media_and_leaves_nothing_behind(
    media: make_media.Workshop, attempt: Any, name: str
) -> None:
    outcome = attempt(media(name))

    assert isinstance(outcome.failed, MediaError), outcome
    assert outcome.failed.code in {"truncated", "damaged"}
    assert outcome.fails_clearly, outcome
    assert outcome.left == ()


@pytest.mark.parametrize("name", [name for name in _broken("damaged") if name.startswith("cut")])
def test_a_cut_file_that_still_opens_is_described_with_a_warning(
    media: make_media.Workshop, attempt: Any, name: str
) -> None:
    outcome = attempt(media(name))

    assert outcome.info is not None, outcome
    assert any(warning.startswith("truncated") for warning in outcome.info.warnings), outcome.info.warnings


@pytest.mark.parametrize("name", _broken("unprovable"))
def test_damage_that_the_file_cannot_prove_fails_as_media_or_keeps_every_frame_that_is_there(
    media: make_media.Workshop, attempt: Any, name: str
) -> None:
    outcome = attempt(media(name))

    if outcome.encoded is None:
        assert isinstance(outcome.failed, MediaError), outcome
        assert outcome.left == ()
    else:
        assert outcome.encoded.frames == _pictures(media(name))


@pytest.mark.parametrize(
    "name",
    ["cut60_faststart.mp4", "cut60_prores_faststart.mov", "cut60_h264.mkv", "cut60_mpeg2.mxf",
     "cut60_moov_last.mp4", "cut90_dnxhr.mxf", "cut60_mjpeg.avi", "flipped_h264.mkv", "hole_prores.mov"],
)  # fmt: skip
def test_each_ffmpeg_that_is_supported_finds_the_damage(
    media: make_media.Workshop, attempt: Any, build: Build, name: str
) -> None:
    outcome = attempt(media(name), build=build)

    assert isinstance(outcome.failed, MediaError), outcome
    assert outcome.left == ()


@pytest.mark.parametrize(
    "name", ["cut60_faststart.mp4", "cut60_h264.mkv", "cut60_mpeg2.mxf", "flipped_h264.mp4"]
)
def test_salvage_saves_what_decodes_and_says_that_it_is_not_all(
    media: make_media.Workshop, attempt: Any, build: Build, name: str
) -> None:
    outcome = attempt(media(name), on_damage="salvage", build=build)

    assert outcome.encoded is not None, outcome
    assert 10 <= outcome.encoded.frames <= 50
    assert outcome.encoded.warnings


@pytest.mark.parametrize("name", GOOD)
def test_a_whole_file_is_encoded_without_a_false_alarm(
    media: make_media.Workshop, attempt: Any, name: str
) -> None:
    source, facts = media(name), media.facts(name)

    outcome = attempt(source)

    assert outcome.info is not None, outcome
    accusing = ("truncated", "damaged", "missing-index")
    assert [w for w in outcome.info.warnings if w.startswith(accusing)] == []
    assert outcome.encoded is not None, outcome
    if "frames" in facts:
        assert outcome.encoded.frames == facts["frames"]


@pytest.mark.parametrize("name", GAPS)
def test_a_sequence_with_gaps_fails_as_media_and_names_the_missing_frame(
    media: make_media.Workshop, attempt: Any, name: str
) -> None:
    first = media.facts(name)["missing_frames"][0]

    refused = attempt(media(name))

    assert isinstance(refused.failed, MediaError), refused
    assert str(first) in refused.failed.message
    assert refused.left == ()


def test_real_clips_are_described_and_encoded_without_a_false_alarm(
    real_clips: tuple[Path, ...], attempt: Any
) -> None:
    for clip in real_clips:
        outcome = attempt(clip)

        assert outcome.info is not None, outcome
        assert [w for w in outcome.info.warnings if w.startswith(("truncated", "damaged"))] == []
        assert outcome.encoded is not None, outcome
        assert outcome.encoded.frames == _pictures(clip)


@pytest.mark.parametrize(
    "name", ["h264.mp4", "prores.mov", "vfr.mkv", "edit_list.mp4", "mpeg2.mxf", "h264.ts"]
)
def test_the_system_ffmpeg_keeps_every_frame_of_a_whole_file_too(
    media: make_media.Workshop, attempt: Any, build: Build, name: str
) -> None:
    outcome = attempt(media(name), build=build)

    assert outcome.encoded is not None, outcome
    assert outcome.encoded.frames == media.facts(name)["frames"]


def _pictures(path: Path) -> int:
    """The pictures in a file, by its packets."""
    with av.open(str(path)) as container:
        streams = container.streams.video
        return sum(1 for packet in container.demux(streams[0]) if packet.size) if streams else 0
