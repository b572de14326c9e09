"""What every shared ledger promises, as tests: mix `LedgerContract` into a pytest class.

    class TestMyLedger(LedgerContract):
        @pytest.fixture
        def ledger(self) -> Ledger: ...

This module must not know which one it examines.
"""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Final

import pytest

from rushes.core.states import State
from rushes.errors import CallerError
from rushes.ledger import LONE, TRIES_KEPT, Claim, End, Moved, NotClaimed, WorkItem
from rushes.ports import Ledger

__all__ = ["LedgerContract"]

SPEC: Final[dict[str, Any]] = {
    "function": "m:f", "version": "1", "priority": "urgent", "show": "dune", "tags": {"reel": "A001"},
    "deadline": None, "retries": 2,
}  # fmt: skip
NOW: Final = 1_700_000_000.0
DONE: Final = End(State.succeeded, '{"result":{"frames":24}}', 12.5, 4.0, 1_250)


def _work(n: int, **more: Any) -> WorkItem:
    return WorkItem(f"k7m2qx.{n}", f"s3://cards/A001C{n:03}.mov", **more)


def _claimed(ledger: Ledger, n: int = 1, holder: str = "host-a", now: float = NOW) -> Claim:
    found = ledger.claim(f"k7m2qx.{n}", holder, now, now + 60)
    assert isinstance(found, Claim)
    return found


class LedgerContract:
    """Tests that every shared ledger passes."""

    lacks: ClassVar[frozenset[str]] = frozenset()
    """Of ``race`` (several may ask at the same moment)."""
    many: ClassVar[int] = 1000
    """Invocations of a large batch; fewer where the ledger is a slow imitation."""

    @pytest.fixture
    def ledger(self) -> Ledger:
        raise NotImplementedError

    @pytest.fixture
    def filled(self, ledger: Ledger) -> Ledger:
        """A ledger with one batch of three."""
        ledger.open("k7m2qx", SPEC, NOW)
        ledger.add("k7m2qx", [_work(n) for n in (1, 2, 3)])
        ledger.seal("k7m2qx")
        return ledger

    def test_what_was_added_is_told_as_it_was(self, ledger: Ledger) -> None:
        ledger.open("k7m2qx", SPEC, NOW)
        one = _work(
            1,
            key="ab" * 32,
            frames=(24, 48),
            params='{"height":720}',
            subdir="day 1/ü",
            tag="~ab12",
            fingerprint="s3:x",
        )
        ledger.add("k7m2qx", [one])
        assert _claimed(ledger).work == one
        assert ledger.spec("k7m2qx") == SPEC
        assert ledger.spec("nobody") is None
        tally = ledger.tally("k7m2qx")
        assert tally is not None
        assert (tally.spec, tally.submitted, tally.total, tally.sealed) == (SPEC, NOW, 1, False)

    def test_many_are_added_and_adding_them_again_changes_nothing(self, ledger: Ledger) -> None:
        ledger.open("k7m2qx", SPEC, NOW)
        many = [_work(n) for n in range(1, self.many + 1)]
        ledger.add("k7m2qx", many)
        claim = _claimed(ledger, self.many // 2)
        ledger.add("k7m2qx", many)
        ledger.open("k7m2qx", {**SPEC, "show": "other"}, NOW + 5)
        tally = ledger.tally("k7m2qx")
        assert tally is not None
        assert (tally.total, tally.running, tally.spec["show"]) == (self.many, 1, "dune")
        assert ledger.extend(claim, NOW + 90) == "kept"

    def test_of_two_that_ask_one_has_it(self, filled: Ledger) -> None:
        first = _claimed(filled)
        assert (first.fence, first.attempt, first.losses, first.holder) == (1, 1, 0, "host-a")
        second = filled.claim("k7m2qx.1", "host-b", NOW + 1, NOW + 61)
        assert second == NotClaimed("k7m2qx.1", State.running, NOW + 60)

    def test_of_many_that_ask_at_once_one_has_it(self, filled: Ledger) -> None:
        if "race" in self.lacks:
            pytest.skip("not supported: race")

        def ask(number: int) -> Any:
            return filled.claim("k7m2qx.1", f"host-{number}", NOW, NOW + 60)

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(ask, range(16)))
        assert sum(isinstance(one, Claim) for one in found) == 1

    def test_what_is_not_there_cannot_be_claimed(self, filled: Ledger) -> None:
        assert filled.claim("k7m2qx.99", "host-a", NOW, NOW + 60) == NotClaimed("k7m2qx.99", None)
        assert filled.entry("k7m2qx.99") is None
        assert filled.tally("nobody") is None

    def test_a_claim_that_lapsed_is_another_s_and_counts_as_a_loss(self, filled: Ledger) -> None:
        old = _claimed(filled)
        new = _claimed(filled, holder="host-b", now=NOW + 60)
        assert (new.fence > old.fence, new.losses, new.attempt) == (True, 1, 2)
        assert filled.extend(old, NOW + 200) == "lost"
        assert filled.finish(old, DONE) is False
        assert filled.hold(old, NOW + 300, "x") is False
        assert filled.give_back(old, "x") is False
        assert filled.finish(new, DONE) is True

    def test_a_claim_that_is_extended_does_not_lapse(self, filled: Ledger) -> None:
        claim = _claimed(filled)
        assert filled.extend(claim, NOW + 120) == "kept"
        assert isinstance(filled.claim("k7m2qx.1", "host-b", NOW + 100, NOW + 160), NotClaimed)

    def test_what_is_about_to_be_published_is_told_to_whoever_claims_it_next(self, filled: Ledger) -> None:
        said = '{"made":{"outputs":["s3://proxies/A001_é.mov"]}}'
        first = _claimed(filled)
        assert first.intent == ""
        assert filled.extend(first, NOW + 60, cost_nano=7, intent=said) == "kept"
        assert filled.extend(first, NOW + 61) == "kept"
        second = _claimed(filled, holder="host-b", now=NOW + 61)
        assert (second.intent, second.losses, second.spent_nano) == (said, 1, 7)
        assert filled.extend(first, NOW + 200, intent="{}") == "lost"
        assert filled.hold(second, NOW + 90, "x")
        third = _claimed(filled, holder="host-c", now=NOW + 90)
        assert third.intent == said
        assert filled.give_back(third, "x")
        fourth = _claimed(filled, now=NOW + 91)
        assert fourth.intent == said
        assert filled.finish(fourth, End(State.failed, "{}"))
        assert filled.retry("k7m2qx") == ["k7m2qx.1"]
        assert _claimed(filled, now=NOW + 92).intent == ""

    def test_an_end_is_kept_once_and_counted_once(self, filled: Ledger) -> None:
        claim = _claimed(filled)
        assert filled.finish(claim, DONE) is True
        assert filled.finish(claim, DONE) is True  # its answer was lost, and it is said again
        tally = filled.tally("k7m2qx")
        assert tally is not None
        assert (tally.ended, tally.running, tally.complete) == ({State.succeeded: 1}, 0, False)
        assert (tally.seconds, tally.media_s, tally.cost_nano) == (12.5, 4.0, 1250)
        entry = filled.entry("k7m2qx.1")
        assert entry is not None
        assert (entry.state, entry.end, entry.attempt) == (State.succeeded, DONE, 1)
        assert filled.claim("k7m2qx.1", "host-b", NOW, NOW + 60) == NotClaimed("k7m2qx.1", State.succeeded)

    def test_a_large_result_is_kept_whole(self, filled: Ledger) -> None:
        large = DONE._replace(data='{"result":"' + "ü" * 90_000 + '"}')
        assert filled.finish(_claimed(filled), large) is True
        entry = filled.entry("k7m2qx.1")
        assert entry is not None
        assert entry.end == large

    def test_what_is_held_cannot_be_claimed_before_its_time(self, filled: Ledger) -> None:
        assert filled.hold(_claimed(filled), NOW + 30, "tool-failed; retry 1 of 2") is True
        assert filled.claim("k7m2qx.1", "host-b", NOW + 10, NOW + 70) == NotClaimed(
            "k7m2qx.1", State.held, NOW + 30
        )
        again = _claimed(filled, holder="host-b", now=NOW + 30)
        assert (again.attempt, again.losses) == (2, 0)

    def test_what_is_free_does_not_count_as_an_attempt(self, filled: Ledger) -> None:
        filled.hold(_claimed(filled), NOW + 1, "no-free-device", free=True)
        assert _claimed(filled, now=NOW + 2).attempt == 1

    def test_what_is_given_back_may_be_claimed_at_once(self, filled: Ledger) -> None:
        assert filled.give_back(_claimed(filled), "spot notice") is True
        again = _claimed(filled, holder="host-b", now=NOW + 1)
        assert (again.attempt, again.losses) == (1, 0)

    def test_what_attempts_have_cost_goes_with_the_invocation(self, filled: Ledger) -> None:
        filled.hold(_claimed(filled), NOW + 1, "tool-failed", cost_nano=5)
        second = _claimed(filled, now=NOW + 2)
        filled.give_back(second, "spot notice", cost_nano=7)
        third = _claimed(filled, now=NOW + 3)
        assert (second.spent_nano, third.spent_nano) == (5, 12)
        filled.extend(third, NOW + 60, cost_nano=2)
        filled.extend(third, NOW + 70, cost_nano=3)  # of one attempt, not another three
        fourth = _claimed(filled, holder="host-b", now=NOW + 71)
        assert fourth.spent_nano == 15
        filled.hold(fourth, NOW + 80, "tool-failed")
        filled.cancel("k7m2qx")
        tally = filled.tally("k7m2qx")
        assert tally is not None
        assert tally.cost_nano == 15

    def test_attempts_that_there_were_are_told_of_who_when_how_they_ended_and_at_what_cost(
        self, filled: Ledger
    ) -> None:
        failed = {"kind": "platform", "code": "tool-failed", "message": "it died", "fix": "Look."}
        first = _claimed(filled)
        filled.hold(first, NOW + 1, "retry 1 of 2", cost_nano=5, error=failed)
        second = _claimed(filled, holder="host-b", now=NOW + 2)
        given = {"kind": "platform", "code": "given-back", "message": "its host had to go"}
        filled.give_back(second, "its host had to go", cost_nano=7, error=given)
        third = _claimed(filled, holder="host-c", now=NOW + 3)
        filled.extend(third, NOW + 70, cost_nano=3)
        fourth = _claimed(filled, holder="host-d", now=NOW + 71)
        assert fourth.since == NOW + 71
        filled.finish(fourth, End(State.succeeded, "{}", 9.5, cost_nano=25))
        entry = filled.entry("k7m2qx.1")
        assert entry is not None
        tried = [(one.attempt, one.holder, one.outcome, one.began, one.cost_nano) for one in entry.tried]
        assert tried == [
            (1, "host-a", "tool-failed", NOW, 5),
            (2, "host-b", "given-back", NOW + 2, 7),
            (2, "host-c", "lapsed", NOW + 3, 3),
            (3, "host-d", "succeeded", NOW + 71, 10),
        ]
        assert (entry.tried[2].ended, entry.tried[3].ended) == (NOW + 70, NOW + 80.5)
        error = {"kind": "platform", "code": "tool-failed", "message": "it died"}
        assert (entry.tried[0].error, entry.tried[3].error) == (error, {})

    def test_of_what_a_person_queues_again_the_attempts_before_are_known(self, filled: Ledger) -> None:
        body = {"error": {"kind": "media", "code": "not-media", "message": "it is no clip"}}
        filled.finish(_claimed(filled), End(State.failed, json.dumps(body), 2.0, cost_nano=4))
        filled.retry("k7m2qx")
        filled.finish(_claimed(filled, now=NOW + 9), DONE)
        entry = filled.entry("k7m2qx.1")
        assert entry is not None
        assert [(one.outcome, one.cost_nano) for one in entry.tried] == [
            ("not-media", 4),
            ("succeeded", DONE.cost_nano),
        ]

    def test_of_many_attempts_the_latest_are_remembered(self, filled: Ledger) -> None:
        for n in range(20):
            error = {"kind": "platform", "code": f"c{n}", "message": "again"}
            filled.hold(_claimed(filled, now=NOW + n), NOW + n + 1, "again", error=error)
        entry = filled.entry("k7m2qx.1")
        assert entry is not None
        assert [one.outcome for one in entry.tried] == [f"c{n}" for n in range(20 - TRIES_KEPT, 20)]

    def test_a_person_gives_a_batch_another_class_and_who_has_some_of_it_hears_by_its_claim(
        self, filled: Ledger
    ) -> None:
        runs = _claimed(filled)
        assert runs.priority == ""
        filled.restamp("k7m2qx", "background")
        assert filled.extend(runs, NOW + 90) == Moved("background")
        waited = _claimed(filled, 2)
        assert waited.priority == "background"
        assert filled.extend(waited, NOW + 90) == "kept"
        filled.restamp("k7m2qx", "interactive")
        assert filled.extend(waited, NOW + 91) == Moved("interactive")
        filled.cancel("k7m2qx")
        assert filled.extend(waited, NOW + 92) == "stop"

    def test_what_never_ran_was_not_tried(self, filled: Ledger) -> None:
        filled.hold(_claimed(filled), NOW + 1, "waits for money", free=True)
        filled.cancel("k7m2qx")
        entry = filled.entry("k7m2qx.1")
        assert entry is not None
        assert list(entry.tried) == []

    def test_what_is_given_back_and_nobody_is_told_of_is_told_of_once_its_claim_would_have_lapsed(
        self, filled: Ledger
    ) -> None:
        filled.give_back(_claimed(filled), "spot notice")
        assert filled.lapsed("k7m2qx", NOW + 59, NOW + 100) == []
        assert [one.invocation for one in filled.lapsed("k7m2qx", NOW + 61, NOW + 100)] == ["k7m2qx.1"]

    def test_what_is_let_go_and_said_again_is_let_go_once(self, filled: Ledger) -> None:
        held, back = _claimed(filled, 1), _claimed(filled, 2)
        for _ in range(2):
            assert filled.hold(held, NOW + 1, "x") is True
            assert filled.give_back(back, "spot notice") is True
        assert _claimed(filled, 1, now=NOW + 2).attempt == 2
        assert _claimed(filled, 2).attempt == 1
        assert filled.hold(held, NOW + 9, "x") is False
        assert filled.give_back(back, "x") is False

    def test_a_cancelled_batch_ends_what_waits_and_stops_what_runs(self, filled: Ledger) -> None:
        runs = _claimed(filled)
        filled.hold(_claimed(filled, 2), NOW + 30, "x")
        assert filled.cancel("k7m2qx") == 2
        assert filled.extend(runs, NOW + 90) == "stop"
        assert filled.finish(runs, End(State.cancelled, "{}")) is True
        tally = filled.tally("k7m2qx")
        assert tally is not None
        assert (tally.ended, tally.complete, tally.cancelled) == ({State.cancelled: 3}, True, True)
        assert filled.cancel("k7m2qx") == 0

    def test_what_is_given_back_of_a_cancelled_batch_has_ended(self, filled: Ledger) -> None:
        runs = _claimed(filled)
        filled.cancel("k7m2qx")
        assert filled.give_back(runs, "spot notice") is True
        entry = filled.entry("k7m2qx.1")
        assert entry is not None
        assert entry.state is State.cancelled

    def test_somebody_is_told_again_of_what_lapsed_and_nobody_else_meanwhile(self, filled: Ledger) -> None:
        _claimed(filled, 1)
        filled.hold(_claimed(filled, 2), NOW + 30, "x")
        assert filled.lapsed("k7m2qx", NOW + 29, NOW + 100) == []
        assert [one.invocation for one in filled.lapsed("k7m2qx", NOW + 30, NOW + 100)] == ["k7m2qx.2"]
        found = filled.lapsed("k7m2qx", NOW + 61, NOW + 100)
        assert [(one.invocation, one.priority, one.show) for one in found] == [("k7m2qx.1", "urgent", "dune")]
        assert filled.lapsed("k7m2qx", NOW + 62, NOW + 100) == []
        assert len(filled.lapsed("k7m2qx", NOW + 100, NOW + 200)) == 2

    def test_nobody_is_told_again_of_what_has_ended(self, filled: Ledger) -> None:
        filled.finish(_claimed(filled), DONE)
        assert filled.lapsed("k7m2qx", NOW + 1e6, NOW + 2e6) == []

    def test_a_batch_is_unfinished_until_its_last_has_ended(self, filled: Ledger) -> None:
        for n in (1, 2, 3):
            assert list(filled.unfinished()) == ["k7m2qx"]
            filled.finish(_claimed(filled, n), DONE)
        assert list(filled.unfinished()) == []

    def test_what_stands_alone_is_there_at_once_and_told_of_together(self, ledger: Ledger) -> None:
        works = [WorkItem(f"eab{n}.1", "s3://b/a.mov") for n in range(3)]
        assert [ledger.enter(SPEC, one, NOW) for one in works] == [True] * 3
        assert ledger.enter({**SPEC, "show": "another"}, works[0], NOW) is False
        assert list(ledger.unfinished()) == []
        for one in works[:2]:
            assert isinstance(ledger.claim(one.invocation, "host-a", NOW, NOW + 60), Claim)
        tallies = [ledger.tally(one.batch) for one in works]
        assert [tally and (tally.total, tally.sealed, tally.running) for tally in tallies] == [
            (1, True, 1), (1, True, 1), (1, True, 0),
        ]  # fmt: skip
        claim = ledger.claim(works[2].invocation, "host-a", NOW, NOW + 60)
        assert isinstance(claim, Claim)
        assert ledger.finish(claim, DONE) is True
        found = ledger.lapsed(LONE, NOW + 61, NOW + 100, lambda one: one.invocation == "eab1.1")
        assert [(one.invocation, one.show) for one in found] == [("eab1.1", "dune")]
        assert [one.invocation for one in ledger.lapsed(LONE, NOW + 61, NOW + 100)] == ["eab0.1"]
        done = ledger.tally("eab2")
        assert done is not None
        assert done.complete

    def test_a_batch_that_is_not_sealed_is_unfinished(self, ledger: Ledger) -> None:
        ledger.open("k7m2qx", SPEC, NOW)
        assert list(ledger.unfinished()) == ["k7m2qx"]
        ledger.seal("k7m2qx")
        assert list(ledger.unfinished()) == []

    def test_results_come_by_their_numbers_page_by_page(self, ledger: Ledger) -> None:
        ledger.open("k7m2qx", SPEC, NOW)
        ledger.add("k7m2qx", [_work(n) for n in range(1, 13)])
        for n in (2, 3, 5, 11, 12):
            ledger.finish(_claimed(ledger, n), DONE)
        first = ledger.results("k7m2qx", 0, 3)
        assert [one.work.n for one in first] == [2, 3, 5]
        assert [one.work.n for one in ledger.results("k7m2qx", 5, 3)] == [11, 12]

    def test_a_success_is_known_by_its_key_within_its_show(self, ledger: Ledger) -> None:
        ledger.open("k7m2qx", SPEC, NOW)
        ledger.add("k7m2qx", [_work(1, key="aa"), _work(2, key="bb")])
        ledger.finish(_claimed(ledger, 1), DONE)
        ledger.finish(_claimed(ledger, 2), End(State.failed, '{"error":{"code":"truncated"}}'))
        assert ledger.known("dune", ["aa", "bb", "cc", "aa"]) == {"aa": "k7m2qx.1"}
        assert ledger.known("arrival", ["aa"]) == {}
        assert ledger.known("dune", []) == {}

    # -- following and steering ----------------------------------------------------------------------------

    def test_what_has_nothing_to_do_is_added_as_it_ended_and_counted_once(self, ledger: Ledger) -> None:
        ledger.open("k7m2qx", SPEC, NOW)
        many = [_work(n) for n in range(1, 121)]
        failed = End(State.failed, '{"error":{"code":"not-found"}}')
        ended = {"k7m2qx.7": failed, "k7m2qx.119": DONE._replace(cached=True)}
        ledger.add("k7m2qx", many[:100], ended)
        ledger.add("k7m2qx", many, ended)
        tally = ledger.tally("k7m2qx")
        assert tally is not None
        assert (tally.total, tally.ended) == (120, {State.succeeded: 1, State.failed: 1})
        assert (tally.cached, tally.cost_nano) == (1, DONE.cost_nano)
        assert ledger.claim("k7m2qx.7", "host-a", NOW, NOW + 60) == NotClaimed("k7m2qx.7", State.failed)
        assert [one.n for one in ledger.ends("k7m2qx", 0.0)] == [7, 119]
        assert isinstance(ledger.claim("k7m2qx.8", "host-a", NOW, NOW + 60), Claim)

    def test_what_ended_is_told_in_the_order_in_which_it_did(self, filled: Ledger) -> None:
        assert list(filled.ends("k7m2qx", 0.0)) == []
        for n in (3, 1):
            filled.finish(_claimed(filled, n), DONE)
        ends = filled.ends("k7m2qx", 0.0)
        assert {one.n for one in ends} == {1, 3}
        assert list(ends) == sorted(ends)
        assert filled.ends("k7m2qx", ends[-1].at)[-1] == ends[-1]
        assert list(filled.ends("k7m2qx", ends[-1].at + 1)) == []
        tally = filled.tally("k7m2qx")
        assert tally is not None
        assert tally.last == ends[-1].at
        assert [one.work.n for one in filled.entries("k7m2qx", [3, 99, 2, 1])] == [3, 2, 1]

    def test_what_runs_and_what_waits_for_its_next_try_is_named(self, filled: Ledger) -> None:
        _claimed(filled, 2)
        filled.hold(_claimed(filled, 3), NOW + 30, "x")
        tally = filled.tally("k7m2qx")
        assert tally is not None
        assert (sorted(tally.active), tally.running) == ([2, 3], 2)

    def test_batches_are_told_newest_first_whether_they_have_ended_or_not(self, ledger: Ledger) -> None:
        for number, batch in enumerate(("aaaaaa", "bbbbbb", "cccccc")):
            ledger.open(batch, SPEC, NOW + number)
        ledger.seal("bbbbbb")
        assert list(ledger.unfinished()) == ["aaaaaa", "cccccc"]
        assert list(ledger.batches(10)) == ["cccccc", "bbbbbb", "aaaaaa"]
        assert list(ledger.batches(2)) == ["cccccc", "bbbbbb"]

    def test_what_failed_or_was_cancelled_is_queued_again_and_nothing_else(self, filled: Ledger) -> None:
        filled.finish(_claimed(filled, 1), DONE)
        old = _claimed(filled, 2)
        filled.finish(old, End(State.failed, '{"error":{"code":"truncated"}}', 2.0))
        filled.cancel("k7m2qx")
        assert list(filled.unfinished()) == []
        assert sorted(filled.retry("k7m2qx")) == ["k7m2qx.2", "k7m2qx.3"]
        assert list(filled.unfinished()) == ["k7m2qx"]
        assert list(filled.retry("k7m2qx")) == []
        tally = filled.tally("k7m2qx")
        assert tally is not None
        assert (tally.ended, tally.cancelled, tally.total) == ({State.succeeded: 1}, False, 3)
        assert filled.finish(old, DONE) is False
        again = _claimed(filled, 2)
        assert (again.attempt, again.losses, again.fence > old.fence) == (1, 0, True)
        assert filled.finish(again, DONE) is True
        assert [one.n for one in filled.ends("k7m2qx", 0.0)][-1] == 2

    def test_another_class_is_told_of_what_waits_and_of_what_lapses(self, filled: Ledger) -> None:
        _claimed(filled, 1)
        filled.finish(_claimed(filled, 2), DONE)
        filled.restamp("k7m2qx", "background")
        assert list(filled.waiting("k7m2qx")) == ["k7m2qx.3"]
        tally = filled.tally("k7m2qx")
        assert tally is not None
        assert tally.spec["priority"] == "background"
        assert [one.priority for one in filled.lapsed("k7m2qx", NOW + 60, NOW + 90)] == ["background"]

    def test_what_was_to_stop_has_ended_once_its_holder_is_gone(self, filled: Ledger) -> None:
        _claimed(filled, 1)
        filled.cancel("k7m2qx")
        still = filled.claim("k7m2qx.1", "host-b", NOW + 59, NOW + 119)
        assert still == NotClaimed("k7m2qx.1", State.running, NOW + 60)
        gone = filled.claim("k7m2qx.1", "host-b", NOW + 60, NOW + 120)
        assert gone == NotClaimed("k7m2qx.1", State.cancelled)
        tally = filled.tally("k7m2qx")
        assert tally is not None
        assert tally.complete

    def test_a_batch_that_nobody_adds_to_and_nobody_sealed_was_abandoned(self, ledger: Ledger) -> None:
        for batch in ("aaaaaa", "bbbbbb", "cccccc"):
            ledger.open(batch, SPEC, NOW)
        ledger.seal("bbbbbb")
        ledger.add("cccccc", [WorkItem("cccccc.1", "s3://b/a.mov")])  # now, by the clock of the ledger
        assert list(ledger.abandoned(NOW - 1)) == []
        assert list(ledger.abandoned(NOW + 1)) == ["aaaaaa"]

    def test_since_when_it_is_claimed_is_told(self, filled: Ledger) -> None:
        _claimed(filled, 1, now=NOW + 7)
        entry = filled.entry("k7m2qx.1")
        assert entry is not None
        assert (entry.since, entry.until) == (NOW + 7, NOW + 67)

    @pytest.mark.parametrize("ask", ["cancel", "retry"])
    def test_a_batch_that_is_not_there_cannot_be_steered(self, ledger: Ledger, ask: str) -> None:
        with pytest.raises(CallerError) as caught:
            getattr(ledger, ask)("nobody")
        assert caught.value.code == "not-found"
