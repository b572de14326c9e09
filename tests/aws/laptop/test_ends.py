"""A follower asks what has ended when that is worth a look, and at the end at once."""

from __future__ import annotations

from typing import Any, cast

from rushes.core.states import State
from rushes.engines.aws.laptop.ends import Ends
from rushes.ledger import Ended, Tally

TOTAL = 1000


class Desk:
    """A ledger in which so many of a batch have ended, one a second."""

    def __init__(self) -> None:
        self.ended = 0
        self.looks = 0

    def ends(self, _batch: str, since: float) -> list[Ended]:
        self.looks += 1
        return [Ended(float(n), n) for n in range(1, self.ended + 1) if n >= since]

    def tally(self) -> Tally:
        last = float(self.ended) if self.ended else None
        ended = {State.succeeded: self.ended} if self.ended else {}
        return Tally(
            {},
            0.0,
            TOTAL,
            (),
            ended,
            0,
            sealed=True,
            cancelled=False,
            seconds=0.0,
            media_s=0.0,
            cost_nano=0,
            last=last,
        )


def followed(*, patient: bool) -> tuple[Desk, Ends]:
    """A batch that was followed once a second until its end."""
    desk = Desk()
    ends = Ends(cast("Any", desk), "k7m2qx")
    for desk.ended in range(TOTAL + 1):
        ends.look(desk.tally(), float(desk.ended), patient=patient)
    return desk, ends


def test_who_can_wait_asks_as_often_as_a_batch_has_digits_and_misses_nothing() -> None:
    desk, ends = followed(patient=True)
    assert desk.looks < 80
    assert [n for _, n in ends.after(0, 2 * TOTAL)] == [*range(1, TOTAL + 1)]


def test_who_cannot_wait_asks_whenever_something_has_ended() -> None:
    assert followed(patient=False)[0].looks == TOTAL


def test_the_first_end_of_a_batch_and_those_of_a_small_one_are_waited_for_by_nobody() -> None:
    desk = Desk()
    ends = Ends(cast("Any", desk), "k7m2qx")
    for desk.ended in range(1, 20):
        ends.look(desk.tally(), float(desk.ended), patient=True)
        assert len(ends.after(0, TOTAL)) == desk.ended
