"""What ffmpeg measured is read from what it wrote."""

from __future__ import annotations

import json

import pytest

from rushes.errors import MediaError, PlatformError
from rushes.media.planning.loudness import read_loudness


def report(number: int, integrated: str, *, info: bool) -> str:
    """One report as FFmpeg 5.1 and 9 print it, with ``-loglevel level+info`` or plain ``info``."""
    values = {
        "input_i": integrated,
        "input_tp": "-3.10",
        "input_lra": "5.00",
        "input_thresh": "-28.50",
        "normalization_type": "dynamic",
        "target_offset": "0.10",
    }
    level = "[info] " if info else ""
    return f"[Parsed_loudnorm_{number} @ 0x55f2c1] {level}\n{json.dumps(values, indent=1)}\n"


@pytest.mark.parametrize("info", [False, True])
def test_reports_are_read_in_the_order_of_the_graph(*, info: bool) -> None:
    text = "frame=1\n" + report(3, "-20.00", info=info) + "noise\n" + report(1, "-18.20", info=info)

    found = read_loudness(text, 2)

    assert [one.integrated for one in found] == ["-18.20", "-20.00"]
    assert (found[0].true_peak, found[0].threshold, found[0].offset) == ("-3.10", "-28.50", "0.10")


def test_a_report_that_is_missing_is_the_builds_fault() -> None:
    with pytest.raises(PlatformError) as caught:
        read_loudness(report(0, "-18.20", info=False), 2)

    assert caught.value.code == "no-loudness"
    assert "1 tracks, not 2" in caught.value.message


def test_silence_has_no_loudness_to_set() -> None:
    with pytest.raises(MediaError) as caught:
        read_loudness(report(0, "-inf", info=False), 1)

    assert caught.value.code == "silent"
