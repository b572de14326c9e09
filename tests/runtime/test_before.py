"""What a function took before this worker began is what its first attempts reserve for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rushes.core.events import Shape
from rushes.core.learning.run_times import ExpectedRun
from rushes.journal.sqlite import SqliteJournal
from rushes.runtime.dispatch.budgeting import Budgeting
from rushes.runtime.sending.estimating import Before


@pytest.fixture
def budgeting(tmp_path: Path) -> Any:
    journal = SqliteJournal(tmp_path / "journal.sqlite3")
    made = Budgeting(journal, None, 0.0)
    learnt = {"m:often": Before(2.0, 9.0, 64), "m:once": Before(2.0, 2.0, 1)}
    made.pool = cast("Any", SimpleNamespace(learnt=learnt))
    yield made
    journal.close()


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("m:often@1", ExpectedRun(9.0, sure=True)),
        ("m:often@2", ExpectedRun(9.0, sure=True)),
        ("m:once@1", ExpectedRun(2.0, sure=False)),
        ("m:never@1", None),
    ],
)
def test_the_longest_of_a_hundred_earlier_runs_is_expected_and_surely_after_a_few(
    budgeting: Budgeting, function: str, expected: ExpectedRun | None
) -> None:
    assert budgeting._before(Shape("batch", "environment", function)) == expected
