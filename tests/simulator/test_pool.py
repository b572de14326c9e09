"""The virtual pool keeps the promises of a real one, and can be repeated."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.displacement import DisplacementPolicy
from rushes.core.events import Capacity
from rushes.core.policy import DEFAULT_CLASSES, SchedulerSettings
from rushes.simulator.load import Arrival, RunTime, drawn, in_order
from rushes.simulator.pool import simulate
from rushes.simulator.scenarios import SCENARIOS
from rushes.simulator.trace import Trace

SECOND = RunTime(1.0, 1.0)


def cores(count: float) -> Capacity:
    return Capacity(cpu=count, memory=float(1 << 40))


def most_cpu(trace: Trace) -> float:
    """The most cores that were in use at any moment."""
    changes: list[tuple[float, int, float]] = []
    cpus = [min(one.cpu, trace.capacity.cpu) for one in trace.load for _ in range(one.count)]
    broken = {id_ for id_, _, _ in trace.stints}
    whole = [(id_, trace.started[id_], trace.ended[id_]) for id_ in range(len(cpus)) if id_ not in broken]
    for id_, since, until in (*whole, *trace.stints):
        changes += [(since, 1, cpus[id_]), (until, 0, -cpus[id_])]
    used = most = 0.0
    for _, _, change in sorted(changes):
        used += change
        most = max(most, used)
    return most


@pytest.mark.parametrize(("count", "cpu", "rounds"), [(8, 4, 2), (9, 4, 3), (1, 4, 1), (3, 1, 3)])
def test_equal_work_is_done_in_as_many_rounds_as_the_cores_need(count: int, cpu: int, rounds: int) -> None:
    trace = simulate([Arrival(0.0, "b", count, SECOND)], cores(cpu), start_up_s=0.0)

    assert trace.until == pytest.approx(rounds)
    assert trace.busy_cpu_s == pytest.approx(count)


def test_a_cold_slot_takes_its_time() -> None:
    assert simulate([Arrival(0.0, "b", 1, SECOND)], cores(1), start_up_s=3.0).until == pytest.approx(4.0)


def test_urgent_work_that_comes_later_goes_first() -> None:
    load = [
        Arrival(0.0, "cards", 20, SECOND, priority="standard"),
        Arrival(2.5, "plates", 3, SECOND, priority="urgent"),
    ]

    trace = simulate(load, cores(1), start_up_s=0.0, settings=SchedulerSettings(displacement=None))

    # One of the others runs when they come; then they go, one after another.
    assert list(trace.started[20:]) == pytest.approx([3.0, 4.0, 5.0])


def test_a_swarm_takes_the_pool_within_a_second_and_gives_it_back() -> None:
    load = [
        Arrival(0.0, "dailies", 4, RunTime(60.0, 60.0), cpu=2.0),
        Arrival(30.0, "plates", 8, RunTime(10.0, 10.0), priority="urgent", show="vfx", cpu=2.0),
    ]

    trace = simulate(load, cores(8), start_up_s=0.5)

    assert min(trace.started[4:]) == pytest.approx(30.5)
    assert max(trace.ended[4:]) == pytest.approx(50.5)
    # Each of the others stood aside for as long as that took, and lost nothing.
    assert list(trace.ended[:4]) == pytest.approx([0.5 + 60.0 + 20.5] * 4)
    (share,) = trace.swarms.of("plates").report(trace.until)  # type: ignore[union-attr]
    assert (share.paused, share.stopped, share.redone_s) == (4, 0, 0.0)
    assert share.aside_s == pytest.approx(4 * 20.5)
    assert trace.redone_cpu_s == 0.0


def test_what_is_given_back_for_its_memory_is_done_again() -> None:
    load = [
        Arrival(0.0, "dailies", 1, RunTime(60.0, 60.0), memory=60.0),
        Arrival(30.0, "plates", 1, RunTime(10.0, 10.0), priority="urgent", show="vfx", memory=60.0),
    ]

    trace = simulate(load, Capacity(cpu=4, memory=100.0), start_up_s=0.0)

    assert list(trace.ended) == pytest.approx([30.0 + 10.0 + 60.0, 40.0])
    assert trace.redone_cpu_s == pytest.approx(30.0)
    assert trace.busy_cpu_s == pytest.approx(30.0 + 10.0 + 60.0)


def test_a_batch_gets_no_more_slots_than_it_may_have() -> None:
    trace = simulate([Arrival(0.0, "b", 6, SECOND, max_slots=2)], cores(8), start_up_s=0.0)

    assert trace.until == pytest.approx(3.0)


def test_two_runs_of_one_seed_are_the_same_and_of_two_seeds_are_not() -> None:
    load = SCENARIOS["many-shows"](0.2, 1).load

    first, again, other = (simulate(load, cores(8), seed=seed) for seed in (1, 1, 2))

    assert first.ended == again.ended
    assert first.ended != other.ended


def test_run_times_do_not_depend_on_the_pool() -> None:
    load = in_order([Arrival(0.0, "b", 200, RunTime(1.0, 4.0))])
    seconds = drawn(load, 7)

    for cpu in (1, 16):  # nothing here displaces anything
        trace = simulate(load, cores(cpu), seed=7)
        took = [end - start for start, end in zip(trace.started, trace.ended, strict=True)]
        assert took == pytest.approx(list(seconds))


def test_a_run_time_has_the_median_and_the_95th_percentile_that_were_asked_for() -> None:
    seconds = sorted(drawn([Arrival(0.0, "b", 20_000, RunTime(10.0, 40.0))], 3))

    assert seconds[10_000] == pytest.approx(10.0, rel=0.05)
    assert seconds[19_000] == pytest.approx(40.0, rel=0.05)


@pytest.mark.parametrize(
    ("load", "words"),
    [
        ([Arrival(0.0, "b", 1, SECOND), Arrival(1.0, "b", 1, SECOND)], "two batches"),
        ([Arrival(-1.0, "b", 1, SECOND)], "before the clock starts"),
    ],
)
def test_a_load_that_makes_no_sense_is_refused(load: list[Arrival], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        simulate(load, cores(1))


@pytest.mark.parametrize("times", [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_a_run_time_that_makes_no_sense_is_refused(times: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="0 < median <= p95"):
        RunTime(*times)


def test_who_is_paused_and_holds_the_memory_that_others_wait_for_goes_on() -> None:
    load = [
        Arrival(0.0, "low", 1, RunTime(100.0, 100.0), priority="background", memory=70.0),
        Arrival(5.0, "swarm", 1, RunTime(10.0, 10.0), priority="urgent", cpu=3.0),
        # It waits for the memory, and the last for the cores that it keeps meanwhile.
        Arrival(6.0, "whole", 1, RunTime(1.0, 1.0), priority="interactive", cpu=3.0, memory=100.0),
        Arrival(7.0, "behind", 1, RunTime(1.0, 1.0), priority="interactive", cpu=3.0),
    ]

    trace = simulate(
        load,
        Capacity(cpu=3.0, memory=100.0),
        settings=SchedulerSettings(displacement=DisplacementPolicy(most=1)),
    )

    low, swarm, whole, _ = trace.ended
    assert swarm < low < whole


def test_work_that_aged_into_a_better_rank_is_not_displaced_by_that_rank() -> None:
    classes = [replace(one, ageing_s=30.0) if one.name == "standard" else one for one in DEFAULT_CLASSES]
    load = [
        Arrival(0.0, "urgent", 200, RunTime(4.0, 4.0), priority="urgent", show="vfx"),
        Arrival(0.0, "patient", 3, RunTime(40.0, 40.0), show="dune"),
    ]

    trace = simulate(load, cores(2), classes=classes)

    began = trace.started[200]
    assert 30.0 <= began < trace.ended[199], "it aged, and there was urgent work still"
    assert not trace.stints
    assert trace.ended[200] == pytest.approx(began + 40.0)


@st.composite
def _load(draw: st.DrawFn) -> list[Arrival]:
    return [
        Arrival(
            draw(st.floats(0, 50)),
            f"b{number}",
            draw(st.integers(1, 30)),
            RunTime(median := draw(st.floats(0.01, 20)), median * draw(st.floats(1, 4))),
            function=draw(st.sampled_from(["inspect", "proxy"])),
            priority=draw(st.sampled_from(["interactive", "urgent", "standard", "background"])),
            show=draw(st.sampled_from(["dune", "tron"])),
            cpu=draw(st.floats(0.1, 6)),
            deadline=draw(st.none() | st.floats(0, 100)),
            max_slots=draw(st.none() | st.integers(1, 3)),
        )
        for number in range(draw(st.integers(1, 5)))
    ]


@given(_load(), st.integers(1, 6), st.integers(0, 3))
def test_everything_ends_once_after_it_was_submitted_and_the_cores_are_never_overbooked(
    load: list[Arrival], cpu: int, seed: int
) -> None:
    trace = simulate(load, cores(cpu), seed=seed)

    assert all(at >= 0 for at in trace.submitted)
    assert all(a <= b <= c for a, b, c in zip(trace.submitted, trace.started, trace.ended, strict=True))
    assert most_cpu(trace) <= cpu + 0.01  # needs are counted in thousandths of a core
    spent = sum(
        seconds * min(one.cpu, cpu)
        for seconds, one in zip(
            drawn(trace.load, seed), (a for a in trace.load for _ in range(a.count)), strict=True
        )
    )
    assert trace.busy_cpu_s - trace.redone_cpu_s == pytest.approx(spent)
    assert trace.busy_cpu_s <= cpu * trace.until + 0.01 * len(trace.ended)
