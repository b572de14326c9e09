"""`transcode` and `proxy` in chunks, with a wish for quality, with stills, and as an option."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cuttable import maker
from pydantic import ValidationError

from rushes import Asset
from rushes.media.describing.inspection import describe
from rushes.media.running.builds import bundled_ffmpeg
from rushes_functions import transcode_quality
from rushes_functions.proxy import proxy
from rushes_functions.thumbnails import thumbnails
from rushes_functions.transcode import TranscodeParams, transcode


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """100 frames with B-frames and sound."""
    return str(maker(tmp_path_factory.mktemp("clips"), bundled_ffmpeg())("large.mp4"))


def test_a_target_vmaf_is_found_encoded_in_chunks_and_checked(clip: str, tmp_path: Path) -> None:
    made = transcode(
        clip, out=tmp_path, chunks=3, target_vmaf=90, speed="veryfast", width=160, check_quality=True
    )

    receipt = json.loads((tmp_path / "large.mp4.rushes.json").read_text())
    assert made.frames == 100
    assert len(receipt["parts"]) == 3
    assert made.predicted_vmaf is not None
    assert made.measured_vmaf == pytest.approx(made.predicted_vmaf, abs=1.5)
    assert receipt["quality"]["measured"]["vmaf"] == made.measured_vmaf
    assert all(f"{made.quality:g}" in part["argv"] for part in receipt["parts"])
    sound, joined = receipt["argv"]
    assert ("sound." in sound[-1], "copy" in joined) == (True, True), "the parts' commands are beside them"


def test_a_receipt_has_both_passes_of_an_encode(clip: str, tmp_path: Path) -> None:
    transcode(clip, out=tmp_path, target_size="200KB", speed="ultrafast")

    receipt = json.loads((tmp_path / "large.mp4.rushes.json").read_text())
    assert [words[words.index("-pass") + 1] for words in receipt["argv"]] == ["1", "2"]


def test_an_attempt_after_a_lost_one_does_not_search_again(
    clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(*_: object) -> dict[str, object]:
        searches.append(1)
        return {"quality": 31.0, "vmaf": 90.0, "bit_rate": None, "samples": [None, [0, 9]], "note": "a note"}

    class Kept:
        keep = tmp_path

    searches: list[int] = []
    monkeypatch.setattr(transcode_quality, "_found", found)
    params = TranscodeParams(target_vmaf=90, chunks=3)

    first, again = (
        transcode_quality.choose(Asset.of(clip), params, Kept())  # type: ignore[arg-type]
        for _ in range(2)
    )

    assert searches == [1]
    assert again == first
    assert (again.profile.video.quality, again.notes) == (31.0, ("a note",))
    assert again.promise is not None
    assert again.promise.samples == (None, (0, 9))


def test_stills_of_a_clip_in_chunks_are_those_of_the_clip_in_one_piece(clip: str, tmp_path: Path) -> None:
    counts = []
    for name, chunks in (("whole", "off"), ("parts", 3)):
        made = transcode(clip, out=tmp_path / name, chunks=chunks, speed="ultrafast")
        stills = thumbnails(made.transcoded.path, out=tmp_path / f"{name}-stills", every=0.5, sheet="2x2")
        counts.append((stills.thumbnails, stills.contact_sheet, stills.width, stills.height))

    assert counts[0] == counts[1]
    assert counts[0][0] == 8


def test_a_proxy_in_chunks_relinks(clip: str, tmp_path: Path) -> None:
    made = proxy(clip, out=tmp_path, chunks=2, height=90)

    assert made.frames == 100
    assert {one.field for one in made.relinks_by} >= {"name", "frames", "rate"}
    assert describe(made.proxy.path).primary_video is not None


@pytest.mark.parametrize(
    ("given", "meant"), [("auto", "auto"), ("off", "off"), (False, "off"), (3, 3), ("3", 3), (64, 64)]
)
def test_chunks_are_a_number_or_a_word(given: object, meant: object) -> None:
    assert TranscodeParams.model_validate({"chunks": given}).chunks == meant


@pytest.mark.parametrize("given", [1, 65, 0, "many", True, 2.5])
def test_other_chunks_are_refused(given: object) -> None:
    with pytest.raises(ValidationError, match="chunks"):
        TranscodeParams.model_validate({"chunks": given})
