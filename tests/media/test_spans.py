"""Parts of clips by frame numbers and by the clip's own timecodes."""

from __future__ import annotations

from pathlib import Path

import pytest

import make_media
from rushes.asset import Asset, FrameRange
from rushes.errors import CallerError
from rushes.media.describing.spans import Span
from rushes.runtime.sources.inputs import expand


@pytest.fixture
def timed(media: make_media.Workshop) -> Asset:
    """Two seconds at 25 from 01:00:00:00."""
    return Asset(str(media.get("timecode.mov")))


def test_frame_numbers_are_taken_as_they_are_and_need_no_file() -> None:
    assert Span.parse("10-20").of(Asset("/nowhere/a.mov")) == FrameRange(10, 20)


@pytest.mark.parametrize(
    "text", ["all", "10", "-5", "10-", "01:00:00:00", "01:00:00:00-25", "1:0:0:0-1:0:0:9"]
)
def test_anything_else_is_no_span(text: str) -> None:
    with pytest.raises(CallerError, match="is no frame range"):
        Span.parse(text)


def test_an_empty_span_is_refused() -> None:
    with pytest.raises(CallerError, match="empty or negative"):
        Span.parse("9-3")


def test_timecodes_count_from_the_start_timecode_of_the_clip(timed: Asset) -> None:
    assert Span.parse("01:00:00:10-01:00:01:00").of(timed) == FrameRange(10, 25)


def test_the_timecode_out_may_be_the_end_of_the_clip(timed: Asset) -> None:
    assert Span.parse("01:00:01:24-01:00:02:00").of(timed) == FrameRange(49, 50)


def test_drop_frame_labels_count_frames(media: make_media.Workshop) -> None:
    # From 00:59:59;20 at 29.97: ten frames to the hour, where no label is dropped.
    dropping = Asset(str(media.get("timecode_drop.mov")))

    assert Span.parse("01:00:00;00-01:00:01;00").of(dropping) == FrameRange(10, 40)


@pytest.mark.parametrize(
    "text",
    [
        "00:59:59:00-01:00:01:00",
        "01:00:01:00-01:00:02:01",
        "01:00:01:00-01:00:01:00",
        "02:00:00:00-02:00:01:00",
    ],
)
def test_timecodes_that_the_clip_does_not_have_are_refused_with_those_it_has(timed: Asset, text: str) -> None:
    with pytest.raises(CallerError) as refused:
        Span.parse(text).of(timed)

    assert "has no frames" in str(refused.value)
    assert refused.value.fix is not None
    assert "from 01:00:00:00 to 01:00:02:00" in refused.value.fix


def test_a_clip_without_timecode_is_refused(media: make_media.Workshop) -> None:
    with pytest.raises(CallerError) as refused:
        Span.parse("01:00:00:00-01:00:01:00").of(Asset(str(media.get("h264.mp4"))))

    assert refused.value.code == "no-timecode"


def test_a_manifest_takes_each_clip_its_own_timecodes(timed: Asset, tmp_path: Path) -> None:
    manifest = tmp_path / "pulls.csv"
    manifest.write_text(
        f"clip,frames\n{timed.path},01:00:00:10-01:00:01:00\n{timed.path},02:00:00:00-02:00:01:00\n"
    )

    inside, outside = expand([str(manifest)])

    assert inside.asset.frames == FrameRange(10, 25)
    assert outside.problem is not None
    assert "has no frames" in outside.problem["message"]
