"""How many attempts run at once where each has a machine: within the cap, the most urgent first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.capacity.concurrency import EventSource, allowances, reserved_nano

SOURCES = st.lists(
    st.builds(
        EventSource,
        name=st.sampled_from("abcdef"),
        rank=st.integers(0, 3),
        hour_nano=st.integers(0, 1000),
        most=st.integers(2, 50),
        waiting=st.integers(0, 100),
    ),
    max_size=6,
    unique_by=lambda one: one.name,
)


@pytest.mark.parametrize(
    ("left", "given_"),
    [
        (10_000, {"u": 50, "s": 50}),
        (0, {"u": 0, "s": 0}),
        (-5, {"u": 0, "s": 0}),
        (10, {"u": 0, "s": 0}),  # one is not to be had
        (20, {"u": 2, "s": 0}),
        (40, {"u": 2, "s": 2}),
        (300, {"u": 2, "s": 28}),  # nothing urgent waits
    ],
)
def test_what_is_left_goes_to_the_least_first_then_to_what_waits(left: int, given_: dict[str, int]) -> None:
    sources = [EventSource("s", 2, 10, 50, waiting=40), EventSource("u", 1, 10, 50)]
    assert allowances(sources, left) == given_


def test_of_two_classes_that_wait_the_more_urgent_has_its_fill_first() -> None:
    sources = [EventSource("s", 2, 10, 50, waiting=40), EventSource("u", 1, 10, 50, waiting=30)]
    assert allowances(sources, 400) == {"u": 30, "s": 10}


@given(sources=SOURCES, left=st.integers(-100, 100_000))
def test_all_of_them_for_an_hour_cost_no_more_than_is_left(sources: list[EventSource], left: int) -> None:
    found = allowances(sources, left)
    assert sum(found[one.name] * one.hour_nano for one in sources) <= max(left, 0)
    assert all(found[one.name] == 0 or 2 <= found[one.name] <= one.most for one in sources)


@given(sources=SOURCES)
def test_with_the_least_set_aside_nobody_rests(sources: list[EventSource]) -> None:
    found = allowances(sources, reserved_nano(sources))
    assert all(found[one.name] >= 2 for one in sources)


@given(sources=SOURCES, left=st.integers(0, 10_000))
def test_the_order_in_which_queues_are_named_does_not_matter(sources: list[EventSource], left: int) -> None:
    other = sources[::-1]
    assert allowances(sources, left) == allowances(other, left)
