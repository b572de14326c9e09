"""How many slot processes are kept ready for an urgent start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.spares import HeldSlot, SparePolicy, to_open, wanted

GIB = 2.0**30
POLICY = SparePolicy()


def long(interpreter: str = "a", *, may_yield: bool = True) -> HeldSlot:
    return HeldSlot(interpreter, 60.0, may_yield)


@pytest.mark.parametrize(
    ("cpu", "memory", "held", "many"),
    [
        (2, 8 * GIB, [long()], 1),
        (2, 8 * GIB, [long(), long()], 1),
        (16, 64 * GIB, [long()], 1),  # no more than could be displaced
        (16, 64 * GIB, [long()] * 8, 2),
        (64, 6 * GIB, [long()] * 8, 3),
        (2, 1 * GIB, [long()], 0),
        (2, 8 * GIB, [], 0),
        (2, 8 * GIB, [long(may_yield=False)], 0),
        (2, 8 * GIB, [HeldSlot("a", 1.9, may_yield=True)], 0),
        (0.5, 8 * GIB, [long()], 1),
        (2, float("inf"), [long()], 1),
    ],
)
def test_a_spare_is_kept_where_something_would_stand_aside(
    cpu: float, memory: float, held: list[HeldSlot], many: int
) -> None:
    assert sum(wanted(held, cpu, memory).values()) == many


def test_the_interpreter_with_most_that_may_stand_aside_has_the_first() -> None:
    held = [long("a"), long("b"), long("b")]

    assert wanted(held, 8, 64 * GIB) == {"b": 1}
    assert wanted(held, 16, 64 * GIB) == {"b": 2}
    assert wanted(held, 24, 64 * GIB) == {"b": 2, "a": 1}


def test_they_are_opened_one_at_a_time() -> None:
    assert to_open({"a": 2, "b": 1}, {}, cores_are_wanted=False) == "a"
    assert to_open({"a": 2, "b": 1}, {"a": 2}, cores_are_wanted=False) == "b"
    assert to_open({"a": 2, "b": 1}, {"a": 2, "b": 1}, cores_are_wanted=False) is None


def test_none_is_opened_while_the_cores_are_wanted_for_better() -> None:
    assert to_open({"a": 1}, {}, cores_are_wanted=True) is None


@given(
    st.lists(st.builds(HeldSlot, st.sampled_from("abc"), st.floats(0, 100), st.booleans())),
    st.floats(0.1, 512),
    st.floats(0, 2**42),
)
def test_the_bounds_hold_for_every_pool(held: list[HeldSlot], cpu: float, memory: float) -> None:
    found = wanted(held, cpu, memory)

    assert sum(found.values()) <= max(cpu / POLICY.cpu_each, 1)
    assert sum(found.values()) * POLICY.memory_each <= memory
    for interpreter, count in found.items():
        long_held = [h for h in held if h.may_yield and h.ran_s >= POLICY.held_s]
        assert 0 < count <= sum(h.interpreter == interpreter for h in long_held)
