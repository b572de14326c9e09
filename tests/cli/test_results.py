"""`results`: an overview, values in tables and formats, notes; and the batch that is meant without a name."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from rushes.testing import StubEngine

Rushes = Callable[..., Result]
BOTH = "fun.py:size+fun.py:copy"


@pytest.fixture
def both(rushes: Rushes) -> str:
    """A batch of two functions over two good clips and one that `size` refuses."""
    rushes("submit", BOTH, "clips", "bad.mov", "--out", "made")
    return "stub1"


def test_without_a_name_the_newest_batch_is_meant_and_said(rushes: Rushes, both: str) -> None:
    rushes("submit", "fun.py:size", "clips")

    for command in ("results", "status", "follow"):
        done = rushes(command)
        assert "the newest batch, stub2:" in done.stderr
        assert "a.mov" in rushes("results").stdout


def test_without_a_batch_there_is_nothing_to_show(rushes: Rushes) -> None:
    done = rushes("status")

    assert done.exit_code == 2
    assert "there is no batch yet" in done.stderr


def test_what_changes_a_batch_has_to_be_told_which(rushes: Rushes, both: str) -> None:
    for command in ("cancel", "retry"):
        done = rushes(command)
        assert done.exit_code == 2
        assert "BATCH is missing: `rushes list` names them, and `last` is the newest." in done.stderr


def test_why_means_the_one_that_failed_where_only_one_did(rushes: Rushes, both: str) -> None:
    assert rushes("why").stdout.startswith("stub1.3: failed")
    assert rushes("why", "last").stdout.startswith("stub1.3: failed")


def test_the_overview_says_of_each_function_what_came_of_it(rushes: Rushes, both: str, folder: Path) -> None:
    text = rushes("results").stdout

    assert f"size size 10, name a.mov; copy {folder}/made/a.mov" in text
    assert "stub1.3     failed     bad.mov  [media] 1 of 2 functions failed" in text


def test_values_are_tables_by_function_with_what_some_made_while_others_failed(
    rushes: Rushes, both: str
) -> None:
    text = rushes("results", "--format", "table").stdout

    size, copy = text.split("copy\n")
    assert [line.split() for line in size.splitlines() if line][1:] == [
        ["clip", "size", "name"],
        ["a.mov", "10", "a.mov"],
        ["b.mov", "20", "b.mov"],
    ]
    assert "bad.mov" in copy


def test_csv_has_the_values_under_dotted_names_and_how_each_ended(rushes: Rushes, both: str) -> None:
    rows = list(csv.DictReader(io.StringIO(rushes("results", "--format", "csv").stdout)))

    assert [row["invocation"] for row in rows] == ["stub1.1", "stub1.2", "stub1.3"]
    assert [row["size.size"] for row in rows] == ["10", "20", ""]
    assert rows[2]["state"] == "failed"
    assert rows[2]["error"].startswith("[media] ")
    assert rows[2]["copy.made"].endswith("/made/bad.mov")


def test_json_is_the_values_alone_and_the_option_json_is_all(rushes: Rushes) -> None:
    rushes("submit", "fun.py:size", "clips/a.mov")

    assert json.loads(rushes("results", "--format", "json").stdout) == {"size": 10, "name": "a.mov"}
    assert json.loads(rushes("results", "--json").stdout)["invocation"] == "stub1.1"


def test_a_format_that_the_function_does_not_have_is_refused_with_those_it_has(
    rushes: Rushes, both: str
) -> None:
    done = rushes("results", "--format", "xml")

    assert done.exit_code == 2
    assert "Formats: table, csv, json." in done.stderr


def test_why_shows_how_each_function_ended_and_what_it_returned(rushes: Rushes, both: str) -> None:
    good, bad = rushes("why", "stub1.1").stdout, rushes("why", "stub1.3").stdout

    assert "  size: succeeded, size 10, name a.mov" in good
    assert "\nsize\nsize  10\nname  a.mov\n" in good
    assert "  size+copy of " in good
    assert "  size: failed, [media] bad.mov is damaged: it ends early." in bad
    assert "  copy: succeeded, " in bad


def test_a_run_shows_the_values_of_each_function_on_a_terminal(
    rushes: Rushes, engine: StubEngine, folder: Path
) -> None:
    from rushes.cli.session import Session  # noqa: PLC0415 - as the command line's own

    class Terminal(Session):
        prints_to_terminal = True

    done = rushes("run", BOTH, "clips", "--out", "made", session=Terminal(engine))

    shown = click.unstyle(done.stdout)
    assert "size\nclip   size  name\na.mov  10    a.mov\nb.mov  20    b.mov\n" in shown
    assert "copy\n" not in shown
    assert "size+copy: 2 made" in done.stderr


def test_notes_are_in_the_summary_in_results_in_why_and_in_json(rushes: Rushes, folder: Path) -> None:
    source = (folder / "fun.py").read_text().replace('ctx.log("counting")', 'ctx.warn("counted by hand")')
    (folder / "noted.py").write_text(source)

    done = rushes("run", "noted.py:size", "clips", "--json")
    assert [json.loads(line)["warnings"] for line in done.stdout.splitlines()] == [["counted by hand"]] * 2

    done = rushes("run", "noted.py:size", "clips")
    assert "! 2 clips: counted by hand\n" in done.stderr
    assert "! 2 clips: counted by hand" in rushes("results").stderr
    rows = rushes("results", "--notes").stdout.splitlines()
    assert [row.split(maxsplit=2)[1:] for row in rows[1:]] == [
        ["a.mov", "counted by hand"],
        ["b.mov", "counted by hand"],
    ]
    assert "  ! counted by hand" in rushes("why", "last.1").stdout
    rushes("submit", "fun.py:size", "clips")
    assert "nothing has a note: 2 done" in rushes("results", "--notes").stderr


def test_of_several_functions_each_has_a_receipt_to_reproduce(rushes: Rushes, folder: Path) -> None:
    rushes("submit", BOTH, "clips/a.mov", "--out", "made")

    done = rushes("reproduce", "last.1")

    assert done.exit_code == 2
    assert f"Name one: {folder}/made/a.mov.rushes.json." in done.stderr
