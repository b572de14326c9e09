"""What a ledger tells of batches, their results and their ends. Part of `LedgerContract`."""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

from rushes.core.states import State
from rushes.ledger import End, LetGo
from rushes.ports import Ledger
from rushes.testing.ledger_contract.filled import DONE, NOW, SPEC, FilledLedger, claimed, work_item

__all__ = ["ReadingContract"]


class ReadingContract(FilledLedger):
    """What a ledger tells of batches, their results and their ends."""

    def test_results_come_by_their_numbers_page_by_page(self, ledger: Ledger) -> None:
        ledger.open("k7m2qx", SPEC, NOW)
        ledger.add("k7m2qx", [work_item(n) for n in range(1, 13)])
        for n in (2, 3, 5, 11, 12):
            ledger.finish(claimed(ledger, n), DONE)
        first = ledger.results("k7m2qx", 0, 3)
        assert [one.work.n for one in first] == [2, 3, 5]
        assert [one.work.n for one in ledger.results("k7m2qx", 5, 3)] == [11, 12]

    def test_a_success_is_known_by_its_key_within_its_show(self, ledger: Ledger) -> None:
        ledger.open("k7m2qx", SPEC, NOW)
        ledger.add("k7m2qx", [work_item(1, key="aa"), work_item(2, key="bb")])
        ledger.finish(claimed(ledger, 1), DONE)
        ledger.finish(claimed(ledger, 2), End(State.failed, '{"error":{"code":"truncated"}}'))
        assert ledger.known("dune", ["aa", "bb", "cc", "aa"]) == {"aa": "k7m2qx.1"}
        assert ledger.known("arrival", ["aa"]) == {}
        assert ledger.known("dune", []) == {}

    # -- following and steering ----------------------------------------------------------------------------

    def test_what_ended_is_told_in_the_order_in_which_it_did(self, filled: Ledger) -> None:
        assert list(filled.ends("k7m2qx", 0.0)) == []
        for n in (3, 1):
            filled.finish(claimed(filled, n), DONE)
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
        claimed(filled, 2)
        filled.hold(claimed(filled, 3), NOW + 30, LetGo("x"))
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
