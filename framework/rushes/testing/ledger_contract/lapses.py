"""What somebody is told of again: it lapsed, has not ended, was not sealed. Part of `LedgerContract`."""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

from rushes.ledger import ON_HOSTS, ON_LAMBDA, LetGo, Routed, WorkItem
from rushes.ports import Ledger
from rushes.testing.ledger_contract.filled import DONE, NOW, SPEC, FilledLedger, claimed, work_item

__all__ = ["LapsesContract"]


class LapsesContract(FilledLedger):
    """What somebody is told of again: what lapsed, what has not ended, what nobody sealed."""

    def test_what_is_given_back_and_nobody_is_told_of_is_told_of_once_its_claim_would_have_lapsed(
        self, filled: Ledger
    ) -> None:
        filled.give_back(claimed(filled), LetGo("spot notice"))
        assert filled.lapsed("k7m2qx", NOW + 59, NOW + 100) == []
        assert [one.invocation for one in filled.lapsed("k7m2qx", NOW + 61, NOW + 100)] == ["k7m2qx.1"]

    def test_somebody_is_told_again_of_what_lapsed_and_nobody_else_meanwhile(self, filled: Ledger) -> None:
        claimed(filled, 1)
        filled.hold(claimed(filled, 2), NOW + 30, LetGo("x"))
        assert filled.lapsed("k7m2qx", NOW + 29, NOW + 100) == []
        assert [one.invocation for one in filled.lapsed("k7m2qx", NOW + 30, NOW + 100)] == ["k7m2qx.2"]
        found = filled.lapsed("k7m2qx", NOW + 61, NOW + 100)
        assert [(one.invocation, one.priority, one.show) for one in found] == [("k7m2qx.1", "urgent", "dune")]
        assert filled.lapsed("k7m2qx", NOW + 62, NOW + 100) == []
        assert len(filled.lapsed("k7m2qx", NOW + 100, NOW + 200)) == 2

    def test_who_is_told_again_may_leave_what_is_for_another_tier(self, ledger: Ledger) -> None:
        ledger.open("k7m2qx", SPEC, NOW)
        tiers = (None, Routed(ON_LAMBDA), Routed(ON_HOSTS, "hosts: it is long.", 300.0, None, 880.0))
        ledger.add("k7m2qx", [work_item(n, routed=its) for n, its in enumerate(tiers, 1)])
        for n in (1, 2, 3):
            claimed(ledger, n)
        later = NOW + 61
        of_hosts = ledger.lapsed("k7m2qx", later, NOW + 200, lambda one: one.tier == ON_HOSTS)
        others = ledger.lapsed("k7m2qx", later, NOW + 200, lambda one: one.tier != ON_LAMBDA)
        left = ledger.lapsed("k7m2qx", later, NOW + 200)
        assert [(one.invocation, one.tier) for one in of_hosts] == [("k7m2qx.3", ON_HOSTS)]
        assert [(one.invocation, one.tier) for one in others] == [("k7m2qx.1", "")]
        assert [(one.invocation, one.tier) for one in left] == [("k7m2qx.2", ON_LAMBDA)]

    def test_nobody_is_told_again_of_what_has_ended(self, filled: Ledger) -> None:
        filled.finish(claimed(filled), DONE)
        assert filled.lapsed("k7m2qx", NOW + 1e6, NOW + 2e6) == []

    def test_a_batch_is_unfinished_until_its_last_has_ended(self, filled: Ledger) -> None:
        for n in (1, 2, 3):
            assert list(filled.unfinished()) == ["k7m2qx"]
            filled.finish(claimed(filled, n), DONE)
        assert list(filled.unfinished()) == []

    def test_a_batch_that_nobody_adds_to_and_nobody_sealed_was_abandoned(self, ledger: Ledger) -> None:
        for batch in ("aaaaaa", "bbbbbb", "cccccc"):
            ledger.open(batch, SPEC, NOW)
        ledger.seal("bbbbbb")
        ledger.add("cccccc", [WorkItem("cccccc.1", "s3://b/a.mov")])  # now, by the clock of the ledger
        assert list(ledger.abandoned(NOW - 1)) == []
        assert list(ledger.abandoned(NOW + 1)) == ["aaaaaa"]
