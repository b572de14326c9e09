"""What a ledger remembers of attempts, and of what they have cost. Part of `LedgerContract`."""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

import json

from rushes.core.states import State
from rushes.ledger import TRIES_KEPT, End, LetGo
from rushes.ports import Ledger
from rushes.testing.ledger_contract.filled import DONE, NOW, FilledLedger, claimed

__all__ = ["AttemptsContract"]


class AttemptsContract(FilledLedger):
    """What a ledger remembers of attempts that there were, and of what they have cost."""

    def test_what_attempts_have_cost_goes_with_the_invocation(self, filled: Ledger) -> None:
        filled.hold(claimed(filled), NOW + 1, LetGo("tool-failed", cost_nano=5))
        second = claimed(filled, now=NOW + 2)
        filled.give_back(second, LetGo("spot notice", cost_nano=7))
        third = claimed(filled, now=NOW + 3)
        assert (second.spent_nano, third.spent_nano) == (5, 12)
        filled.extend(third, NOW + 60, cost_nano=2)
        filled.extend(third, NOW + 70, cost_nano=3)  # of one attempt, not another three
        fourth = claimed(filled, holder="host-b", now=NOW + 71)
        assert fourth.spent_nano == 15
        filled.hold(fourth, NOW + 80, LetGo("tool-failed"))
        filled.cancel("k7m2qx")
        tally = filled.tally("k7m2qx")
        assert tally is not None
        assert tally.cost_nano == 15

    def test_attempts_that_there_were_are_told_of_who_when_how_they_ended_and_at_what_cost(
        self, filled: Ledger
    ) -> None:
        failed = {"kind": "platform", "code": "tool-failed", "message": "it died", "fix": "Look."}
        first = claimed(filled)
        filled.hold(first, NOW + 1, LetGo("retry 1 of 2", cost_nano=5, error=failed))
        second = claimed(filled, holder="host-b", now=NOW + 2)
        given = {"kind": "platform", "code": "given-back", "message": "its host had to go"}
        filled.give_back(second, LetGo("its host had to go", cost_nano=7, error=given))
        third = claimed(filled, holder="host-c", now=NOW + 3)
        filled.extend(third, NOW + 70, cost_nano=3)
        fourth = claimed(filled, holder="host-d", now=NOW + 71)
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
        filled.finish(claimed(filled), End(State.failed, json.dumps(body), 2.0, cost_nano=4))
        filled.retry("k7m2qx")
        filled.finish(claimed(filled, now=NOW + 9), DONE)
        entry = filled.entry("k7m2qx.1")
        assert entry is not None
        assert [(one.outcome, one.cost_nano) for one in entry.tried] == [
            ("not-media", 4),
            ("succeeded", DONE.cost_nano),
        ]

    def test_of_many_attempts_the_latest_are_remembered(self, filled: Ledger) -> None:
        for n in range(20):
            error = {"kind": "platform", "code": f"c{n}", "message": "again"}
            filled.hold(claimed(filled, now=NOW + n), NOW + n + 1, LetGo("again", error=error))
        entry = filled.entry("k7m2qx.1")
        assert entry is not None
        assert [one.outcome for one in entry.tried] == [f"c{n}" for n in range(20 - TRIES_KEPT, 20)]

    def test_what_never_ran_was_not_tried(self, filled: Ledger) -> None:
        filled.hold(claimed(filled), NOW + 1, LetGo("waits for money", free=True))
        filled.cancel("k7m2qx")
        entry = filled.entry("k7m2qx.1")
        assert entry is not None
        assert list(entry.tried) == []
