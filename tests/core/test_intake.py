"""How many messages a host asks for: no more than is begun soon, and many at a time where work is short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.capacity.intake import MOST, mean_after, wanted


@pytest.mark.parametrize(
    ("here", "width", "mean_s", "expected"),
    [
        (0, 4, None, 4),
        (3, 4, None, 1),
        (4, 4, None, 0),
        (4, 4, 60.0, 0),  # work is long: what lies here is another host's loss
        (3, 4, 60.0, 1),
        (4, 4, 0.01, 10),
        (14, 4, 0.01, 10),  # ten wait while ten are fetched
        (15, 4, 0.01, 0),  # a request is for ten, or for none
        (0, 4, 0.01, 10),
        (4, 4, 1.0, 4),
        (0, 40, None, 10),
    ],
)
def test_what_is_asked_for(here: int, width: int, mean_s: float | None, expected: int) -> None:
    assert wanted(here, width, mean_s) == expected


@given(st.integers(0, 100), st.integers(1, 64), st.one_of(st.none(), st.floats(0, 1e6)))
def test_never_more_than_fits_into_a_request_and_begins_within_a_second(
    here: int, width: int, mean_s: float | None
) -> None:
    count = wanted(here, width, mean_s)
    assert 0 <= count <= MOST
    waits = max(here + count - width, 0) if count else 0
    assert waits * (mean_s or 0.0) / width <= 1.0
    if here == 0:
        assert count >= 1  # an idle host always asks


def test_the_mean_follows_what_is_worked_on_now() -> None:
    mean: float | None = None
    for _ in range(50):
        mean = mean_after(mean, 10.0)
    assert mean == pytest.approx(10.0)
    for _ in range(30):
        mean = mean_after(mean, 0.01)
    assert mean is not None
    assert mean < 0.1
