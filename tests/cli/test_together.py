"""Several functions on the command line: options by function, formats, dry runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Rushes = Callable[..., Result]
BOTH = "fun.py:size+fun.py:copy"


def test_several_functions_are_named_with_a_plus_and_each_has_its_own_result(
    rushes: Rushes, folder: Path
) -> None:
    done = rushes("run", BOTH, "clips/a.mov", "--out", "made", "--json")

    (line,) = (json.loads(text) for text in done.stdout.splitlines())
    assert (line["function"], line["state"]) == ("size+copy", "succeeded")
    assert list(line["result"]["functions"]) == ["size", "copy"]
    assert [Path(path).name for path in line["outputs"]] == ["a.mov"]


def test_an_option_has_its_functions_name_before_it_and_its_own_where_no_other_has_it(
    rushes: Rushes,
) -> None:
    both = "fun.py:size+fun.py:many"

    done = rushes(
        "run",
        both,
        "clips/a.mov",
        "--size-unit",
        "2",
        "--shout",
        "--needed",
        "x",
        "--many-bits",
        "10",
        "--json",
    )

    functions = json.loads(done.stdout)["result"]["functions"]
    assert functions["size"]["result"]["name"] == "A.MOV"
    shown = json.loads(functions["many"]["result"]["params"])
    assert (shown["bits"], shown["needed"]) == (10, "x")


def test_a_preset_gives_options_by_function_and_the_command_line_adds_to_them(
    rushes: Rushes, folder: Path
) -> None:
    (folder / "preset.yaml").write_text("size: {unit: 3, shout: true}\n")

    done = rushes(
        "run", BOTH, "clips/a.mov", "--out", "made", "--params", "preset.yaml", "--unit", "1", "--json"
    )

    result = json.loads(done.stdout)["result"]["functions"]["size"]["result"]
    assert result["name"] == "A.MOV"
    assert result["size"] == (folder / "clips" / "a.mov").stat().st_size


def test_one_that_fails_is_named_and_the_exit_code_says_so(rushes: Rushes, folder: Path) -> None:
    (folder / "clips" / "bad.mov").write_bytes(b"bad")

    done = rushes("run", BOTH, "clips/bad.mov", "--out", "made")

    assert done.exit_code == 1
    assert "1 of 2 functions failed (size; the others are made)" in done.stderr
    assert (folder / "made" / "bad.mov").read_bytes() == b"bad"


def test_what_they_are_is_described(rushes: Rushes) -> None:
    described = rushes("describe", BOTH).stdout

    assert "size+copy@1+1" in described
    assert "--size-unit" in described
    assert "makes files  yes" in described


def test_a_function_that_is_not_there_is_named(rushes: Rushes) -> None:
    done = rushes("run", "fun.py:size+fun.py:sise", "clips/a.mov")

    assert done.exit_code == 2
    assert "sise" in done.stderr


def test_an_option_that_several_have_is_refused_with_the_spellings_that_work(
    rushes: Rushes, folder: Path
) -> None:
    (folder / "more.py").write_text((folder / "fun.py").read_text().replace("def size(", "def size2("))

    done = rushes("run", "fun.py:size+more.py:size2", "clips/a.mov", "--unit", "2")

    assert done.exit_code == 2
    assert "--unit is an option of size and size2: write --size-unit or --size2-unit." in done.stderr
    assert "`rushes run size+size2 --help`" in done.stderr


def test_a_frame_range_is_refused_before_anything_is_sent_where_a_function_is_of_whole_clips(
    rushes: Rushes, folder: Path
) -> None:
    source = (folder / "fun.py").read_text().replace('owner="dailies"', "frame_ranges=False")
    (folder / "whole.py").write_text(source)

    done = rushes("run", "whole.py:size+fun.py:copy", "clips/a.mov", "--out", "made", "--frames", "0-5")

    assert done.exit_code == 2
    assert "size is of whole clips: it takes no frame range." in done.stderr
    assert rushes("list").stdout == ""
