"""`rushes simulate`: what a person and a program get of it."""

from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result

from rushes.cli.simulate import simulate
from rushes.simulator.scenarios import SCENARIOS

Rushes = Callable[..., Result]


def test_the_table_has_a_row_for_each_class_and_show_and_fits_a_terminal(rushes: Rushes) -> None:
    result = rushes("simulate", "turnover", "--cores", "16", "--scale", "0.05")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("turnover: ")
    assert {tuple(line.split()[:2]) for line in lines} >= {
        ("background", "archive"), ("standard", "dailies"), ("urgent", "vfx"),
    }  # fmt: skip
    assert max(map(len, lines[2:])) <= 100


def test_json_is_one_object_with_every_group(rushes: Rushes) -> None:
    result = rushes("simulate", "many-shows", "--scale", "0.02", "--json")

    found = json.loads(result.stdout)
    assert (found["schema"], found["scenario"]) == (1, "many-shows")
    assert len(found["groups"]) == 12
    assert all(group["turnaround_s"]["p50"] > 0 for group in found["groups"])


def test_a_size_that_is_none_is_the_callers_mistake(rushes: Rushes) -> None:
    result = rushes("simulate", "quiet-day", "--memory", "lots")

    assert result.exit_code == 2
    assert "lots" in result.stderr


def test_the_command_offers_every_scenario() -> None:
    (argument,) = [one for one in simulate.params if one.name == "scenario"]

    assert argument.make_metavar(simulate.make_context("simulate", ["turnover"])) == "|".join(
        ("{" + "|".join(SCENARIOS) + "}",)
    )
