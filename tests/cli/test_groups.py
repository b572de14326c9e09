"""Commands that have commands of their own."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from rushes.cli.app import app


@pytest.mark.parametrize("group", ["infra", "journal"])
def test_a_group_without_a_command_says_which_there_are(group: str) -> None:
    made = CliRunner().invoke(app, [group])
    assert made.exit_code == 2
    assert made.output.startswith("Usage: ")
    assert "\nCommands:\n" in made.output
    assert "error:" not in made.output


@pytest.mark.parametrize("amount", ["-4", "-.5", "-$4", "$-4"])
def test_an_amount_below_nothing_is_no_option_that_is_missing(amount: str) -> None:
    made = CliRunner().invoke(app, ["budget", "set", "show:dune", amount])

    assert made.exit_code == 2
    assert "no such option" not in made.output.lower()
    assert amount in made.output


def test_an_option_that_is_misspelt_is_still_said(rushes_home: object) -> None:
    made = CliRunner().invoke(app, ["budget", "set", "show:dune", "--per-huor", "-4"])

    assert made.exit_code == 2
    assert "--per-huor" in made.output


@pytest.mark.parametrize("group", ["infra", "journal", "pool", "events", "budget"])
def test_what_its_commands_do_is_said_whole(group: str) -> None:
    made = CliRunner().invoke(app, [group, "--help"])
    assert "..." not in made.output.partition("\nCommands:\n")[2]
