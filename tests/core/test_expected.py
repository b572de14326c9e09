"""What a function is expected to take moves with its runs, and begins with what earlier pools took."""

from __future__ import annotations

import pytest

from rushes.core.learning.expected import ExpectedRuns


def test_nothing_is_expected_of_what_never_ran() -> None:
    assert ExpectedRuns().seconds("f@1") is None
    assert ExpectedRuns().at_once("f@1", 0.02, 64) == 1


def test_what_earlier_pools_took_is_believed_until_runs_say_otherwise() -> None:
    expected = ExpectedRuns()
    expected.believe("f@1", 0.001)
    assert expected.at_once("f@1", 0.02, 64) == 20

    expected.learn("f@1", 0.1, 1)
    assert expected.seconds("f@1") == pytest.approx(0.0307)
    for _ in range(14):
        expected.learn("f@1", 0.002, 1)
    assert expected.seconds("f@1") == pytest.approx(0.002, rel=0.2)


def test_what_ran_here_is_not_overruled_by_what_is_believed_later() -> None:
    expected = ExpectedRuns()
    expected.learn("f@1", 2.0, 1)
    expected.believe("f@1", 0.001)
    expected.believe("g@1", 0.0)

    assert expected.seconds("f@1") == 2.0
    assert expected.seconds("g@1") is None
