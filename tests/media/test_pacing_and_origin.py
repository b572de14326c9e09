"""Constant or variable rate, and where a clip comes from: decided from values alone."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.media.describing.codes import audio_bits, colour, field_order, level
from rushes.media.describing.origin import bounded, find_camera, find_reel, find_timecode
from rushes.media.describing.pacing import decide, is_constant, working_rate

F25, FILM = Fraction(25), Fraction(24000, 1001)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"family": "iso", "table": True}, ("cfr", "sample-table")),
        ({"family": "iso", "table": False}, ("vfr", "sample-table")),
        ({"family": "mxf"}, ("cfr", "edit-rate")),
        ({"family": "matroska", "average": F25, "nominal": F25}, ("cfr", "average-equals-nominal")),
        (
            {"family": "mpegts", "average": Fraction(23976, 1000), "nominal": FILM},
            ("cfr", "average-equals-nominal"),
        ),
        ({"family": "asf", "average": F25, "nominal": Fraction(30)}, ("vfr", "average-differs-from-nominal")),
        ({"family": "asf", "average": F25, "nominal": Fraction(90000)}, ("unknown", "undecided")),
        ({"family": "flv"}, ("unknown", "undecided")),
        ({"family": "iso", "table": False, "frames": 1}, ("cfr", "single-frame")),
    ],
)
def test_the_rate_mode_comes_from_the_surest_fact(
    facts: dict[str, object], expected: tuple[str, str]
) -> None:
    given_facts = {"family": "", "table": None, "frames": 0, "average": None, "nominal": None} | facts

    assert decide(**given_facts) == expected  # type: ignore[arg-type]


def test_the_working_rate_of_a_variable_clip_is_not_the_clock_of_its_timestamps() -> None:
    assert working_rate("cfr", F25, F25) == F25
    assert working_rate("vfr", Fraction(30), Fraction(28)) == 30
    assert working_rate("vfr", Fraction(600), Fraction(28)) == 28
    assert working_rate("vfr", Fraction(90000), Fraction(28)) == 28
    assert working_rate("unknown", Fraction(90000), None) is None


@given(st.integers(3, 200), st.integers(1, 1001), st.integers(1000, 90000), st.integers(-500, 500))
def test_rounding_a_constant_rate_to_a_clock_keeps_it_constant(
    count: int, den: int, clock: int, start: int
) -> None:
    step = Fraction(clock * den, 24 * den + 1)

    assert is_constant([start + round(i * step) for i in range(count)])


@given(st.integers(5, 100), st.integers(2, 50))
def test_a_pause_of_two_frames_makes_a_rate_variable(count: int, step: int) -> None:
    stamps = [i * step for i in range(count)]
    late = stamps[: count // 2] + [t + 2 * step + 2 for t in stamps[count // 2 :]]

    assert not is_constant(late)


def _timecode(container: dict[str, str], *streams: tuple[int, str, dict[str, str]]) -> tuple[object, object]:
    found, bad = find_timecode(container, streams, family="mov", rate="25/1")
    return (found and (found.value, found.drop_frame, found.source, found.stream)), bad


def test_a_timecode_track_is_believed_before_a_tag() -> None:
    track = (2, "tmcd", {"timecode": "01:00:00:00"})

    assert _timecode({"timecode": "02:00:00:00"}, (0, "video", {}), track) == (
        ("01:00:00:00", False, "tmcd", 2),
        None,
    )


def test_drop_frame_is_written_with_a_semicolon_whatever_the_file_uses() -> None:
    assert _timecode({"TIMECODE": "01:00:00.02"})[0] == ("01:00:00;02", True, "tag", None)


@pytest.mark.parametrize(
    "text", ["", "25:61:00:00", "1:2:3:4", "rm -rf", "01:00:00:00\x1b[31m", "９９:00:00:00"]
)
def test_a_text_that_is_no_timecode_is_reported_and_not_used(text: str) -> None:
    found, bad = _timecode({"timecode": text})

    assert found is None
    assert bad == (text or None)


def test_the_reel_is_the_timecode_tracks_before_any_other() -> None:
    streams = [(0, "video", {"REEL": "B"}), (2, "tmcd", {"reel_name": "A001"})]

    assert find_reel({"tape": "C"}, streams) == "A001"
    assert find_reel({"tape": "C"}, streams[:1]) == "C"
    assert find_reel({}, streams[:1]) == "B"
    assert find_reel({}, []) is None


def test_a_camera_is_found_under_its_vendors_words() -> None:
    camera = find_camera(
        {
            "com.apple.quicktime.make": "Apple",
            "com.apple.quicktime.model": "iPhone 15 Pro",
            "com.apple.quicktime.software": "18.1",
        }
    )

    assert camera is not None
    assert (camera.make, camera.model, camera.software) == ("Apple", "iPhone 15 Pro", "18.1")
    assert find_camera({"encoder": "Lavf"}) is None


def test_a_megabyte_of_tag_is_cut() -> None:
    tags = bounded({"comment": "x" * 1_000_000, **{f"k{i}": "v" for i in range(500)}})

    assert len(tags) == 256
    assert len(tags["comment"]) == 4096


@pytest.mark.parametrize(
    ("codec", "number", "expected"),
    [
        ("h264", 41, "4.1"),
        ("h264", 40, "4"),
        ("h264", 9, "1b"),
        ("hevc", 153, "5.1"),
        ("av1", 13, "5.1"),
        ("mpeg2video", 4, "High"),
        ("vp9", 51, "5.1"),
        ("prores", -99, None),
    ],
)
def test_a_level_is_written_as_its_standard_does(codec: str, number: int, expected: str | None) -> None:
    assert level(codec, number) == expected


def test_unspecified_colour_is_none_and_never_a_guess() -> None:
    assert colour(2, 2, 2, 0).model_dump() == {
        "primaries": None, "transfer": None, "matrix": None, "range": None,
    }  # fmt: skip
    assert colour(9, 16, 9, 1).transfer == "smpte2084"
    assert field_order(17) == "unknown"


def test_bit_depth_is_known_of_pcm_and_lossless_sound_only() -> None:
    assert audio_bits("pcm_s24le", None) == 24
    assert audio_bits("pcm_alaw", None) == 8
    assert audio_bits("aac", b"\x11\x90") is None
