"""What a ledger takes in: batches, their work, and what stands alone. Part of `LedgerContract`."""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

from rushes.core.states import State
from rushes.ledger import LONE, Claim, End, NotClaimed, WorkItem
from rushes.ports import Ledger
from rushes.testing.ledger_contract.filled import DONE, NOW, SPEC, FilledLedger, claimed, work_item

__all__ = ["IntakeContract"]


class IntakeContract(FilledLedger):
    """What a ledger takes in: batches, their work, and what stands alone."""

    def test_what_was_added_is_told_as_it_was(self, ledger: Ledger) -> None:
        ledger.open("k7m2qx", SPEC, NOW)
        one = work_item(
            1,
            key="ab" * 32,
            frames=(24, 48),
            params='{"height":720}',
            subdir="day 1/ü",
            tag="~ab12",
            fingerprint="s3:x",
        )
        ledger.add("k7m2qx", [one])
        assert claimed(ledger).work == one
        assert ledger.spec("k7m2qx") == SPEC
        assert ledger.spec("nobody") is None
        tally = ledger.tally("k7m2qx")
        assert tally is not None
        assert (tally.spec, tally.submitted, tally.total, tally.sealed) == (SPEC, NOW, 1, False)

    def test_many_are_added_and_adding_them_again_changes_nothing(self, ledger: Ledger) -> None:
        ledger.open("k7m2qx", SPEC, NOW)
        many = [work_item(n) for n in range(1, self.many + 1)]
        ledger.add("k7m2qx", many)
        claim = claimed(ledger, self.many // 2)
        ledger.add("k7m2qx", many)
        ledger.open("k7m2qx", {**SPEC, "show": "other"}, NOW + 5)
        tally = ledger.tally("k7m2qx")
        assert tally is not None
        assert (tally.total, tally.running, tally.spec["show"]) == (self.many, 1, "dune")
        assert ledger.extend(claim, NOW + 90) == "kept"

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
        assert sorted(ledger.alone()) == ["eab0.1", "eab1.1"]
        found = ledger.lapsed(LONE, NOW + 61, NOW + 100, lambda one: one.invocation == "eab1.1")
        assert [(one.invocation, one.show) for one in found] == [("eab1.1", "dune")]
        assert [one.invocation for one in ledger.lapsed(LONE, NOW + 61, NOW + 100)] == ["eab0.1"]
        done = ledger.tally("eab2")
        assert done is not None
        assert done.complete
        three = ledger.lone(["eab2", "e9999", "eab0"])
        assert [(batch, tally.complete, entry.work.source) for batch, tally, entry in three] == [
            ("eab2", True, "s3://b/a.mov"), ("eab0", False, "s3://b/a.mov"),
        ]  # fmt: skip
        assert three[0][1] == done
        assert three[0][2] == ledger.entry("eab2.1")

    def test_a_batch_that_is_not_sealed_is_unfinished(self, ledger: Ledger) -> None:
        ledger.open("k7m2qx", SPEC, NOW)
        assert list(ledger.unfinished()) == ["k7m2qx"]
        ledger.seal("k7m2qx")
        assert list(ledger.unfinished()) == []

    def test_what_has_nothing_to_do_is_added_as_it_ended_and_counted_once(self, ledger: Ledger) -> None:
        ledger.open("k7m2qx", SPEC, NOW)
        many = [work_item(n) for n in range(1, 121)]
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
