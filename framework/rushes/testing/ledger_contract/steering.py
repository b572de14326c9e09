"""What a person does with a batch: another class, an end, another try. Part of `LedgerContract`."""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

import pytest

from rushes.core.states import State
from rushes.errors import CallerError
from rushes.ledger import End, LetGo, Moved, NotClaimed, Waiting
from rushes.ports import Ledger
from rushes.testing.ledger_contract.filled import DONE, NOW, FilledLedger, claimed

__all__ = ["SteeringContract"]


class SteeringContract(FilledLedger):
    """What a person does with a batch: another class, an end, another try."""

    def test_a_person_gives_a_batch_another_class_and_who_has_some_of_it_hears_by_its_claim(
        self, filled: Ledger
    ) -> None:
        runs = claimed(filled)
        assert runs.priority == ""
        filled.restamp("k7m2qx", "background")
        assert filled.extend(runs, NOW + 90) == Moved("background")
        waited = claimed(filled, 2)
        assert waited.priority == "background"
        assert filled.extend(waited, NOW + 90) == "kept"
        filled.restamp("k7m2qx", "interactive")
        assert filled.extend(waited, NOW + 91) == Moved("interactive")
        filled.cancel("k7m2qx")
        assert filled.extend(waited, NOW + 92) == "stop"

    def test_a_cancelled_batch_ends_what_waits_and_stops_what_runs(self, filled: Ledger) -> None:
        runs = claimed(filled)
        filled.hold(claimed(filled, 2), NOW + 30, LetGo("x"))
        assert filled.cancel("k7m2qx") == 2
        assert filled.extend(runs, NOW + 90) == "stop"
        assert filled.finish(runs, End(State.cancelled, "{}")) is True
        tally = filled.tally("k7m2qx")
        assert tally is not None
        assert (tally.ended, tally.complete, tally.cancelled) == ({State.cancelled: 3}, True, True)
        assert filled.cancel("k7m2qx") == 0

    def test_what_is_given_back_of_a_cancelled_batch_has_ended(self, filled: Ledger) -> None:
        runs = claimed(filled)
        filled.cancel("k7m2qx")
        assert filled.give_back(runs, LetGo("spot notice")) is True
        entry = filled.entry("k7m2qx.1")
        assert entry is not None
        assert entry.state is State.cancelled

    def test_what_failed_or_was_cancelled_is_queued_again_and_nothing_else(self, filled: Ledger) -> None:
        filled.finish(claimed(filled, 1), DONE)
        old = claimed(filled, 2)
        filled.finish(old, End(State.failed, '{"error":{"code":"truncated"}}', 2.0))
        filled.cancel("k7m2qx")
        assert list(filled.unfinished()) == []
        assert sorted(filled.retry("k7m2qx")) == [Waiting("k7m2qx.2"), Waiting("k7m2qx.3")]
        assert list(filled.unfinished()) == ["k7m2qx"]
        assert list(filled.retry("k7m2qx")) == []
        tally = filled.tally("k7m2qx")
        assert tally is not None
        assert (tally.ended, tally.cancelled, tally.total) == ({State.succeeded: 1}, False, 3)
        assert filled.finish(old, DONE) is False
        again = claimed(filled, 2)
        assert (again.attempt, again.losses, again.fence > old.fence) == (1, 0, True)
        assert filled.finish(again, DONE) is True
        assert [one.n for one in filled.ends("k7m2qx", 0.0)][-1] == 2

    def test_another_class_is_told_of_what_waits_and_of_what_lapses(self, filled: Ledger) -> None:
        claimed(filled, 1)
        filled.finish(claimed(filled, 2), DONE)
        filled.restamp("k7m2qx", "background")
        assert list(filled.waiting("k7m2qx")) == [Waiting("k7m2qx.3")]
        tally = filled.tally("k7m2qx")
        assert tally is not None
        assert tally.spec["priority"] == "background"
        assert [one.priority for one in filled.lapsed("k7m2qx", NOW + 60, NOW + 90)] == ["background"]

    def test_what_was_to_stop_has_ended_once_its_holder_is_gone(self, filled: Ledger) -> None:
        claimed(filled, 1)
        filled.cancel("k7m2qx")
        still = filled.claim("k7m2qx.1", "host-b", NOW + 59, NOW + 119)
        assert still == NotClaimed("k7m2qx.1", State.running, NOW + 60)
        gone = filled.claim("k7m2qx.1", "host-b", NOW + 60, NOW + 120)
        assert gone == NotClaimed("k7m2qx.1", State.cancelled)
        tally = filled.tally("k7m2qx")
        assert tally is not None
        assert tally.complete

    @pytest.mark.parametrize("ask", ["cancel", "retry"])
    def test_a_batch_that_is_not_there_cannot_be_steered(self, ledger: Ledger, ask: str) -> None:
        with pytest.raises(CallerError) as caught:
            getattr(ledger, ask)("nobody")
        assert caught.value.code == "not-found"
