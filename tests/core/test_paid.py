"""When what is open may have spent what it may: each once, as soon as it is due, and never before."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from rushes.core.events import Shape
from rushes.core.paid import Dues, Paid
from rushes.core.spending.budget import Payer
from rushes.core.spending.tariff import AHEAD_S

SHAPE = Shape("batch", "env", "function")
PAYER = Payer("dune", "batch")
SECONDS = st.floats(0.0, 30.0).map(lambda found: round(found, 2))


def lasting(number: int, seconds: float) -> Paid:
    return Paid(number, SHAPE, PAYER, 1_000, seconds)


@given(
    st.lists(st.tuples(SECONDS, SECONDS), max_size=20),
    st.lists(SECONDS, min_size=1, max_size=12).map(sorted),
)
def test_each_is_due_once_and_at_the_first_look_after_its_time(
    begun: list[tuple[float, float]], looks: list[float]
) -> None:
    dues, open_ = Dues(), {n: lasting(n, seconds) for n, (_, seconds) in enumerate(begun)}
    for n, (at, _) in enumerate(begun):
        dues.expect(n, open_[n], 0.0, at)
    ends = {n: at + max(seconds - AHEAD_S, 0.0) for n, (at, seconds) in enumerate(begun)}

    told: set[int] = set()
    for now in looks:
        expected = {n for n, at in ends.items() if at <= now + 1e-6} - told
        assert dues.by(now, open_) == expected
        told |= expected


def test_what_has_ended_is_not_told_and_what_comes_earlier_goes_before() -> None:
    dues, open_ = Dues(), {1: lasting(1, 60.0), 2: lasting(2, 60.0)}
    for n in (1, 2):
        dues.expect(n, open_[n], 0.0, 100.0)
    open_[2].seconds = AHEAD_S
    dues.expect(2, open_[2], 0.0, 100.0)  # it may spend less than it was given at first
    assert dues.by(100.0, open_) == {2}
    del open_[1]
    assert dues.by(1_000.0, open_) == set()


def test_what_may_work_for_ever_is_never_due() -> None:
    dues, open_ = Dues(), {1: lasting(1, inf)}
    dues.expect(1, open_[1], 0.0, 0.0)
    assert dues.by(1e9, open_) == set()
