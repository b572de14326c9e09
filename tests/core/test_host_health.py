"""Whether a host takes work: what it failed of, what a look at it found, what nobody thought to look at."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.host_health import (
    DOUBTS,
    FIRST_REST_S,
    LONGEST_REST_S,
    ROW,
    HostHealth,
    Part,
    room_wanted,
)

GIB = 2**30


def test_a_part_that_is_wanting_rests_until_a_look_finds_it_well() -> None:
    host = HostHealth()
    assert host.most("hosts") == inf
    assert host.found(Part.disk, "it is full", 100.0)
    assert not host.found(Part.disk, "it is full", 101.0)
    assert (host.most("hosts"), host.why()) == (0, "it is full")
    assert host.due(104.0) == []
    assert host.due(100.0 + FIRST_REST_S) == [(Part.disk, "")]
    assert host.found(Part.disk, "", 105.0)
    assert (host.most("hosts"), host.why()) == (inf, "")


def test_the_looks_at_what_stays_wanting_are_further_and_further_apart() -> None:
    host, now, waits = HostHealth(), 0.0, []
    host.found(Part.pool, "it is silent", now)
    for _ in range(8):
        before = now
        while not host.due(now):
            now += 0.5
        waits.append(now - before)
        host.found(Part.pool, "it is silent", now)
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (FIRST_REST_S, LONGEST_REST_S)


def test_a_card_that_is_gone_rests_only_who_wants_cards() -> None:
    host, groups = HostHealth(), frozenset({"hosts", "hosts-nvenc"})
    host.found(Part.device, "no card answers", 0.0, "hosts-nvenc")
    assert (host.most("hosts-nvenc"), host.most("hosts")) == (0, inf)
    assert host.rests_since(groups) is None
    assert host.why(groups) == "no card answers"
    assert host.rests_since(frozenset({"hosts-nvenc"})) == 0.0


def test_who_asks_while_something_else_is_found_is_answered() -> None:
    health = HostHealth()
    health.found(Part.device, "no card", 0.0, "hosts-nvenc")

    class Meanwhile(str):
        __slots__ = ()

        def __hash__(self) -> int:
            health.found(Part.disk, "full", 0.0, str(len(health._rests)))
            return super().__hash__()

    assert health.most(Meanwhile("hosts")) == inf


def test_failures_of_several_functions_in_a_row_rest_a_host_that_looks_well() -> None:
    host = HostHealth()
    news = [host.failed(f"k.{n}", f"f{n % 2}", "crashed", 10.0) for n in range(ROW + 2)]
    assert news == [False] * (ROW - 1) + [True, False, False]
    assert host.most("hosts") == 0
    assert "crashed" in host.why()


def test_one_broken_function_rests_nobody_whatever_there_is_of_it() -> None:
    host = HostHealth()
    assert not any(host.failed(f"k.{n}", "broken", "tool-failed", 10.0) for n in range(1000))
    assert host.most("hosts") == inf


def test_a_success_between_failures_ends_the_row() -> None:
    host = HostHealth()
    for n in range(40):
        assert not host.failed(f"k.{n}", f"f{n}", "crashed", 10.0)
        if n % 3 == 2:
            host.succeeded()
    assert host.most("hosts") == inf


def test_after_its_rest_one_at_a_time_is_tried_and_a_success_ends_that() -> None:
    host = HostHealth()
    for n in range(ROW):
        host.failed(f"k.{n}", f"f{n}", "crashed", 0.0)
    assert host.due(FIRST_REST_S) == []
    assert host.most("hosts") == 1
    assert host.failed("k.9", "f9", "crashed", FIRST_REST_S)
    assert host.most("hosts") == 0
    assert host.due(2 * FIRST_REST_S) == []
    assert host.most("hosts") == 0  # it rests for twice as long now
    host.due(3 * FIRST_REST_S)
    assert host.most("hosts") == 1
    assert host.succeeded()
    assert (host.most("hosts"), host.why(), host.in_doubt) == (inf, "", False)


@pytest.mark.parametrize(
    ("total", "wanted"),
    [(64 * 2**20, 6_710_886), (10 * GIB, 256 * 2**20), (100 * GIB, 2 * GIB), (4000 * GIB, 5 * GIB)],
)
def test_the_room_that_is_wanted_goes_with_the_disk(total: int, wanted: int) -> None:
    assert room_wanted(total) == pytest.approx(wanted, rel=0.01)
    assert room_wanted(total, rests=True) == 2 * room_wanted(total)


events = st.lists(
    st.one_of(
        st.tuples(st.just("found"), st.sampled_from([p for p in Part if p is not Part.all]), st.booleans()),
        st.tuples(st.just("failed"), st.integers(0, 30), st.integers(0, 3)),
        st.tuples(st.just("succeeded"), st.none(), st.none()),
        st.tuples(st.just("wait"), st.floats(0.0, 200.0), st.none()),
    ),
    max_size=80,
)


@given(events)
def test_whatever_happens_a_host_that_is_found_well_and_succeeds_works_again(
    some: list[tuple[str, object, object]],
) -> None:
    host, now = HostHealth(), 0.0
    for what, one, other in some:
        if what == "found":
            host.found(Part(str(one)), "" if other else "wanting", now)
        elif what == "failed":
            host.failed(f"k.{one}", f"f{other}", "crashed", now)
        elif what == "succeeded":
            host.succeeded()
        else:
            now += float(str(one))
        assert host.most("hosts") in {0, 1, inf}
        assert (host.most("hosts") == inf) is (host.why() == "") is (host.rests_since(frozenset()) is None)
        assert all(part is not Part.all for part, _ in host.due(now))
    for part in Part:
        if part is not Part.all:
            host.found(part, "", now)
    host.due(now + LONGEST_REST_S)
    assert host.most("hosts") >= 1  # nothing rests that nobody looks at, or tries
    host.succeeded()
    assert host.most("hosts") == inf


def test_no_error_of_the_media_or_of_a_service_puts_a_host_in_doubt() -> None:
    assert not {"truncated", "damaged", "service-busy", "not-found", "too-large"} & DOUBTS.keys()
