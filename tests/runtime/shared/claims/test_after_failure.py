"""What follows an attempt of a shared ledger that raised: rows of the table, and what holds for all."""

from __future__ import annotations

import json
from math import isfinite
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.retry import MOST_LOSSES, SERVICE_CODES, SERVICE_TRIES
from rushes.core.states import State
from rushes.errors import CallerError, Cancelled, MediaError, PlatformError, RushesError
from rushes.ledger import Claim, End, WorkItem
from rushes.runtime.shared.claims.after_failure import (
    HELD_S,
    GivenBack,
    HeldFor,
    Next,
    Overtaken,
    Stopped,
    after_failure,
    held_for_money,
)
from rushes.runtime.shared.money.tranches import Short

NOW: Final = 1_000_000.0
BROKE: Final = Short("dune has spent its $5.")
BUSY: Final = PlatformError("busy.", code="io")
ASKED: Final = Cancelled()


def claim(attempt: int = 1, losses: int = 0, fence: int = 1) -> Claim:
    return Claim(WorkItem("b.7", "s3://cards/a.mov"), fence, "host", NOW + 60.0, attempt, losses)


def follows(
    failure: RushesError,
    stopped: Stopped | None = None,
    *,
    made_by: Claim | None = None,
    retries: int = 2,
    longer: bool = True,
    seconds: float = 5.0,
) -> Next:
    return after_failure(
        made_by or claim(), failure, stopped or Stopped(),
        now=NOW, seconds=seconds, retries=retries, longer=longer,
    )  # fmt: skip


def error_of(end: Next) -> dict[str, object]:
    assert isinstance(end, End)
    return dict(json.loads(end.data)["error"])


@pytest.mark.parametrize(
    ("failure", "stopped", "follow"),
    [
        (ASKED, Stopped(lost=True, cancelled=True, short=BROKE, going=True), Overtaken()),
        (BUSY, Stopped(lost=True), Overtaken()),
        (ASKED, Stopped(cancelled=True, short=BROKE, going=True), End(State.cancelled, "{}", 5.0)),
        (BUSY, Stopped(cancelled=True), End(State.cancelled, "{}", 5.0)),
        (ASKED, Stopped(short=BROKE, going=True, out_of_time=True), held_for_money(BROKE, NOW, begun=True)),
    ],
)
def test_why_it_stopped_has_an_order(failure: RushesError, stopped: Stopped, follow: Next) -> None:
    assert follows(failure, stopped) == follow


def test_a_host_that_goes_gives_back_and_sends_nothing_up() -> None:
    back = follows(ASKED, Stopped(going=True, out_of_time=True))
    assert isinstance(back, GivenBack)
    assert (back.reason, back.too_big) == ("its host had to go", None)
    assert back.error["code"] == "given-back"


def test_what_does_not_fit_into_the_time_goes_to_who_has_longer() -> None:
    back = follows(ASKED, Stopped(out_of_time=True, own_machine=True))
    assert isinstance(back, GivenBack)
    assert back.too_big is not None


def test_what_does_not_fit_into_the_longest_time_that_there_is_has_failed() -> None:
    error = error_of(follows(ASKED, Stopped(out_of_time=True, own_machine=True), longer=False, seconds=890.0))
    assert error["code"] == "time-limit"
    assert "890 s" in str(error["message"])


def test_who_has_nobody_longer_and_a_host_that_goes_is_given_back_all_the_same() -> None:
    assert isinstance(follows(ASKED, Stopped(going=True, out_of_time=True), longer=False), GivenBack)


def test_an_error_of_its_own_counts_also_where_it_was_asked_to_stop() -> None:
    end = follows(MediaError("damaged.", code="truncated"), Stopped(going=True, short=BROKE))
    assert error_of(end)["code"] == "truncated"


def test_memory_that_a_machine_of_its_own_lacks_is_for_a_larger_one() -> None:
    failure = PlatformError("killed.", code="out-of-memory")
    back = follows(failure, Stopped(own_machine=True))
    assert isinstance(back, GivenBack)
    assert back.too_big is not None
    assert error_of(follows(failure, Stopped(own_machine=True), longer=False))["code"] == "out-of-memory"


def test_a_slot_that_is_lost_time_and_again_sets_the_work_aside_whatever_retries_there_are() -> None:
    failure = PlatformError("killed.", code="slot-lost")
    held = follows(failure, made_by=claim(attempt=2), retries=9)
    assert isinstance(held, HeldFor)
    error = error_of(follows(failure, made_by=claim(attempt=3, losses=MOST_LOSSES - 1), retries=9))
    assert str(error["verdict"]).startswith("set aside")


def test_a_caller_error_ends_with_its_verdict_and_the_number_of_tries() -> None:
    error = error_of(follows(CallerError("no such option.", code="bad-option"), made_by=claim(attempt=2)))
    assert (error["kind"], error["attempts"]) == ("caller", 2)
    assert "not retried" in str(error["verdict"])


@pytest.mark.parametrize(
    ("frees_at", "delay_s"), [(None, HELD_S), (NOW + 90.0, 90.0), (NOW + 9e9, HELD_S), (NOW - 1.0, 0.0)]
)
def test_what_waits_for_money_looks_again_when_there_may_be_some(
    frees_at: float | None, delay_s: float
) -> None:
    held = held_for_money(Short("dune has spent its $5.", frees_at), NOW, begun=False)
    assert held == HeldFor(delay_s, "dune has spent its $5.", free=True, error=None)


CODES: Final = ("io", "slot-lost", "killed", "timeout", "disk-full", "no-free-device", *sorted(SERVICE_CODES))
FAILURES = st.one_of(
    st.just(ASKED),
    st.builds(CallerError, st.just("m"), code=st.just("bad-option")),
    st.builds(MediaError, st.just("m"), code=st.just("truncated")),
    st.builds(PlatformError, st.just("m"), code=st.sampled_from(CODES)),
)
STOPPED = st.builds(
    Stopped,
    lost=st.booleans(),
    cancelled=st.booleans(),
    short=st.sampled_from([None, BROKE, Short("by the hour.", NOW + 30.0)]),
    going=st.booleans(),
    out_of_time=st.booleans(),
    own_machine=st.booleans(),
)


@st.composite
def claims(draw: st.DrawFn) -> Claim:
    attempt = draw(st.integers(1, 40))
    return claim(attempt, draw(st.integers(0, attempt - 1)), attempt)


@given(failure=FAILURES, stopped=STOPPED, made_by=claims(), retries=st.integers(0, 5), longer=st.booleans())
def test_something_follows_whatever_happened(
    *, failure: RushesError, stopped: Stopped, made_by: Claim, retries: int, longer: bool
) -> None:
    after = follows(failure, stopped, made_by=made_by, retries=retries, longer=longer)
    assert isinstance(after, Overtaken) == stopped.lost  # only who has it says anything
    if isinstance(after, End):
        assert after.state is (State.cancelled if stopped.cancelled else State.failed)
        assert after.seconds == 5.0
    if isinstance(after, HeldFor):
        assert 0.0 <= after.delay_s <= HELD_S
        assert after.error is not None
    if isinstance(after, GivenBack) and after.too_big is not None:
        assert longer  # nobody is handed what nobody has room for


@pytest.mark.parametrize("code", CODES)
def test_nothing_is_tried_for_ever(code: str) -> None:
    """A day of waiting for a device or for room is the longest there is."""
    failure, waited_s = PlatformError("m", code=code), 0.0
    for attempt in range(1, 3_000):
        after = follows(failure, made_by=claim(attempt, 0, attempt))
        if not isinstance(after, HeldFor):
            break
        waited_s += after.delay_s
    assert isinstance(after, End)
    assert waited_s <= 90_000.0


def test_a_service_that_is_busy_uses_up_no_retry() -> None:
    failure = PlatformError("busy.", code="service-busy")
    held = follows(failure, made_by=claim(SERVICE_TRIES, 0, SERVICE_TRIES), retries=0)
    assert isinstance(held, HeldFor)
    assert held.free
    assert isfinite(held.delay_s)
