"""`ctx.map` in a direct call: the parts run in this process, one after another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rushes import CallerError, MediaError, catalog

FANS = Path(__file__).with_name("fans.py")
Find = Callable[[str], Any]


@pytest.fixture
def fans() -> Find:
    return lambda name: catalog.find(f"{FANS}:{name}")


def test_parts_come_back_in_the_order_of_the_items(fans: Find, clip: str) -> None:
    assert fans("fan")(clip, parts=4).total == 0 + 1 + 4 + 9


def test_maps_may_be_nested(fans: Find, clip: str) -> None:
    assert fans("nested")(clip, deep=3).total == 2 * (0 + (0 + 1))


def test_a_failed_part_that_nobody_minds_is_an_outcome_that_names_itself(fans: Find, clip: str) -> None:
    made = fans("tolerant")(clip, parts=3, bad=1)

    assert made.total == 4
    assert made.errors == ("number 1 is damaged (square of clip.bin, here/2).",)


def test_a_failed_part_that_is_let_through_fails_the_whole_by_its_own_kind(fans: Find, clip: str) -> None:
    with pytest.raises(MediaError, match=r"\(square of clip\.bin, here/3\)") as failed:
        fans("fan")(clip, bad=2)
    assert failed.value.details["part"] == "here/3"


def test_files_of_parts_lie_in_keep_until_the_whole_has_ended(fans: Find, clip: str, tmp_path: Path) -> None:
    out = tmp_path / "out"

    made = fans("joins")(clip, out=out)

    assert Path(made.file).read_text() == "0\n1\n2\n"
    assert sorted(path.name for path in out.iterdir()) == ["joined.txt", "joined.txt.rushes.json"]


def test_files_of_parts_may_go_to_a_folder_of_the_authors(fans: Find, clip: str, tmp_path: Path) -> None:
    seen = catalog.find(f"{FANS}:joins_there")(clip, out=tmp_path / "out", there=str(tmp_path / "there"))

    texts = [Path(name).read_text() for name in seen.names]
    assert texts == ["0\n", "1\n"]
    assert {Path(name).parent for name in seen.names} == {tmp_path / "there"}


def test_options_that_no_part_can_have_are_refused_at_once(fans: Find, clip: str) -> None:
    with pytest.raises(CallerError, match="square has no option 'size'"):
        fans("misfit")(clip)


def test_a_function_that_maps_itself_for_ever_is_stopped(fans: Find, clip: str) -> None:
    with pytest.raises(CallerError, match="8 deep"):
        fans("endless")(clip)
