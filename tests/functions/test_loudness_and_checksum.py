"""`loudness` says what ffmpeg's own meter says, and `checksum` what the bytes are."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

import make_media
from rushes import Asset, CallerError
from rushes.media.measuring.r128 import TrackLoudness, read_r128
from rushes.media.running.builds import find_build
from rushes_functions.checksum import checksum
from rushes_functions.loudness import loudness

REPORT = """\
frame:0    pts:0       pts_time:0
lavfi.r128.I=-70.000
lavfi.r128.LRA=0.000
lavfi.r128.true_peaks_ch0=0.250
lavfi.r128.true_peaks_ch1=0.500
frame:1    pts:4800    pts_time:0.1
lavfi.r128.I=-23.040
lavfi.r128.LRA=4.260
lavfi.r128.true_peaks_ch0=0.250
lavfi.r128.true_peaks_ch1=0.500
frame:2    pts:9600    pts_time:0.2
lavfi.r128.I=-29.000
lavfi.r128.LRA=9.000
lavfi.r128.true_peaks_ch0=0.250
lavfi.r128.true_peaks_ch1=0.501
"""


def test_loudness_is_read_before_the_silence_and_the_peak_after_it() -> None:
    assert read_r128(REPORT) == TrackLoudness(integrated_lufs=-23.0, range_lu=4.3, true_peak_dbtp=-6.0)


@pytest.mark.parametrize("report", ["", REPORT[:130], REPORT.replace("-23.040", "nan")])
def test_what_is_too_short_or_silent_has_no_loudness(report: str) -> None:
    assert read_r128(report).integrated_lufs is None


@pytest.mark.parametrize("program", ["bundled", pytest.param("ffmpeg", marks=pytest.mark.needs("ffmpeg"))])
def test_every_track_has_the_loudness_that_ffmpegs_meter_shows(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if program != "bundled":
        monkeypatch.setenv("RUSHES_FFMPEG", f"/usr/bin/{program}")
    ffmpeg = str(find_build().path)
    clip = tmp_path / "tracks.mov"
    loud, soft = "aevalsrc=0.4*sin(440*2*PI*t)*gt(sin(t*3)\\,0):d=5.03:s=48000", "sine=d=5:r=44100"
    subprocess.run(
        [ffmpeg, "-v", "error", "-nostdin", "-f", "lavfi", "-i", loud, "-f", "lavfi", "-i", soft,
         "-f", "lavfi", "-i", "anullsrc=d=2", "-map", "0", "-map", "1", "-map", "2", "-c:a", "pcm_s16le",
         str(clip)],
        check=True, timeout=60,
    )  # fmt: skip

    tracks = loudness(clip).tracks

    for number in (0, 1):
        said = subprocess.run(
            [ffmpeg, "-hide_banner", "-nostdin", "-i", str(clip), "-map", f"0:{number}",
             "-af", "ebur128=peak=true", "-f", "null", "-"],
            check=True, timeout=60, capture_output=True, text=True,
        ).stderr.rpartition("Summary:")[2]  # fmt: skip
        integrated, range_lu, peak = (
            float(found[1])
            for found in (re.search(rf"{n}:\s+(\S+) ", said) for n in ("I", "LRA", "Peak"))
            if found
        )
        assert tracks[number].integrated_lufs == pytest.approx(integrated, abs=0.051)
        assert tracks[number].range_lu == pytest.approx(range_lu, abs=0.051)
        assert tracks[number].true_peak_dbtp == pytest.approx(peak, abs=0.35)
    assert (tracks[2].integrated_lufs, tracks[2].true_peak_dbtp) == (None, None)


def test_a_checksum_is_that_of_the_bytes(tmp_path: Path) -> None:
    clip = tmp_path / "a.mov"
    clip.write_bytes(b"rushes" * 500_000)

    found = checksum(clip, algorithm="md5")

    assert found.value == hashlib.md5(clip.read_bytes(), usedforsecurity=False).hexdigest()
    assert (found.size_bytes, found.files) == (3_000_000, 1)


def test_the_checksum_of_a_sequence_is_that_of_its_frames_in_order(tmp_path: Path) -> None:
    for number in range(8, 12):
        (tmp_path / f"plate.{number:04}.exr").write_bytes(str(number).encode())

    found = checksum(str(tmp_path / "plate.[0008-0011].exr"))

    assert (found.value, found.files) == (hashlib.sha256(b"891011").hexdigest(), 4)


def test_neither_is_of_a_part(media: make_media.Workshop) -> None:
    part = Asset.of(media.get("h264.mp4")).with_frames(0, 5)

    for function in (checksum, loudness):
        with pytest.raises(CallerError, match="whole clips"):
            function(part)
