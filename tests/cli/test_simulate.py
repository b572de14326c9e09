"""`rushes simulate`: what a person and a program get of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
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
    assert max(map(len, lines[2:])) <= 105


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


@pytest.mark.parametrize("option", ["--cores", "--devices", "--scale"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
def test_a_number_that_cannot_be_counted_with_is_the_callers_mistake(
    rushes: Rushes, option: str, value: str
) -> None:
    result = rushes("simulate", "quiet-day", option, value)

    assert result.exit_code == 2
    assert option in result.stderr


def test_a_batch_that_ran_out_of_money_has_no_end_and_says_why(rushes: Rushes) -> None:
    result = rushes("simulate", "viral-spike", "--tier", "ec2/c7i.2xlarge")

    assert "invocations held: show social has spent $1.00 of its $1.00" in result.output
    (row,) = [line for line in result.output.splitlines() if " social " in line and "standard" in line]
    assert row.split()[-1] == "–"


def test_the_command_offers_every_scenario() -> None:
    (argument,) = [one for one in simulate.params if one.name == "scenario"]

    assert argument.make_metavar(simulate.make_context("simulate", ["turnover"])) == "|".join(
        ("[" + "|".join(SCENARIOS) + "]",)
    )


POLICY = """
tiers:
  box: {cpu: 8, memory: 32GiB, scratch: 0B, purchase: on-demand, region: us-east-1, price: ec2/c7i.2xlarge,
        start: 90s}
fleets:
  box: {maximum: %d, at_once: 4, drain: {urgent: 10m}}
"""


def test_two_policies_stand_side_by_side_in_a_page_that_needs_no_network(
    rushes: Rushes, tmp_path: Path
) -> None:
    files = [tmp_path / "small.yaml", tmp_path / "large.yaml"]
    for path, hosts in zip(files, (2, 8), strict=True):
        path.write_text(POLICY % hosts)
    page = tmp_path / "report.html"

    result = rushes(
        "simulate", "turnover", "--scale", "0.05", "--policy", str(files[0]), "--policy", str(files[1]),
        "--report", str(page),
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    assert "turnover, small" in result.stdout
    assert "turnover, large" in result.stdout
    text = page.read_text()
    assert "Side by side" in text
    assert not re.search(r"(src|href)=|url\(|@import|<script", text)
    tree = ET.fromstring(re.sub(r"<meta[^>]*>|<!doctype html>", "", text))  # noqa: S314 - our own page
    assert len(list(tree.iter("svg"))) >= 6


def test_a_capacity_question_names_what_breaks_first_and_its_assumptions(rushes: Rushes) -> None:
    result = rushes(
        "simulate", "turnover", "--scale", "0.05", "--cores", "4", "--tier", "ec2/c7i.2xlarge",
        "--what-if", "streams*4",
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    assert "streams × 4" in result.stdout
    assert "breaks first, at" in result.stdout
    assert "a stream" in result.stdout
    assert "assumed: " in result.stdout


@pytest.mark.parametrize("asked", ["streams", "streams*0.5", "people*2", "streams*1.2.3"])
def test_a_question_that_is_none_is_the_callers_mistake(rushes: Rushes, asked: str) -> None:
    result = rushes("simulate", "turnover", "--what-if", asked)

    assert result.exit_code == 2
    assert "streams*2" in result.stderr


def test_a_scenario_or_the_ledger_but_not_both(rushes: Rushes) -> None:
    assert rushes("simulate").exit_code == 2
    assert rushes("simulate", "turnover", "--replay").exit_code == 2
    assert rushes("simulate", "turnover", "--since", "2").exit_code == 2


def test_a_ledger_that_is_not_there_is_said(
    rushes: Rushes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RUSHES_HOME", str(tmp_path / "home"))

    result = rushes("simulate", "--replay")

    assert result.exit_code == 2
    assert "no ledger" in result.stderr


def test_shows_are_held_to_what_they_may_spend(rushes: Rushes) -> None:
    asked = ("simulate", "turnover", "--scale", "0.02", "--cores", "8")

    soft = rushes(*asked, "--soft", "vfx=0.01")
    cap = rushes(*asked, "--cap", "vfx=0.01")
    wrong = rushes(*asked, "--soft", "vfx")

    assert "one class lower: 1 batch beyond a limit" in soft.stdout
    assert "invocations held: show vfx has" in cap.stdout
    assert (wrong.exit_code, "expected SHOW=USD" in wrong.stderr) == (2, True)


def test_the_classes_of_a_studio_are_those_of_a_simulation(
    rushes: Rushes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "classes.toml").write_text(
        '[classes.urgent]\nslot_hours = 0.1\nbeyond = "background"\ntarget = "1s"\n'
    )
    monkeypatch.setenv("RUSHES_CLASSES", str(tmp_path / "classes.toml"))

    said = rushes("simulate", "turnover", "--scale", "0.02", "--cores", "8")

    assert "one class lower: 1 batch beyond a limit" in said.stdout
    assert "target of urgent: 0 of 1 batch done within 1.0 s" in said.stdout
