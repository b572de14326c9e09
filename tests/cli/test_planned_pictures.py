"""`--print-command` of functions that make more than one picture: the command of all, and nothing made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import make_media

Rushes = Callable[..., Result]


@pytest.mark.parametrize(
    ("function", "end"),
    [("ladder", "sound-1.mp4"), ("thumbnails", "contact-sheet.jpg")],
)
def test_the_command_of_many_pictures_is_printed_and_makes_none(
    rushes: Rushes, media: make_media.Workshop, tmp_path: Path, function: str, end: str
) -> None:
    out = tmp_path / "out"

    result = rushes("run", function, str(media.get("h264_24p.mp4")), "--out", str(out), "--print-command")

    assert result.exit_code == 0, result.output
    (command,) = [line for line in result.stdout.splitlines() if not line.startswith("#")]
    assert "-filter_complex" in command
    assert command.endswith(end)
    assert not out.exists()
