"""The scheduler's parts by themselves: order, retries, dependencies, packing, expected run times."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.capacity.fitting import Size, reached
from rushes.core.dependencies import Dependencies
from rushes.core.events import Capacity, Shape
from rushes.core.learning.expected import ExpectedRuns
from rushes.core.ordering import Line, order_of
from rushes.core.packing import Room
from rushes.core.policy import DEFAULT_CLASSES
from rushes.core.retry import MOST_LOSSES, SERVICE_TRIES, GiveUp, GoUp, RetryAfter, decide
from rushes.core.slots import SLOT_TRANSITIONS, Slot, SlotState
from rushes.core.states import IllegalTransition, State
from rushes.invocation import PRIORITIES

# -- classes ----------------------------------------------------------------------------------------------


def test_the_classes_that_a_person_may_name_are_those_that_the_scheduler_ranks() -> None:
    assert tuple(one.name for one in sorted(DEFAULT_CLASSES, key=lambda one: one.rank)) == PRIORITIES


# -- order ------------------------------------------------------------------------------------------------


def test_an_earlier_deadline_is_a_smaller_order() -> None:
    assert order_of(100.0, 5.0) < order_of(100.5, 1.0)


def test_any_deadline_within_ten_years_goes_before_none() -> None:
    now = 1_700_000_000.0
    assert order_of(now + 9 * 365 * 86400, now) < order_of(None, now)


def test_without_deadlines_first_come_goes_first() -> None:
    assert order_of(None, 1.0) < order_of(None, 1.001)


@given(st.lists(st.tuples(st.sampled_from(["put", "drop"]), st.integers(0, 8), st.integers(0, 20))))
def test_a_line_is_always_led_by_the_smallest_key_that_is_true_now(steps: Any) -> None:
    line: Line[int] = Line()
    truth: dict[int, tuple[int, int]] = {}
    for action, item, key in steps:
        if action == "put":
            line.put(item, (key, item))
            truth[item] = (key, item)
        else:
            line.drop(item)
            truth.pop(item, None)
        assert line.first() == (min(truth, key=truth.__getitem__) if truth else None)
        assert len(line) == len(truth)


def test_a_line_whose_keys_change_for_ever_stays_small() -> None:
    line: Line[str] = Line()
    for n in range(10_000):
        line.put("a", n)
        line.put("b", -n)
    assert len(line._entries) < 200


def delay_of(decision: RetryAfter | GoUp | GiveUp) -> float:
    assert isinstance(decision, RetryAfter)
    return decision.delay_s


# -- retries ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["caller", "media", "policy", "cancelled"])
def test_only_the_platforms_faults_are_retried(kind: Any) -> None:
    assert isinstance(decide(kind, "anything", 1, 0, 5, 1), GiveUp)


def test_platform_faults_back_off_up_to_a_minute() -> None:
    delays = [delay_of(decide("platform", "io-error", attempt, 0, 99, 7)) for attempt in range(1, 12)]
    for delay, full in zip(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60], strict=True):
        assert 0.75 * full <= delay <= full


def test_a_function_s_retries_are_its_bound() -> None:
    assert isinstance(decide("platform", "io-error", 2, 0, 2, 7), RetryAfter)
    given_up = decide("platform", "io-error", 3, 0, 2, 7)
    assert given_up == GiveUp("3 attempts failed (last: io-error); its function allows 2 retries")


@pytest.mark.parametrize("code", ["time-limit", "timeout"])
@pytest.mark.parametrize("progressed", [True, False])
def test_work_that_got_on_until_its_time_limit_is_not_tried_where_it_cannot_fit(
    code: str, *, progressed: bool
) -> None:
    verdict = decide("platform", code, 1, 0, 5, 7, progressed=progressed)

    assert isinstance(verdict, GiveUp if progressed else RetryAfter)


def test_a_full_disk_is_waited_for_a_day_without_using_up_retries() -> None:
    waits = decide("platform", "disk-full", 9, 0, 2, 7, queued_s=3600.0)

    assert isinstance(waits, RetryAfter)
    assert waits.free
    assert 45 <= waits.delay_s <= 60
    assert isinstance(decide("platform", "disk-full", 9, 0, 2, 7, queued_s=90_000.0), GiveUp)


@pytest.mark.parametrize("up", [True, False])
def test_what_is_too_big_for_its_tier_goes_up_or_fails_where_there_is_no_larger_one(*, up: bool) -> None:
    reason = "it was too big for the scratch that its tier has (disk-full)"

    verdict = decide("platform", "disk-full", 1, 0, 5, 7, outgrew=Size.scratch, up=up)

    assert verdict == (GoUp(reason) if up else GiveUp(f"{reason}, and no tier has more"))


@pytest.mark.parametrize(
    ("code", "ran_s", "progressed", "own_machine", "size"),
    [
        ("time-limit", 890.0, True, True, Size.time),
        ("time-limit", 890.0, False, True, None),
        ("time-limit", 30.0, True, True, None),
        ("out-of-memory", 30.0, False, True, Size.memory),
        ("disk-full", 30.0, True, True, Size.scratch),
        ("disk-full", 30.0, True, False, None),
        ("damaged", 890.0, True, True, None),
    ],
)
def test_which_limit_of_its_tier_an_attempt_has_reached(
    code: str,
    ran_s: float,
    progressed: bool,  # noqa: FBT001
    own_machine: bool,  # noqa: FBT001
    size: Size | None,
) -> None:
    assert reached(code, 900.0, ran_s, progressed=progressed, own_machine=own_machine) is size


@pytest.mark.parametrize("code", ["slot-lost", "slot-killed", "out-of-memory", "killed", "interrupted"])
def test_three_lost_slots_or_killed_tools_set_an_invocation_aside_whatever_its_retries(code: Any) -> None:
    assert isinstance(decide("platform", code, 0, 1, 0, 7), RetryAfter)
    assert isinstance(decide("platform", code, 0, 2, 0, 7), RetryAfter)
    given_up = decide("platform", code, 0, 3, 99, 7)
    assert isinstance(given_up, GiveUp)
    assert code in given_up.reason


def test_waiting_for_a_device_that_is_full_or_sick_uses_up_no_retries_for_a_day() -> None:
    again = decide("platform", "no-free-device", 9, 0, 0, 7, queued_s=86_399)
    assert isinstance(again, RetryAfter)
    assert again.free
    assert 45 <= again.delay_s <= 60
    assert isinstance(decide("platform", "no-free-device", 9, 0, 0, 7, queued_s=86_400), GiveUp)


def test_who_knows_only_how_often_it_was_begun_waits_a_day_for_a_device_too() -> None:
    waited_s, tries = 0.0, 1
    while isinstance(found := decide("platform", "no-free-device", 1, 0, 0, 7, tries=tries), RetryAfter):
        assert found.free
        waited_s, tries = waited_s + found.delay_s, tries + 1
    assert isinstance(found, GiveUp)
    assert 0.7 * 86_400 < waited_s <= 86_400


def test_a_lost_worker_costs_nothing_however_often() -> None:
    assert delay_of(decide("platform", "worker-lost", 9, 9, 0, 7)) == 0.0


@given(st.integers(0, 2**62), st.integers(1, 100))
def test_delays_are_the_same_for_the_same_history_and_never_far_from_the_rule(id_: Any, attempt: Any) -> None:
    one = decide("platform", "x", attempt, 0, 100, id_)
    assert one == decide("platform", "x", attempt, 0, 100, id_)
    assert 0.75 <= delay_of(one) <= 60.0


@given(st.lists(st.sampled_from(["io-error", "slot-lost", "out-of-memory"]), max_size=40), st.integers(0, 5))
def test_whatever_goes_wrong_tries_are_bounded(codes: Any, retries: Any) -> None:
    failures = losses = tries = 0
    for code in codes:
        tries += 1
        if code == "io-error":
            failures += 1
        else:
            losses += 1
        if isinstance(decide("platform", code, failures, losses, retries, 7), GiveUp):
            break
    assert tries <= (retries + 1) + (MOST_LOSSES - 1)


def test_ids_that_fail_together_do_not_return_together() -> None:
    delays = {round(delay_of(decide("platform", "x", 3, 0, 9, id_)), 3) for id_ in range(100)}
    assert len(delays) > 80


# -- dependencies -------------------------------------------------------------------------------------------


@given(
    st.dictionaries(st.integers(1, 12), st.tuples(st.sets(st.integers(1, 12), max_size=4), st.booleans())),
    st.lists(st.tuples(st.integers(1, 12), st.sampled_from(sorted(State, key=str))), max_size=60),
)
def test_held_work_is_let_go_once_and_never_before_its_dependencies(  # noqa: C901
    wishes: Any, endings: Any
) -> None:
    graph = Dependencies()
    let_go: list[int] = []
    ended: dict[int, State] = {}
    for id_, (after, cancels) in wishes.items():
        for release in graph.defer(id_, after - {id_}, cancel_on_failure=cancels):
            let_go += release.ids
    for id_, state in endings:
        if id_ in ended:
            continue
        if state.ended:
            ended[id_] = state
        for release in graph.ended(id_, state):
            let_go += release.ids
            for released in release.ids:
                after, cancels = wishes[released]
                if release.cancel:
                    assert cancels
                    assert release.because == id_
                    assert id_ in after
                    assert state is not State.succeeded
                else:
                    assert after - {released} <= set(ended), "nothing starts before what it waits for"
    assert len(let_go) == len(set(let_go)), "once"
    for id_, (after, _) in wishes.items():
        if id_ not in let_go and id_ not in ended:
            assert graph.waits_for(id_) == after - {id_} - set(ended)
    assert len(graph) == len(set(wishes) - set(let_go) - set(ended))


def test_a_cancellation_goes_on_through_those_that_it_cancels() -> None:
    graph = Dependencies()
    graph.defer(2, (1,), cancel_on_failure=True)
    graph.defer(3, (2,), cancel_on_failure=True)

    (first,) = graph.ended(1, State.failed)
    (second,) = graph.ended(2, State.cancelled)

    assert (first.ids, second.ids) == ((2,), (3,))
    assert len(graph) == 0
    assert graph._dependents == {}


# -- packing ----------------------------------------------------------------------------------------------


def test_needs_never_drift_however_odd_the_numbers() -> None:
    room = Room(Capacity(cpu=1.0, memory=10))
    need = room.need_of(Shape("b", "e", "f", cpu=0.1))
    for _ in range(10):
        room.take(need)
    assert room.free[0] == 0
    for _ in range(10):
        room.give(need)
    assert room.free == room.capacity


def test_a_claim_keeps_what_is_lacking_and_as_much_as_it_will_take_of_the_rest() -> None:
    room = Room(Capacity(cpu=4, memory=100))
    room.take(room.need_of(Shape("b", "e", "f", cpu=3)))
    room.begin()

    room.claim(room.need_of(Shape("b", "e", "f", cpu=2, memory=60)))

    assert not room.fits(room.need_of(Shape("b", "e", "f", cpu=1)))
    assert not room.fits(room.need_of(Shape("b", "e", "f", cpu=0, memory=41)))
    assert room.fits(room.need_of(Shape("b", "e", "f", cpu=0, memory=40)))


# -- expected run times -----------------------------------------------------------------------------------


def test_a_slow_first_run_is_soon_outweighed() -> None:
    runs = ExpectedRuns()
    runs.learn("f", 2.0, 1)
    runs.learn("f", 0.02, 20)
    known = runs.seconds("f")
    assert known is not None
    assert known < 0.003


def test_learning_many_at_once_equals_learning_them_one_by_one() -> None:
    one, many = ExpectedRuns(), ExpectedRuns()
    for runs in (one, many):
        runs.learn("f", 1.0, 1)
    for _ in range(5):
        one.learn("f", 0.2, 1)
    many.learn("f", 1.0, 5)
    assert one.seconds("f") == pytest.approx(many.seconds("f"))


@pytest.mark.parametrize("bad", [(1.0, 0), (-1.0, 1), (float("nan"), 1), (1.0, -3)])
def test_nonsense_teaches_nothing(bad: Any) -> None:
    runs = ExpectedRuns()
    runs.learn("f", *bad)
    assert runs.seconds("f") is None


# -- slots ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("then", SlotState)
@pytest.mark.parametrize("now", SlotState)
def test_a_slot_goes_where_its_table_says_or_stays_as_it_is(now: SlotState, then: SlotState) -> None:
    slot = Slot(7, "env")
    slot.state = now

    if then in SLOT_TRANSITIONS[now]:
        slot.become(then)
        assert slot.state is then
    else:
        with pytest.raises(IllegalTransition, match=f"slot 7 cannot go from {now.value} to {then.value}"):
            slot.become(then)
        assert slot.state is now


@pytest.mark.parametrize("code", ["disk-full", "device-sick", "no-device", "no-scratch"])
def test_work_that_another_handed_to_a_machine_does_not_wait_for_what_that_lacks(code: str) -> None:
    assert isinstance(decide("platform", code, 1, 0, 2, 7, lent=True), GiveUp)
    assert isinstance(decide("platform", code, 1, 0, 2, 7), RetryAfter)


def test_a_disk_that_is_full_on_host_after_host_is_waited_for_twenty_times() -> None:
    waits = [decide("platform", "disk-full", 1, 0, 0, 7, tries=tries) for tries in (1, SERVICE_TRIES)]
    assert all(isinstance(one, RetryAfter) and one.free for one in waits)
    assert isinstance(decide("platform", "disk-full", 1, 0, 0, 7, tries=SERVICE_TRIES + 1), GiveUp)
