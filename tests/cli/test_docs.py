"""The reference of the command line names every command and option, and the how-tos' files are right."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
from click.testing import Result

from rushes.cli.app import COMMANDS, app
from rushes.cli.dispatch import dispatch_options
from rushes.testing import StubEngine

DOCS = Path(__file__).parents[2] / "docs"
Rushes = Callable[..., Result]


def test_the_generated_part_is_up_to_date() -> None:
    script = DOCS / "reference" / "generate_cli.py"

    run = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr


def test_the_page_names_every_command_and_option() -> None:
    page = (DOCS / "reference" / "cli.md").read_text()
    top = click.Context(app, info_name="rushes")

    for rows in COMMANDS.values():
        for name in rows:
            assert f"### rushes {name}\n" in page
            command = app.get_command(top, name)
            assert command is not None
            for parameter in command.params:
                if isinstance(parameter, click.Option):
                    assert parameter.opts[0] in page


def test_every_page_that_is_linked_to_exists() -> None:
    for page in DOCS.rglob("*.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_the_job_of_the_how_to_is_accepted(rushes: Rushes, engine: StubEngine, folder: Path) -> None:
    page = (DOCS / "how-to" / "jobs-and-presets.md").read_text()
    (text,) = re.findall(r"```yaml\n(# proxies\.yaml.*?)```", page, re.DOTALL)
    for day in ("day01", "day02"):
        (folder / day).mkdir()
        (folder / day / f"{day}.mov").write_bytes(b"x")
    (folder / "proxies.yaml").write_text(
        text.replace("function: proxy", "function: rushes_functions.proxy:proxy")
    )
    engine.held = True

    result = rushes("submit", "proxies.yaml")

    assert result.exit_code == 0, result.stderr
    status = engine.status("stub1")
    assert (status.counts.queued, status.priority, status.show) == (2, "urgent", "dune")
    assert status.out == str(folder.parent / "proxies")


def test_the_how_to_names_every_key_of_a_job_and_every_dispatch_option() -> None:
    from rushes.cli import job  # noqa: PLC0415 - its keys

    page = (DOCS / "how-to" / "jobs-and-presets.md").read_text()

    for key in job.KEYS:
        assert f"`{key}`" in page, key
    sending = {"--dry-run", "--print-command", "--json", "--quote"}
    for option in dispatch_options():
        assert option.opts[0] in page or option.opts[0] in sending
