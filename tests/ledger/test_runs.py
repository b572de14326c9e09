"""Counts of runs in the ledger's table, and in memory: the contract; and what a stranger wrote there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rushes.core.learning.run_cells import WEEK_S, Counted, RunKind
from rushes.core.learning.sized_runs import SizedRuns
from rushes.errors import PlatformError
from rushes.ports import RunCounts
from rushes.runtime.shared.runs.book import READ_S, REST_S, RunBook
from rushes.runtime.shared.runs.log import TOLD_S, RunLog
from rushes.shared_ledger.dynamo_items import typed
from rushes.shared_ledger.dynamo_runs import DynamoRunCounts
from rushes.testing.runs import StubRunCounts
from rushes.testing.runs_contract import RunCountsContract

NOW = 2900.5 * WEEK_S
GB = 10**9


class Kept(StubRunCounts):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    @contextmanager
    def _called(self, verb: str) -> Iterator[None]:
        self.calls[verb] += 1
        with super()._called(verb):
            yield


class TestDynamoRunCounts(RunCountsContract):
    @pytest.fixture
    def runs(self, aws: dict[str, Any]) -> RunCounts:
        return DynamoRunCounts(aws["dynamodb"], "rushes-test", sleep=lambda _: None)


class TestStubRunCounts(RunCountsContract):
    @pytest.fixture
    def runs(self) -> RunCounts:
        return StubRunCounts()


def test_what_a_hand_wrote_beside_the_counts_says_nothing(aws: dict[str, Any]) -> None:
    runs = DynamoRunCounts(aws["dynamodb"], "rushes-test")
    runs.add("proxy", "lambda", Counted("1", 2900, {"r40.7": 5}))
    odd = {"pk": "L#proxy", "note": "text", "r40.8": "many", "r40.9": -7, "r41.9": 10**30, "zz": 4}
    for sk in ("lambda#002900#2", "lambda#soon#1", "", "lambda"):
        aws["dynamodb"].put_item(TableName="rushes-test", Item=typed({**odd, "sk": sk or "-"}))

    found = runs.counted("proxy")
    book = SizedRuns("1", found["lambda"], 2900)

    assert (expected := book.expected(2**10)) is not None
    assert 2 < expected.likely_s < 6
    assert book.runs == pytest.approx(5)


def test_a_minute_of_runs_is_one_request_a_function() -> None:
    now = [NOW]
    kept = Kept()
    log = RunLog(kept, "hosts", lambda: now[0])
    for number in range(500):
        log.ran("proxy", "1", 10**8 + number, 5.0)
        log.tend()
    assert kept.calls["add"] == 0

    now[0] += TOLD_S
    log.tend()
    log.tend()

    assert kept.calls["add"] == 1
    assert sum(kept.counted("proxy")["hosts"][0].counts.values()) == 500


@pytest.mark.parametrize("outcome", [RunKind.ran, RunKind.too_long])
def test_a_long_run_is_told_of_at_once(outcome: RunKind) -> None:
    kept = Kept()
    log = RunLog(kept, "lambda", lambda: NOW)
    log.ran("proxy", "1", GB, 300.0, outcome)

    log.tend()

    assert len(kept.counted("proxy")["lambda"]) == 1


def test_what_a_service_does_not_take_keeps_nothing_waiting() -> None:
    kept = Kept()
    log = RunLog(kept, "lambda", lambda: NOW)
    kept.fail_next("add", PlatformError("no answer.", code="service-busy"))
    log.ran("proxy", "1", GB, 300.0)

    log.tend(ends=True)
    log.tend(ends=True)

    assert kept.calls["add"] == 1


def test_nobody_knows_how_long_a_clip_of_unknown_size_takes() -> None:
    kept = Kept()
    log = RunLog(kept, "lambda", lambda: NOW)
    log.ran("proxy", "1", 0, 300.0)
    log.ran("proxy", "1", GB, float("nan"))

    log.tend(ends=True)

    assert kept.calls["add"] == 0


@pytest.fixture
def reads() -> tuple[Kept, RunBook, Callable[[float], None]]:
    now = [NOW]
    kept = Kept()
    kept.add("proxy", "lambda", Counted("1", 2900, {"r59.27": 8}))

    def later(seconds: float) -> None:
        now[0] += seconds

    return kept, RunBook(kept, lambda: now[0]), later


def test_what_was_read_is_kept_for_a_while(
    reads: tuple[Kept, RunBook, Callable[[float], None]],
) -> None:
    kept, book, later = reads
    for _ in range(100):
        assert book.of("proxy", "1")["lambda"].expected(GB) is not None
    assert kept.calls["counted"] == 1
    later(READ_S)

    book.of("proxy", "1")

    assert kept.calls["counted"] == 2


def test_what_was_read_before_holds_while_nobody_answers(
    reads: tuple[Kept, RunBook, Callable[[float], None]],
) -> None:
    kept, book, later = reads
    assert book.of("proxy", "1")
    later(READ_S)
    kept.fail_next("counted", PlatformError("no answer.", code="service-busy"))

    assert book.of("proxy", "1")
    assert book.of("proxy", "1")
    assert kept.calls["counted"] == 2
    later(REST_S)
    assert book.of("proxy", "1")
    assert kept.calls["counted"] == 3


def test_where_nobody_has_ever_answered_nothing_is_known() -> None:
    kept = Kept()
    kept.fail_next("counted", PlatformError("no answer.", code="service-busy"))

    assert RunBook(kept, lambda: NOW).of("proxy", "1") == {}
