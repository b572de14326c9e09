"""What a person can get wrong on a command line: a clear message and the right exit code, each time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from rushes.testing import StubEngine

Rushes = Callable[..., Result]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run"], "FUNCTION is missing"),
        (["run", "fun.py:size"], "INPUT is missing"),
        (["run", "nosuchfunction", "clips"], "no function is called 'nosuchfunction'"),
        (["run", "fun.py:siz", "clips"], "has no function 'siz'"),
        (["run", "nothere.py:size", "clips"], "nothere.py does not exist"),
        (["run", "nomodule.here:size", "clips"], "no module 'nomodule'"),
        (["run", "fun.py:size", "nothere.mov"], "nothere.mov does not exist"),
        (["run", "fun.py:size", "clips/*.mxf"], "nothing matches"),
        (["run", "fun.py:size", "empty"], "holds no media"),
        (["run", "fun.py:copy", "clips"], "makes files, and no place for them is given"),
        (["run", "fun.py:size", "clips", "--hight", "7"], "size has no option --hight"),
        (["run", "fun.py:size", "clips", "--unit", "x"], "'x' is not a valid integer"),
        (["run", "fun.py:size", "clips", "--unit", "0"], "unit=0: expected"),
        (["run", "fun.py:size", "clips", "--priority", "now"], "'now' is not one of"),
        (["run", "fun.py:size", "clips", "--deadline", "soon"], "'soon' is no deadline"),
        (["run", "fun.py:size", "clips", "--deadline", "2001-01-01"], "has passed"),
        (["run", "fun.py:size", "clips", "--tag", "reel"], "tag 'reel' is no K=V"),
        (["run", "fun.py:size", "clips", "--tag", "rushes-host=me"], "the tag rushes-host is Rushes' own"),
        (["run", "fun.py:size", "clips", "--frames", "9-3"], "empty or negative"),
        (["run", "fun.py:size", "clips", "--frames", "all"], "'all' is no frame range"),
        (["run", "fun.py:size", "clips", "--settle", "a bit"], "'a bit' is no duration"),
        (["run", "fun.py:size", "clips", "--slots", "0"], "0 is not in the range"),
        (["run", "fun.py:size", "clips", "--max-cost", "-1"], "it has to be 0 or more"),
        (["run", "fun.py:size", "clips", "--params", "nothere.yaml"], "nothere.yaml does not exist"),
        (["run", "fun.py:copy", "clips", "--out", "s3://bucket/x"], "not on this machine"),
        (["run", "fun.py:copy", "clips", "--out", "file.txt/x"], "cannot be made"),
        (["run", "fun.py:size", "s3://bucket/x.mov"], "not on this machine"),
        (["run", "--height", "7", "fun.py:size", "clips"], "--height stands before FUNCTION"),
        (["run", "fun.py:many", "clips"], "many needs option 'needed'"),
        (["rum", "fun.py:size"], "Did you mean run"),
        (["status", "nobatch"], "there is no batch 'nobatch'"),
        (["status", "last"], "there is no batch yet"),
        (["follow", "nobatch"], "there is no batch 'nobatch'"),
        (["results", "nobatch"], "there is no batch 'nobatch'"),
        (["cancel", "nobatch"], "there is no batch 'nobatch'"),
        (["retry", "nobatch"], "there is no batch 'nobatch'"),
        (["why", "nobatch"], "there is no batch 'nobatch'"),
        (["why", "nobatch.1"], "there is no batch 'nobatch'"),
        (["logs", "7"], "there is no batch '7'"),
        (["receipt", "clips/a.mov"], "has no receipt beside it"),
        (["receipt", "clips/nothere.mov"], "does not exist"),
        (["reproduce", "clips/a.mov"], "is no receipt"),
        (["describe", "nosuchfunction"], "no function is called"),
        (["new", "1clip"], "cannot be a function's name"),
        (["new", "Class"], "cannot be a function's name"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
        (["journal", "prune", "--older", "long"], "'long' is no duration"),
        (["run", "fun.py:size", "clips", "--engine"], "requires an argument"),
    ],
)
def test_it_is_refused_with_a_clear_message_and_code_2(
    rushes: Rushes, folder: Path, engine: StubEngine, arguments: list[str], says: str
) -> None:
    (folder / "empty").mkdir()
    (folder / "file.txt").write_text("no folder")

    result = rushes(*arguments)

    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert engine.batches() == []


def test_an_authors_error_at_import_names_file_and_line(rushes: Rushes, folder: Path) -> None:
    (folder / "mine.py").write_text("import rushes\nraise ValueError('not today')\n")

    result = rushes("run", "mine.py", "clips")

    assert result.exit_code == 2
    assert f"{folder}/mine.py:2: ValueError: not today" in result.stderr


def test_an_author_who_misuses_the_decorator_is_told_the_fix(rushes: Rushes, folder: Path) -> None:
    (folder / "mine.py").write_text(
        "from rushes import Asset, function\n\n@function\ndef f(clip: Asset):\n    pass\n"
    )

    result = rushes("run", "mine.py", "clips")

    assert result.exit_code == 2
    assert "@function was used without arguments on 'f'" in result.stderr


@pytest.mark.parametrize(
    "name", ["it's.mov", 'quo"te.mov', "new\nline.mov", "-dash.mov", "%03d.mov", "co:lon.mov", "ü.mov"]
)
def test_an_odd_name_is_only_a_name(rushes: Rushes, folder: Path, name: str) -> None:
    (folder / "odd").mkdir()
    (folder / "odd" / name).write_bytes(bytes(7))

    result = rushes("run", "fun.py:copy", "odd", "--out", "made")

    assert result.exit_code == 0
    assert (folder / "made" / name).read_bytes() == bytes(7)


def test_a_name_that_is_no_utf8_is_only_a_name(rushes: Rushes, folder: Path) -> None:
    (folder / "odd").mkdir()
    (folder / "odd" / os.fsdecode(b"caf\xe9.mov")).write_bytes(bytes(7))

    result = rushes("run", "fun.py:copy", "odd", "--out", "made")

    assert result.exit_code == 0
    assert result.stdout_bytes == os.fsencode(folder) + b"/made/caf\xe9.mov\n"


def test_a_file_named_like_an_option_is_reached_by_its_path(rushes: Rushes, folder: Path) -> None:
    (folder / "-x.mov").write_bytes(bytes(7))

    assert rushes("run", "fun.py:size", "./-x.mov").exit_code == 0
    assert rushes("run", "fun.py:size", "--", "-x.mov").exit_code == 0


def test_a_folder_named_like_a_clip_is_a_folder(rushes: Rushes, folder: Path) -> None:
    (folder / "reel.mp4").mkdir()
    (folder / "reel.mp4" / "a.mov").write_bytes(bytes(3))

    result = rushes("run", "fun.py:size", "reel.mp4")

    assert result.stdout == '{"size": 3, "name": "a.mov"}\n'


def test_a_fifo_fails_at_once_and_does_not_hang(rushes: Rushes, folder: Path) -> None:
    os.mkfifo(folder / "pipe.mov")

    result = rushes("run", "fun.py:size", "pipe.mov")

    assert result.exit_code == 1
    assert "pipe.mov" in result.stderr


def test_a_link_that_leads_to_itself_fails_alone(rushes: Rushes, folder: Path) -> None:
    (folder / "clips" / "loop.mov").symlink_to("loop.mov")

    result = rushes("run", "fun.py:size", "clips")

    assert result.exit_code == 1
    assert "2 done, 1 failed" in result.stderr


def test_twins_get_names_of_their_own(rushes: Rushes, folder: Path) -> None:
    (folder / "clips" / "a.mxf").write_bytes(bytes(4))

    result = rushes("run", "fun.py:copy", "clips", "--out", "made", "--name", "{stem}.out")

    assert result.exit_code == 0
    assert len(set(result.stdout.splitlines())) == 3
    assert any("~" in line for line in result.stdout.splitlines())


def test_an_output_folder_inside_the_input_is_no_input_the_next_time(rushes: Rushes, folder: Path) -> None:
    rushes("run", "fun.py:copy", "clips", "--out", "clips/made")

    result = rushes("run", "fun.py:copy", "clips", "--out", "clips/made")

    assert "2 known already" in result.stderr
    assert not (folder / "clips" / "made" / "made").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="left out: root may read everything")
def test_a_clip_that_may_not_be_read_fails_alone(rushes: Rushes, folder: Path) -> None:
    (folder / "clips" / "a.mov").chmod(0)

    result = rushes("run", "fun.py:size", "clips")

    assert result.exit_code == 1
    assert "no permission" in result.stderr


def test_nothing_that_is_not_ours_is_replaced(rushes: Rushes, folder: Path) -> None:
    (folder / "made").mkdir()
    (folder / "made" / "a.mov").write_text("somebody's work")

    result = rushes("run", "fun.py:copy", "clips/a.mov", "--out", "made")

    assert result.exit_code == 1
    assert "made/a.mov" in result.stderr
    assert (folder / "made" / "a.mov").read_text() == "somebody's work"


@pytest.mark.parametrize(
    ("asked", "shown"),
    [(("help",), "rushes [OPTIONS] COMMAND"), (("help", "status"), "rushes status [OPTIONS] [BATCH]")],
)
def test_help_is_a_command_too(rushes: Rushes, asked: tuple[str, ...], shown: str) -> None:
    done = rushes(*asked)

    assert done.exit_code == 0
    assert f"Usage: {shown}" in done.stdout
