"""What followers of a shared ledger are told while nobody works on a batch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rushes.engines.aws.laptop.told import QUIET_S, standstill_of
from rushes.invocation import BatchStatus, Counts

WAITS = BatchStatus(
    "k7m2qx@dev",
    title="",
    function="proxy",
    priority="standard",
    show="dune",
    out=None,
    counts=Counts(queued=6),
    sealed=True,
    submitted=1000.0,
    ended=None,
    seconds=0.0,
    media_s=0.0,
)
LATER = 1000.0 + QUIET_S


def test_what_nobody_took_for_a_while_says_which_command_knows_why() -> None:
    said = standstill_of(WAITS, None, LATER)
    assert "rushes why k7m2qx@dev.1" in said
    assert len(said) < 80


def test_what_was_left_by_all_who_worked_on_it_says_who_knows_of_hosts() -> None:
    begun = replace(WAITS, counts=Counts(queued=2, succeeded=4))
    said = standstill_of(begun, 2000.0, 2000.0 + QUIET_S)
    assert "rushes pool --engine aws:dev" in said
    assert len(said) < 80
    assert standstill_of(begun, 2000.0, 2000.0 + QUIET_S - 1) == ""


@pytest.mark.parametrize(
    ("counts", "now"),
    [
        (Counts(queued=6), LATER - 1),  # somebody may be about to take it
        (Counts(queued=5, running=1), LATER),
        (Counts(queued=5, held=1), LATER),  # it says itself what it waits for
        (Counts(succeeded=6), LATER),
        (Counts(), LATER),
    ],
)
def test_while_it_goes_on_nothing_is_said(counts: Counts, now: float) -> None:
    assert standstill_of(replace(WAITS, counts=counts), None, now) == ""
