"""The shipped function: its options, its result, and the four formats that it renders."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import make_media
from rushes import CallerError
from rushes.media.describing.ale import COLUMNS
from rushes.media.describing.report import CSV_COLUMNS, as_text
from rushes.media.describing.schema import MediaInfo
from rushes_functions.inspect import FORMATS, InspectResult, inspect, render

Data = dict[str, Any]


@pytest.fixture(scope="module")
def described(media: make_media.Workshop) -> Callable[..., list[Data]]:
    def make(*names: str) -> list[Data]:
        found = []
        for name in names:
            result = inspect.invoke(_asset(media.get(name)), inspect.params(), None)  # type: ignore[arg-type]
            found.append(json.loads(result.model_dump_json()))
        return found

    return make


def _asset(path: Path) -> Any:
    from rushes import Asset  # noqa: PLC0415 - the door is lazy

    return Asset.of(path)


def test_it_makes_no_outputs_and_so_needs_no_folder() -> None:
    assert inspect.makes_outputs is False


def test_an_unknown_checksum_is_refused_before_anything_runs() -> None:
    with pytest.raises(CallerError, match="checksum"):
        inspect.params(checksum="crc32")


def test_its_result_survives_json_without_what_a_clip_does_not_state(described: Any) -> None:
    (data,) = described("timecode.mov")

    assert "hdr" not in data["media"]["video"][0]
    assert InspectResult.model_validate(data).media.reel == "A001C002"


def test_json_is_one_description_a_line(described: Any) -> None:
    lines = render(described("h264.mp4", "sound.wav"), "json").splitlines()

    assert [json.loads(line)["name"] for line in lines] == ["h264.mp4", "sound.wav"]


def test_csv_has_a_header_once_and_a_row_a_clip(described: Any) -> None:
    rows = list(csv.reader(io.StringIO(render(described("timecode.mov", "sound.wav"), "csv"))))
    more = render(described("h264.mp4"), "csv", first=False)

    assert tuple(rows[0]) == CSV_COLUMNS
    first = dict(zip(rows[0], rows[1], strict=True))
    assert (first["timecode"], first["reel"], first["frames"]) == ("01:00:00:00", "A001C002", "50")
    assert len(rows[2]) == len(CSV_COLUMNS)
    assert more.count("\n") == 1


def test_clips_of_one_name_are_told_apart_by_their_folders(described: Any) -> None:
    data = described("timecode.mov", "timecode.mov")
    clips = ["/cards/A/day1/timecode.mov", "/cards/B/day1/timecode.mov"]

    table = render(data, "table", clips=clips)
    rows = list(csv.DictReader(io.StringIO(render(data, "csv", clips=clips))))

    assert "A/day1/timecode.mov" in table
    assert "B/day1/timecode.mov" in table
    assert "cards" not in table
    assert [row["path"] for row in rows] == clips


def test_clips_of_different_names_are_told_by_their_names(described: Any) -> None:
    table = render(described("timecode.mov", "sound.wav"), "table", clips=["/a/timecode.mov", "/b/sound.wav"])

    assert "/" not in table


def test_an_ale_has_heading_columns_and_data(described: Any) -> None:
    lines = render(described("timecode.mov", "timecode_drop.mov", "sound.wav"), "ale").splitlines()

    assert lines[:2] == ["Heading", "FIELD_DELIM\tTABS"]
    assert lines[lines.index("Column") + 1].split("\t") == list(COLUMNS)
    rows = [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines[lines.index("Data") + 1 :]]
    assert (rows[0]["Start"], rows[0]["End"], rows[0]["Tape"]) == ("01:00:00:00", "01:00:02:00", "A001C002")
    # 60 frames from 00:59:59;20: no label is dropped at a full ten minutes.
    assert (rows[1]["Start"], rows[1]["End"], rows[1]["Drop"]) == ("00:59:59;20", "01:00:01;20", "DF")
    assert rows[0]["Tracks"] == "VA1A2"
    assert rows[2]["Tracks"] == "A1A2"


def test_an_ale_goes_on_without_a_second_heading(described: Any) -> None:
    assert "Heading" not in render(described("h264.mp4"), "ale", first=False)


def test_tabs_and_lines_in_a_name_do_not_break_an_ale(described: Any) -> None:
    (data,) = described("h264.mp4")
    data["media"]["name"] = "new\nline\ttab.mp4"

    last = render([data], "ale").splitlines()[-1]

    assert last.count("\t") == len(COLUMNS) - 1
    assert last.startswith("new line tab\t")


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("names", [("timecode.mov",), ("timecode.mov", "sound.wav", "hdr10.mp4")])
def test_a_table_names_what_an_editor_asks_for(
    described: Any, names: tuple[str, ...], columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))

    text = render(described(*names), "table")

    for word in ("timecode.mov", "prores", "320×180", "25 cfr", "01:00:00:00"):
        assert word in text


def test_a_table_of_common_clips_fits_eighty_columns(described: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    clips = described("timecode_drop.mxf", "vfr.mkv", "multi_mono_8.mov")
    clips[0]["media"]["name"] = "A001_C002_0101AB_001.mxf"

    lines = render(clips, "table").splitlines()

    assert max(len(line) for line in lines) <= 80
    assert "01:00:00;02" in "".join(lines)
    assert "A001_C002_0101AB_001.mxf" in "".join(line.split()[0] for line in lines if line.split())


def test_a_single_channel_is_called_mono(described: Any) -> None:
    assert "pcm_s24le mono, 48000 Hz" in render(described("multi_mono_8.mov"), "table")


def test_a_hostile_name_moves_no_cursor(described: Any) -> None:
    (data,) = described("h264.mp4")
    data["media"]["name"] = "\x1b[31mred\u202e.mp4"
    info = MediaInfo.model_validate(data["media"])

    for text in (as_text([info], width=100, colour=False), as_text([info] * 2, width=100, colour=False)):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert all("\x1b" not in render([data], name) for name in FORMATS)


def test_nothing_to_show_is_no_text() -> None:
    assert [render([None], name) for name in FORMATS] == ["", "", "", ""]
