"""The same work in two classes, and a batch that changes its class: nothing is ever left waiting."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from rushes import CallerError
from rushes.engines.local import LocalEngine
from rushes.invocation import PRIORITIES

Find = Callable[[str], Any]
MANY = 3_000
"""More than are in a pool's hands at once."""


@pytest.mark.parametrize("raised", [700, 1_500, 1_900])
def test_work_that_is_raised_by_the_same_in_a_better_class_stops_no_queue(
    engine: LocalEngine, plain: Find, clip: str, raised: int
) -> None:
    engine.control("pause")
    echo = plain("echo")
    first = echo.starmap((clip, {"n": n}) for n in range(raised))
    again = echo.with_options(priority="urgent").starmap((clip, {"n": n}) for n in range(raised))
    engine.control("resume")

    assert sum(outcome.ok for outcome in again) == raised
    assert sum(outcome.ok for outcome in first) == raised
    # Now as many more as do not fit into the pool's hands, in each of the two classes.
    engine.control("pause")
    more = echo.starmap((clip, {"n": n}) for n in range(raised, raised + 3 * MANY))
    later = echo.with_options(priority="urgent").starmap((clip, {"n": -n}) for n in range(1, 3 * MANY))
    engine.control("resume")
    assert sum(outcome.ok for outcome in more) == 3 * MANY
    assert sum(outcome.ok for outcome in later) == 3 * MANY - 1


@pytest.mark.parametrize("seed", [1, 2])
def test_a_batch_that_changes_its_class_again_and_again_ends_all_the_same(
    engine: LocalEngine, plain: Find, clip: str, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable
    echo = plain("echo")
    batches = [echo.with_options(force=True).starmap((clip, {"n": n}) for n in range(MANY)) for _ in range(3)]

    for _ in range(20):
        batch = chance.choice(batches)
        with suppress(CallerError):  # it may just have ended
            engine.set_priority(batch.id, chance.choice(PRIORITIES))

    assert [sum(outcome.ok for outcome in batch) for batch in batches] == [MANY] * 3
    after = echo.with_options(force=True).starmap((clip, {"n": n}) for n in range(MANY))
    assert sum(outcome.ok for outcome in after) == MANY


def test_a_raised_batch_can_be_cancelled(engine: LocalEngine, plain: Find, clip: str) -> None:
    engine.control("pause")
    echo = plain("echo")
    first = echo.starmap((clip, {"n": n}) for n in range(MANY))
    echo.with_options(priority="urgent").starmap((clip, {"n": n}) for n in range(0, MANY, 2))

    first.cancel()

    engine.control("resume")
    assert first.progress.counts.cancelled == MANY
    more = echo.with_options(priority="urgent").starmap((clip, {"n": -n}) for n in range(1, MANY))
    assert sum(outcome.ok for outcome in more) == MANY - 1
