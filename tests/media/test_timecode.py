"""SMPTE timecode: labels and frame numbers, drop-frame among them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.errors import CallerError
from rushes.media.describing.timecode import TimecodeLabel, drops_frames, nominal_rate

FILM, PAL, NTSC = Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001)
FAST_NTSC = Fraction(60000, 1001)
RATES = (FILM, Fraction(24), PAL, NTSC, Fraction(30), Fraction(50), FAST_NTSC, Fraction(60), Fraction(120))


@pytest.mark.parametrize(
    ("frames", "rate", "drop", "label"),
    [
        (0, PAL, False, "00:00:00:00"),
        (90_000, PAL, False, "01:00:00:00"),
        (86_400, FILM, False, "01:00:00:00"),
        (1_799, NTSC, True, "00:00:59;29"),
        (1_800, NTSC, True, "00:01:00;02"),
        (17_981, NTSC, True, "00:09:59;29"),
        (17_982, NTSC, True, "00:10:00;00"),
        (107_892, NTSC, True, "01:00:00;00"),
        (2_589_407, NTSC, True, "23:59:59;29"),
        (3_600, FAST_NTSC, True, "00:01:00;04"),
        (215_784, FAST_NTSC, True, "01:00:00;00"),
        (119, Fraction(120), False, "00:00:00:119"),
    ],
)
def test_a_label_and_its_frame_number_name_each_other(
    frames: int,
    rate: Fraction,
    drop: bool,  # noqa: FBT001 - a column of the table
    label: str,
) -> None:
    assert str(TimecodeLabel(frames, rate, drop)) == label
    assert TimecodeLabel.parse(label, rate).frames == frames


@given(rate=st.sampled_from(RATES), frames=st.integers(0, 86_400 * 120), drop=st.booleans())
def test_every_frame_of_the_day_has_one_label(*, rate: Fraction, frames: int, drop: bool) -> None:
    timecode = TimecodeLabel(frames, rate, drop and drops_frames(rate))

    assert TimecodeLabel.parse(str(timecode), rate, drop=timecode.drop) == timecode


@given(rate=st.sampled_from(RATES), start=st.integers(0, 10**6), moved=st.integers(-(10**6), 10**6))
def test_moving_there_and_back_ends_where_it_began(rate: Fraction, start: int, moved: int) -> None:
    begin = TimecodeLabel(start, rate, drops_frames(rate))

    assert begin + moved + -moved == begin


@given(frames=st.integers(0, 2_589_406))
def test_drop_frame_labels_keep_their_order(frames: int) -> None:
    assert str(TimecodeLabel(frames, NTSC, drop=True)) < str(TimecodeLabel(frames + 1, NTSC, drop=True))


def test_midnight_follows_the_last_label_of_the_day() -> None:
    assert str(TimecodeLabel.parse("23:59:59:24", PAL) + 1) == "00:00:00:00"
    assert str(TimecodeLabel.parse("23:59:59;29", NTSC) + 1) == "00:00:00;00"


def test_drop_frame_stays_within_a_frame_of_the_clock_over_ten_minutes() -> None:
    label = TimecodeLabel.parse("10:10:00;00", NTSC)

    seconds = label.frames / NTSC

    assert abs(seconds - (10 * 3600 + 10 * 60)) < 0.1


@pytest.mark.parametrize(
    ("text", "rate", "why"),
    [
        ("1:00:00:00", PAL, "is no timecode"),
        ("noon", PAL, "is no timecode"),
        ("01:00:00:25", PAL, "does not exist"),
        ("24:00:00:00", PAL, "does not exist"),
        ("00:60:00:00", PAL, "does not exist"),
        ("00:01:00;00", NTSC, "leaves out"),
        ("00:01:00;01", NTSC, "leaves out"),
        ("00:01:00;03", FAST_NTSC, "leaves out"),
        ("01:00:00;00", PAL, "no drop-frame"),
        ("01:00:00;00", Fraction(30), "no drop-frame"),
    ],
)
def test_a_label_that_does_not_exist_is_refused(text: str, rate: Fraction, why: str) -> None:
    with pytest.raises(CallerError, match=why):
        TimecodeLabel.parse(text, rate)


def test_the_tenth_minute_drops_nothing() -> None:
    assert TimecodeLabel.parse("00:10:00;00", NTSC).frames == 17_982


@pytest.mark.parametrize(("rate", "nominal"), [(FILM, 24), (NTSC, 30), (FAST_NTSC, 60), (PAL, 25)])
def test_labels_count_at_the_nominal_rate(rate: Fraction, nominal: int) -> None:
    assert nominal_rate(rate) == nominal
