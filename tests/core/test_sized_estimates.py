"""Estimates by the size of clips, in the form in which a quote asks."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.learning.run_cells import Counted, RunKind, cell
from rushes.core.learning.sized_estimates import SizedEstimates
from rushes.core.learning.sized_runs import SizedRuns
from rushes.core.learning.work import WorkTraits

WEEK = 2900


def seen(*runs: tuple[int, float]) -> SizedRuns:
    counts = Counter(cell(RunKind.ran, size, seconds) for size, seconds in runs)
    return SizedRuns("1", [Counted("1", WEEK, counts)], WEEK)


def works(*sizes: int) -> list[WorkTraits]:
    return [WorkTraits("proxy", "here", size_bytes=size) for size in sizes]


def test_clips_that_take_about_the_same_are_one_lot_and_others_are_not() -> None:
    runs = seen(*((1_000_000, 2.0) for _ in range(20)), *((100_000_000, 60.0) for _ in range(20)))
    found = SizedEstimates(runs).grouped(works(1_000_000, 1_000_000, 100_000_000))
    (few, short), (alone, long) = sorted(found, key=lambda one: one[1].mean)
    assert (few, alone) == (2, 1)
    assert short.mean == pytest.approx(2.0, rel=0.5)
    assert long.mean == pytest.approx(60.0, rel=0.5)
    assert {one.basis for _, one in found} == {"learnt"}
    assert SizedEstimates(runs).runs_of("proxy", "here") == 40


def test_more_runs_make_a_quote_surer() -> None:
    few = SizedEstimates(seen(*((1_000_000, 2.0) for _ in range(5)))).grouped(works(1_000_000))
    many = SizedEstimates(seen(*((1_000_000, 2.0) for _ in range(500)))).grouped(works(1_000_000))
    assert many[0][1].doubt < few[0][1].doubt


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=50))
def test_every_clip_is_in_one_lot(sizes: list[int]) -> None:
    runs = seen(*((10**n, 1.0 * n) for n in range(3, 10) for _ in range(5)))
    found = SizedEstimates(runs).grouped(works(*sizes))
    assert sum(count for count, _ in found) == len(sizes)
    assert all(0 < one.quantile(0.01) <= one.quantile(0.5) <= one.quantile(0.99) for _, one in found)


def test_of_what_was_never_seen_nothing_is_said() -> None:
    assert SizedEstimates(seen()).grouped(works(1)) == []
    assert SizedEstimates(seen()).runs_of("proxy", "here") == 0
