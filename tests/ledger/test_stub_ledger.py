"""The stubs pass what the real ones pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rushes.errors import CallerError, PlatformError
from rushes.notices import Notice, notice_from, notice_text
from rushes.ports import Ledger, Queue
from rushes.testing.clock import FakeClock
from rushes.testing.ledger import StubLedger
from rushes.testing.ledger_contract import NOW, SPEC, LedgerContract
from rushes.testing.queue import StubQueue
from rushes.testing.queue_contract import QueueContract

LOST = PlatformError("the answer was lost.", code="service-unreachable")


class TestStubLedger(LedgerContract):
    @pytest.fixture
    def ledger(self) -> Ledger:
        return StubLedger()


class TestStubQueue(QueueContract):
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def queue(self, clock: FakeClock) -> Queue:
        return StubQueue(clock)

    @pytest.fixture
    def pass_s(self, clock: FakeClock) -> Callable[[float], None]:
        return lambda seconds: void(clock.advance(seconds))


def void(_: object) -> None:
    """Gives nothing."""


def test_a_call_can_fail_before_it_is_done_or_lose_its_answer_after() -> None:
    ledger = StubLedger()
    ledger.fail_next("open", LOST)
    ledger.fail_next("open", LOST, after=True)
    for there in (False, True):
        with pytest.raises(PlatformError):
            ledger.open("k7m2qx", SPEC, NOW)
        assert (ledger.tally("k7m2qx") is not None) is there


def test_a_notice_goes_there_and_back() -> None:
    notice = Notice("k7m2qx.12", "urgent", "dune, part 2 ü")
    assert notice_from(notice_text(notice)) == notice


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", '{"schema":1}', '{"schema":2,"invocation":"a.1","priority":"x","show":"y"}',
     '{"schema":1,"invocation":"a","priority":"x","show":"y"}',
     '{"schema":1,"invocation":["a."],"priority":"x","show":"y"}',
     '{"schema":1,"invocation":"a.x","priority":"x","show":"y"}',
     '{"schema":1,"invocation":"a#0.1","priority":"x","show":"y"}',
     '{"schema":1,"invocation":"a.99999999999","priority":"x","show":"y"}',
     '{"schema":1,"invocation":"a.1","priority":"x","show":"\\ud800"}',
     "[" * 200_000, '{"a":' * 100_000],
    ids=range(13),
)  # fmt: skip
def test_what_is_no_notice_is_refused(text: str) -> None:
    with pytest.raises(CallerError) as caught:
        notice_from(text)
    assert caught.value.code == "bad-notice"
