"""Who stands aside: tables for the rules, properties for what must hold whatever runs."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.displacement import Displacement, DisplacementPolicy, Running, displace
from rushes.core.packing import Need

NOW = 1_000.0
CORE = 1_000
GIB = 1 << 30


def encode(number: int, rank: int = 3, **facts: object) -> Running:
    """A two-core encode with a GiB that began a hundred seconds ago."""
    known: dict[str, object] = {"need": (2 * CORE, GIB, 0, 0), "began": NOW - 100.0, **facts}
    return Running(number, number, rank, **known)  # type: ignore[arg-type]


def who(lack: Need, running: list[Running], rank: int = 1) -> list[tuple[int, str]]:
    return [(one.id, one.how) for one in displace(lack, rank, running, NOW)]


def test_nothing_is_displaced_where_nothing_is_lacking() -> None:
    assert who((0, 0, 0, 0), [encode(1)]) == []


def test_cpu_is_freed_by_a_pause() -> None:
    assert who((CORE, 0, 0, 0), [encode(1)]) == [(1, "pause")]


def test_memory_is_freed_by_a_stop_alone() -> None:
    assert who((0, GIB, 0, 0), [encode(1)]) == [(1, "stop")]


def test_the_lowest_class_goes_first() -> None:
    assert who((CORE, 0, 0, 0), [encode(1, rank=2), encode(2, rank=3)]) == [(2, "pause")]


def test_of_a_class_the_latest_to_start_is_paused() -> None:
    assert who((CORE, 0, 0, 0), [encode(1), encode(2, began=NOW - 5.0)]) == [(2, "pause")]


def test_of_a_class_the_one_with_the_least_to_lose_is_stopped() -> None:
    early = encode(1, began=NOW - 5.0, ran_s=300.0)
    late = encode(2, began=NOW - 50.0)

    assert who((0, GIB, 0, 0), [early, late]) == [(2, "stop")]


def test_what_can_be_paused_goes_before_what_must_be_stopped() -> None:
    boxed = encode(1, pausable=False, began=NOW - 5.0)

    assert who((CORE, 0, 0, 0), [boxed, encode(2)]) == [(2, "pause")]
    assert who((CORE, 0, 0, 0), [boxed]) == [(1, "stop")]


@pytest.mark.parametrize(
    "spared",
    [
        pytest.param(encode(1, rank=1), id="the same class"),
        pytest.param(encode(1, rank=0), id="a better class"),
        pytest.param(encode(1, preemptible=False), id="exempt"),
        pytest.param(encode(1, displaced=3), id="displaced often enough"),
        pytest.param(encode(1, began=NOW - 0.5), id="just started"),
        pytest.param(encode(1, expected_s=100.5), id="about to end"),
    ],
)
def test_what_is_left_alone(spared: Running) -> None:
    assert who((CORE, 0, 0, 0), [spared]) == []


def test_what_runs_longer_than_expected_is_not_about_to_end() -> None:
    assert who((CORE, 0, 0, 0), [encode(1, expected_s=50.0)]) == [(1, "pause")]


def test_nobody_stands_aside_in_vain() -> None:
    assert who((5 * CORE, 0, 0, 0), [encode(1), encode(2)]) == []


def test_a_large_one_that_comes_late_makes_the_small_ones_needless() -> None:
    small = encode(1, need=(CORE, GIB, 0, 0), began=NOW - 5.0)
    large = encode(2, need=(4 * CORE, GIB, 0, 0))

    assert who((4 * CORE, 0, 0, 0), [small, large]) == [(2, "pause")]


def test_the_cpu_that_a_stop_frees_counts() -> None:
    assert who((2 * CORE, GIB, 0, 0), [encode(1), encode(2)]) == [(1, "stop")]


def test_memory_is_awaited_of_a_part_that_is_past_its_half_and_ends_soon() -> None:
    def part(left_s: float | None) -> Running:
        return encode(1, left_s=left_s, part=True, began=NOW - 8.0)

    assert who((0, GIB, 0, 0), [part(7.9)]) == [(1, "await")]
    assert who((0, GIB, 0, 0), [part(8.1)]) == [(1, "stop")]
    assert who((0, GIB, 0, 0), [part(None)]) == [(1, "stop")]


@pytest.mark.parametrize(("left_s", "how"), [(0.5, "await"), (9.9, "await"), (10.1, "stop"), (None, "stop")])
def test_a_whole_encode_is_awaited_within_the_bound(left_s: float | None, how: str) -> None:
    assert who((0, GIB, 0, 0), [encode(1, left_s=left_s)]) == [(1, how)]


def test_a_whole_encode_that_would_lose_little_is_stopped() -> None:
    assert who((0, GIB, 0, 0), [encode(1, left_s=8.0, began=NOW - 23.0)]) == [(1, "stop")]
    assert who((0, GIB, 0, 0), [encode(1, left_s=8.0, began=NOW - 24.0)]) == [(1, "await")]


def test_nobody_is_awaited_twice() -> None:
    assert who((0, GIB, 0, 0), [encode(1, left_s=1.5, waited_for=True)]) == [(1, "stop")]


def test_cores_are_never_awaited() -> None:
    assert who((CORE, 0, 0, 0), [encode(1, left_s=2.0)]) == [(1, "pause")]


def test_what_is_about_to_end_is_awaited_and_spares_another() -> None:
    ends = encode(1, left_s=0.5, expected_s=100.5)

    assert who((0, GIB, 0, 0), [ends, encode(2)]) == [(1, "await")]


def test_no_cores_are_taken_while_somebody_is_awaited() -> None:
    assert who((3 * CORE, GIB, 0, 0), [encode(1, left_s=5.0), encode(2)]) == [(1, "await")]


def test_of_a_class_those_that_are_let_finish_go_before_those_that_lose() -> None:
    running = [encode(1, began=NOW - 5.0), encode(2, left_s=9.0), encode(3, left_s=4.0)]

    assert who((0, GIB, 0, 0), running) == [(3, "await")]
    assert who((0, 3 * GIB, 0, 0), running) == [(3, "await"), (2, "await"), (1, "stop")]


# -- properties -------------------------------------------------------------------------------------------

_AMOUNT = st.integers(0, 4)
_NEED = st.tuples(_AMOUNT, _AMOUNT, _AMOUNT, _AMOUNT)


# Made once: a strategy that is made for each draw is checked for each draw.
_ONE = st.tuples(
    st.integers(0, 3),
    _NEED,
    st.floats(0, 200).map(lambda ago_s: NOW - ago_s),
    st.none() | st.floats(0, 300),
    st.floats(0, 50),
    st.integers(0, 4),
    st.booleans(),
    st.booleans(),
    st.none() | st.floats(0, 30),
    st.booleans(),
    st.booleans(),
)
_RUNNING = st.lists(_ONE, max_size=7).map(lambda rows: [Running(n, n, *one) for n, one in enumerate(rows)])


def _enough(found: tuple[Displacement, ...], lack: Need) -> bool:
    return all(sum(one.frees[d] for one in found) >= lack[d] for d in range(4))


@given(_NEED, st.integers(0, 3), _RUNNING)
def test_what_stands_aside_is_enough_and_allowed_and_each_of_it_needed(
    lack: Need, rank: int, running: list[Running]
) -> None:
    found = displace(lack, rank, running, NOW)

    by_id = {one.id: one for one in running}
    if any(one.how == "await" for one in found):  # its cores are asked for when they can be used
        lack = (min(lack[0], sum(one.frees[0] for one in found)), *lack[1:])
    if found:
        assert _enough(found, lack)
        assert not any(_enough(some, lack) for some in combinations(found, len(found) - 1))
    for one in found:
        victim = by_id[one.id]
        assert victim.rank > rank
        assert victim.preemptible
        assert victim.displaced < DisplacementPolicy().most
        assert one.frees == ((victim.need[0], 0, 0, 0) if one.how == "pause" else victim.need)
        assert one.how != "pause" or victim.pausable
        if one.how == "await":
            assert victim.left_s is not None
            assert victim.left_s <= DisplacementPolicy().near_s
            assert not victim.waited_for


@given(_NEED, st.integers(0, 3), _RUNNING)
def test_nobody_is_spared_when_all_together_would_be_enough(
    lack: Need, rank: int, running: list[Running]
) -> None:
    able = [one for one in running if _able(one, rank)]
    together = tuple(sum(one.need[d] for one in able) for d in range(4))

    enough = all(together[d] >= lack[d] for d in range(4))
    if enough and any(lack) and all(one.pausable is False for one in able):
        assert displace(lack, rank, running, NOW)


def _able(one: Running, rank: int) -> bool:
    alone = (one.need[0], 0, 0, 0)
    return bool(any(alone) and displace(alone, rank, [one], NOW))
