"""Options of a function on the command line: typed, with help, choices and defaults, from its model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Rushes = Callable[..., Result]


def given(rushes: Rushes, *arguments: str) -> dict[str, Any]:
    """The options that the body saw."""
    result = rushes("run", "fun.py:many", "clips/a.mov", "--needed", "x", *arguments)
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(json.loads(result.stdout)["params"])
    return found


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        ([], "codec", "h264"),
        (["--codec", "hevc"], "codec", "hevc"),
        (["--bits", "10"], "bits", 10),
        (["--colour", "cold-look"], "colour", "cold-look"),
        (["--ratio", "1.5"], "ratio", 1.5),
        (["--tracks", "1", "--tracks", "2"], "tracks", [1, 2]),
        (["--burn", "name", "--burn", "timecode"], "burn", ["name", "timecode"]),
        (["--burn", "timecode,name"], "burn", ["timecode", "name"]),
        (["--size", "1920", "1080"], "size", [1920, 1080]),
        (["--extra", "tune=film", "--extra", "x=a=b"], "extra", {"tune": "film", "x": "a=b"}),
        (["--pace", "8k"], "pace", 8000),
        (["--pace", "800"], "pace", 800),
        (["--picks", "0,1", "--picks", "4"], "picks", [0, 1, 4]),
        (["--knobs", "tune=film,bf=3,4", "--knobs", "x=1"], "knobs", {"tune": "film", "bf": "3,4", "x": "1"}),
        (["--rate", "auto"], "rate", "auto"),
        (["--rate", "25"], "rate", 25),
    ],
)
def test_a_field_is_written_as_an_option(
    rushes: Rushes, arguments: list[str], field: str, value: object
) -> None:
    assert given(rushes, *arguments)[field] == value


def test_an_asset_option_is_a_path_from_here(rushes: Rushes, folder: Path) -> None:
    (folder / "look.cube").write_text("LUT")

    assert given(rushes, "--lut", "look.cube")["lut"] == str(folder / "look.cube")


def test_a_nested_field_is_set_by_a_preset_file(rushes: Rushes, folder: Path) -> None:
    (folder / "p.yaml").write_text("deep: {x: 7}\n")

    assert given(rushes, "--params", "p.yaml")["deep"] == {"x": 7}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--codec", "vp9"], "'vp9' is not one of 'h264', 'hevc'"),
        (["--bits", "9"], "'9' is not one of '8', '10'"),
        (["--burn", "name,reel"], "'reel' is not one of"),
        (["--extra", "tune"], "'tune' is no KEY=VALUE"),
        (["--size", "1920"], "requires 2 arguments"),
        (["--limit", "11"], "expected 10 or less"),
        (["--deep", "7"], "has no option --deep"),
        (["--tracks", "one"], "'one' is not a valid integer"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(rushes: Rushes, arguments: list[str], says: str) -> None:
    result = rushes("run", "fun.py:many", "clips/a.mov", "--needed", "x", *arguments)

    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())


def test_help_shows_the_functions_options_apart_from_the_dispatch_options(rushes: Rushes) -> None:
    text = rushes("run", "fun.py:size", "--help").stdout

    own, _, dispatch = text.partition("Dispatch options:")
    assert "Count the bytes of a clip." in own
    assert "More of it" not in own
    assert "Options of size:" in own
    assert re.search(r"--unit INTEGER\s+Bytes that count as one\.\s+\[≥ 1; default: 1\]", own)
    assert "--shout / --no-shout" in own
    assert "--priority" in dispatch
    assert "--unit" not in dispatch


def test_help_names_choices_requirements_and_what_only_a_preset_sets(rushes: Rushes) -> None:
    text = " ".join(rushes("run", "fun.py:many", "--help").stdout.split())

    assert "--codec [h264|hevc] Codec. [default: h264]" in text
    assert "--colour [warm-look|cold-look] [default: warm-look]" in text
    assert "--needed TEXT [required]" in text
    assert "--tracks INTEGER [repeatable]" in text
    assert "Only in a preset file (--params): deep." in text


def test_help_without_a_function_says_how_to_see_its_options(rushes: Rushes) -> None:
    text = rushes("run", "--help").stdout

    assert "rushes run FUNCTION --help" in text
    assert "Dispatch options:" in text


def test_every_shipped_functions_help_can_be_shown(rushes: Rushes) -> None:
    for name in ("inspect", "proxy", "transcode"):
        result = rushes("run", f"rushes_functions.{name}:{name}", "--help")
        assert result.exit_code == 0
        assert f"Options of {name}:" in result.stdout
