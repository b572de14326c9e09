"""What a swarm is told to have cost the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.swarm import Aside, Share, Swarms


def test_a_report_adds_up_what_each_batch_bore_the_most_first() -> None:
    swarms = Swarms()
    swarms.aside("urgent", Aside(1, "dailies", "dune", "pause", since=10.0))
    swarms.aside("urgent", Aside(2, "dailies", "dune", "stop", since=10.0, redone_s=40.0))
    swarms.aside("urgent", Aside(3, "archive", "tron", "pause", since=12.0))
    swarms.back(1, 15.0)
    swarms.back(2, 30.0)

    found = swarms.of("urgent")

    assert found is not None
    assert found.report(20.0) == [
        Share("dailies", "dune", 2, 1, 1, aside_s=25.0, redone_s=40.0, standing=0),
        Share("archive", "tron", 1, 1, 0, aside_s=8.0, redone_s=0.0, standing=1),
    ]


def test_an_invocation_that_stood_aside_twice_is_one_invocation() -> None:
    swarms = Swarms()
    for since in (10.0, 20.0):
        swarms.aside("urgent", Aside(1, "dailies", "dune", "pause", since=since))
        swarms.back(1, since + 2.0)

    (share,) = swarms.of("urgent").report(50.0)  # type: ignore[union-attr]

    assert (share.invocations, share.paused, share.aside_s) == (1, 2, 4.0)


def test_a_swarm_is_forgotten_only_when_nobody_stands_aside_for_it() -> None:
    swarms = Swarms()
    swarms.aside("urgent", Aside(1, "dailies", "dune", "pause", since=10.0))

    assert swarms.forget("urgent") is None
    swarms.back(1, 11.0)
    assert swarms.forget("urgent") is not None
    assert swarms.of("urgent") is None


def test_who_never_stood_aside_does_not_come_back() -> None:
    assert Swarms().back(7, 1.0) is None


@pytest.mark.parametrize("late", [-5.0, 0.0])
def test_a_clock_that_runs_backwards_makes_nobody_stand_aside_for_less_than_no_time(late: float) -> None:
    swarms = Swarms()
    swarms.aside("urgent", Aside(1, "dailies", "dune", "pause", since=10.0))

    one = swarms.back(1, 10.0 + late)

    assert one is not None
    assert one.seconds(99.0) == 0.0


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=40))
def test_what_is_said_twice_is_counted_once(events: list[tuple[int, bool]]) -> None:
    swarms = Swarms()
    standing: set[int] = set()
    times = 0
    for at, (number, leaves) in enumerate(events):
        if leaves:
            times += number not in standing
            standing.add(number)
            swarms.aside("urgent", Aside(number, "b", "s", "pause", since=float(at)))
        else:
            standing.discard(number)
            swarms.back(number, float(at))

    shares = [] if (found := swarms.of("urgent")) is None else found.report(100.0)

    assert sum(share.paused for share in shares) == times
    assert sum(share.standing for share in shares) == len(standing)
    assert all(bool(swarms.stands(number)) == (number in standing) for number in range(1, 5))
