"""What every place for counts of runs promises, as tests: mix `RunCountsContract` into a pytest class.

This module must not know which place it examines.
"""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

import pytest

from rushes.core.learning.run_cells import Counted
from rushes.ports import RunCounts

__all__ = ["RunCountsContract"]


class RunCountsContract:
    """Tests that every place for counts of runs passes."""

    @pytest.fixture
    def runs(self) -> RunCounts:
        """An empty one."""
        raise NotImplementedError

    def test_of_a_function_that_never_ran_there_is_nothing(self, runs: RunCounts) -> None:
        assert dict(runs.counted("proxy")) == {}

    def test_counts_that_several_add_are_summed(self, runs: RunCounts) -> None:
        runs.add("proxy", "lambda", Counted("1", 2900, {"r40.7": 2, "t60.39": 1}))
        runs.add("proxy", "lambda", Counted("1", 2900, {"r40.7": 3, "r2.-20": 1}))

        (found,) = runs.counted("proxy")["lambda"]

        assert (found.version, found.week) == ("1", 2900)
        assert dict(found.counts) == {"r40.7": 5, "t60.39": 1, "r2.-20": 1}

    def test_tiers_versions_weeks_and_functions_are_kept_apart(self, runs: RunCounts) -> None:
        runs.add("proxy", "lambda", Counted("1", 2900, {"r40.7": 1}))
        runs.add("proxy", "hosts", Counted("1", 2900, {"r40.9": 1}))
        runs.add("proxy", "hosts", Counted("2#b", 2900, {"r40.8": 1}))
        runs.add("proxy", "hosts", Counted("1", 2901, {"r40.6": 1}))
        runs.add("proxy-hevc", "lambda", Counted("1", 2900, {"r40.1": 1}))

        found = runs.counted("proxy")

        assert {tier: len(rows) for tier, rows in found.items()} == {"lambda": 1, "hosts": 3}
        assert {(one.version, one.week) for one in found["hosts"]} == {
            ("1", 2900),
            ("2#b", 2900),
            ("1", 2901),
        }

    def test_many_cells_are_added_at_once(self, runs: RunCounts) -> None:
        many = {f"r{size}.{seconds}": 1 for size in range(20) for seconds in range(15)}
        runs.add("proxy", "lambda", Counted("1", 2900, many))

        (found,) = runs.counted("proxy")["lambda"]

        assert dict(found.counts) == many

    def test_nothing_at_all_may_be_added(self, runs: RunCounts) -> None:
        runs.add("proxy", "lambda", Counted("1", 2900, {}))

        assert dict(runs.counted("proxy")) == {}
