"""Claims: who has what, for how long, and how it ends or is let go. Part of `LedgerContract`."""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rushes.core.states import State
from rushes.ledger import ON_HOSTS, ON_LAMBDA, Claim, End, LetGo, NotClaimed, Routed, Waiting
from rushes.ports import Ledger
from rushes.testing.ledger_contract.filled import DONE, NOW, SPEC, FilledLedger, claimed, work_item

__all__ = ["ClaimsContract"]


class ClaimsContract(FilledLedger):
    """Claims: who has what, for how long, and how it ends or is let go."""

    def test_of_two_that_ask_one_has_it(self, filled: Ledger) -> None:
        first = claimed(filled)
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
        old = claimed(filled)
        new = claimed(filled, holder="host-b", now=NOW + 60)
        assert (new.fence > old.fence, new.losses, new.attempt) == (True, 1, 2)
        assert filled.extend(old, NOW + 200) == "lost"
        assert filled.finish(old, DONE) is False
        assert filled.hold(old, NOW + 300, LetGo("x")) is False
        assert filled.give_back(old, LetGo("x")) is False
        assert filled.finish(new, DONE) is True

    def test_a_claim_that_is_extended_does_not_lapse(self, filled: Ledger) -> None:
        claim = claimed(filled)
        assert filled.extend(claim, NOW + 120) == "kept"
        assert isinstance(filled.claim("k7m2qx.1", "host-b", NOW + 100, NOW + 160), NotClaimed)

    def test_what_is_about_to_be_published_is_told_to_whoever_claims_it_next(self, filled: Ledger) -> None:
        said = '{"made":{"outputs":["s3://proxies/A001_é.mov"]}}'
        first = claimed(filled)
        assert first.intent == ""
        assert filled.extend(first, NOW + 60, cost_nano=7, intent=said) == "kept"
        assert filled.extend(first, NOW + 61) == "kept"
        second = claimed(filled, holder="host-b", now=NOW + 61)
        assert (second.intent, second.losses, second.spent_nano) == (said, 1, 7)
        assert filled.extend(first, NOW + 200, intent="{}") == "lost"
        assert filled.hold(second, NOW + 90, LetGo("x"))
        third = claimed(filled, holder="host-c", now=NOW + 90)
        assert third.intent == said
        assert filled.give_back(third, LetGo("x"))
        fourth = claimed(filled, now=NOW + 91)
        assert fourth.intent == said
        assert filled.finish(fourth, End(State.failed, "{}"))
        assert filled.retry("k7m2qx") == [Waiting("k7m2qx.1")]
        assert claimed(filled, now=NOW + 92).intent == ""

    def test_what_is_known_of_its_size_and_tier_is_told_with_its_claim(self, ledger: Ledger) -> None:
        its = Routed(ON_LAMBDA, "lambda: it is short.", 12.5, None, 880.0)
        ledger.open("k7m2qx", SPEC, NOW)
        ledger.add("k7m2qx", [work_item(1, size_bytes=5 * 10**9, routed=its), work_item(2)])
        assert claimed(ledger, 1).work == work_item(1, size_bytes=5 * 10**9, routed=its)
        assert claimed(ledger, 2).work == work_item(2)
        assert [one.work.tier for one in ledger.entries("k7m2qx", [1, 2])] == [ON_LAMBDA, ""]

    def test_what_is_given_back_for_a_larger_tier_is_for_that_from_then_on(self, filled: Ledger) -> None:
        up = Routed(ON_HOSTS, "hosts: it did not fit into the time that was left.")
        old = claimed(filled)
        assert filled.give_back(old, LetGo("too long"), up)
        assert filled.give_back(old, LetGo("too long"), up)
        assert Waiting("k7m2qx.1", ON_HOSTS) in filled.waiting("k7m2qx")
        again = claimed(filled, now=NOW + 1)
        assert (again.attempt, again.work.routed) == (1, up)
        assert filled.give_back(again, LetGo("spot notice"))
        assert filled.finish(claimed(filled, now=NOW + 2), End(State.failed, "{}"))
        assert filled.retry("k7m2qx") == [Waiting("k7m2qx.1", ON_HOSTS)]

    def test_an_end_is_kept_once_and_counted_once(self, filled: Ledger) -> None:
        claim = claimed(filled)
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
        assert filled.finish(claimed(filled), large) is True
        entry = filled.entry("k7m2qx.1")
        assert entry is not None
        assert entry.end == large

    def test_what_is_held_cannot_be_claimed_before_its_time(self, filled: Ledger) -> None:
        assert filled.hold(claimed(filled), NOW + 30, LetGo("tool-failed; retry 1 of 2")) is True
        assert filled.claim("k7m2qx.1", "host-b", NOW + 10, NOW + 70) == NotClaimed(
            "k7m2qx.1", State.held, NOW + 30
        )
        again = claimed(filled, holder="host-b", now=NOW + 30)
        assert (again.attempt, again.losses) == (2, 0)

    def test_what_is_free_does_not_count_as_an_attempt(self, filled: Ledger) -> None:
        filled.hold(claimed(filled), NOW + 1, LetGo("no-free-device", free=True))
        assert claimed(filled, now=NOW + 2).attempt == 1

    def test_what_is_given_back_may_be_claimed_at_once(self, filled: Ledger) -> None:
        assert filled.give_back(claimed(filled), LetGo("spot notice")) is True
        again = claimed(filled, holder="host-b", now=NOW + 1)
        assert (again.attempt, again.losses) == (1, 0)

    def test_what_is_let_go_and_said_again_is_let_go_once(self, filled: Ledger) -> None:
        held, back = claimed(filled, 1), claimed(filled, 2)
        for _ in range(2):
            assert filled.hold(held, NOW + 1, LetGo("x")) is True
            assert filled.give_back(back, LetGo("spot notice")) is True
        assert claimed(filled, 1, now=NOW + 2).attempt == 2
        assert claimed(filled, 2).attempt == 1
        assert filled.hold(held, NOW + 9, LetGo("x")) is False
        assert filled.give_back(back, LetGo("x")) is False

    def test_since_when_it_is_claimed_is_told(self, filled: Ledger) -> None:
        claimed(filled, 1, now=NOW + 7)
        entry = filled.entry("k7m2qx.1")
        assert entry is not None
        assert (entry.since, entry.until) == (NOW + 7, NOW + 67)
