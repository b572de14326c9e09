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
    assert [line.split()[0] for line in lines[4:7]] == ["urgent", "standard", "background"]
    assert {tuple(line.split()[:2]) for line in lines} >= {
        ("background", "archive"), ("standard", "dailies"), ("urgent", "vfx"),
    }  # fmt: skip
    assert max(map(len, lines)) <= 80


def test_json_is_one_object_with_every_group(rushes: Rushes) -> None:
    result = rushes("simulate", "many-shows", "--scale", "0.02", "--json")

    found = json.loads(result.stdout)
    assert (found["schema"], found["scenario"]) == (1, "many-shows")
    assert len(found["groups"]) == 12
    assert all(group["turnaround_s"]["p50"] > 0 for group in found["groups"])
    assert any("log-normal guesses" in text for text in found["assumed"])


def test_a_size_that_is_none_is_the_callers_mistake(rushes: Rushes) -> None:
    result = rushes("simulate", "quiet-day", "--memory", "lots")

    assert result.exit_code == 2
    assert "lots" in result.stderr


@pytest.mark.parametrize("option", ["--cores", "--devices", "--scale"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e308"])
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
    assert re.search(r"urgent, vfx: nine of ten within +[0-9][^ ]* .*[0-9] [sm]", result.stdout)
    assert "<td>background, archive: nine of ten within</td>" in text
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 80  # the last names the page
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
    assert "breaks next, at" in result.stdout
    assert re.search(
        r"too much already, as it is now: urgent work waits .*, where\s+10 m 00 s", result.stdout
    )
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


def test_what_is_enough_now_breaks_first_at_some_size(rushes: Rushes, tmp_path: Path) -> None:
    page = tmp_path / "more.html"
    asked = ("simulate", "quiet-day", "--scale", "0.3", "--cores", "8", "--what-if", "streams*16")

    said = rushes(*asked, "--report", str(page)).stdout

    assert "already" not in said
    assert "breaks first, at" in said
    assert "what breaks first is this" in page.read_text()


def test_a_cap_is_of_money_so_there_is_a_price_though_nobody_named_one(rushes: Rushes) -> None:
    found = json.loads(rushes("simulate", "viral-spike", "--scale", "0.2", "--json").stdout)

    assert found["bill"]["total"] > 0
    assert any("× ec2/c7i.2xlarge, $0.36 an hour each" in text for text in found["assumed"])
    assert not any("Nothing costs money" in text for text in found["assumed"])


def test_what_is_lost_and_when_is_said(rushes: Rushes) -> None:
    said = rushes("simulate", "device-loss", "--scale", "0.05").stdout

    assert "From 14:00 to 16:00 50% of the devices are gone" in said


@pytest.mark.parametrize("option", [("--cores", "8"), ("--memory", "8GiB"), ("--tier", "ec2/c7i.2xlarge")])
def test_a_size_beside_a_policy_is_refused_and_not_passed_over(
    rushes: Rushes, tmp_path: Path, option: tuple[str, str]
) -> None:
    (tmp_path / "p.yaml").write_text(POLICY % 2)

    said = rushes("simulate", "turnover", "--policy", str(tmp_path / "p.yaml"), *option)

    assert said.exit_code == 2
    assert f"{option[0]} is of a pool of one size" in said.stderr


def test_a_policy_that_is_not_there_is_named_without_a_variable_that_nobody_set(rushes: Rushes) -> None:
    said = rushes("simulate", "turnover", "--policy", "none.yaml")

    assert said.exit_code == 2
    assert "none.yaml cannot be read" in said.stderr
    assert "RUSHES_CAPACITY" not in said.stderr


@pytest.mark.parametrize("since", ["2", "2d", "36h"])
def test_how_far_back_is_days_or_a_length_of_time(rushes: Rushes, since: str) -> None:
    said = rushes("simulate", "--replay", "--since", since)

    assert "no ledger" in said.stderr or "has run since then" in said.stderr


def test_what_is_no_length_of_time_is_refused_as_such(rushes: Rushes) -> None:
    assert "duration" in rushes("simulate", "--replay", "--since", "2w").stderr


def test_what_gives_way_takes_no_headroom(rushes: Rushes) -> None:
    """An archive holds all cores of a quiet day for hours: what comes does not wait for it."""
    found = json.loads(rushes("simulate", "quiet-day", "--scale", "0.3", "--cores", "16", "--json").stdout)

    assert found["bill"]["headroom"] > 0.9
    assert "Headroom: what background work holds counts as free, for it gives way." in found["assumed"]
