"""Who is short of money: what cannot start, what cannot go on, and what people are told about it.

Money that is only reserved comes back: who waits for it is kept in order, so nobody who comes later takes
what the first one waits for. This module must not know what is reserved, nor how it is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rushes.core.bills import payer_of
from rushes.core.commands import Command, Demote, Freed, Hold, Promote
from rushes.core.events import Shape
from rushes.core.ordering import Lane
from rushes.core.paid import Paid
from rushes.core.spending.budget import Budget, Payer, Refused, Scope

__all__ = ["Shortage"]


class Shortage:
    """Those who are short.

    Args:
        open: what is paid for, by invocation; the purse's own.
    """

    __slots__ = (
        "_awaited", "_freed", "_held", "_least", "_lowered", "_open", "_told", "begun", "lanes", "stirred",
        "untold",
    )  # fmt: skip

    def __init__(self, open: Mapping[int, Paid]) -> None:  # noqa: A002 - as `Purse.open`
        self._open = open
        self.lanes: dict[Lane, Refused] = {}
        """What cannot start."""
        self.begun: dict[int, Refused] = {}
        """What has begun and cannot go on, by invocation."""
        self.stirred = False
        """They may not be short any more."""
        self.untold = False
        """Somebody may be held, or demoted, of whom `tell` has not told."""
        self._awaited: set[Scope] = set()  # whose money that comes back is kept for somebody
        self._least = 0  # the least that one of those who wait is short of
        self._freed = 0  # what came back since somebody was refused
        self._held: set[str] = set()  # batches, as `tell` told last
        self._lowered: dict[str, Payer] = {}  # batches that are beyond a soft limit
        self._told: list[Command] = []  # what `tell` has to tell beside

    def affords_not(self, lane: Lane, short: Refused) -> None:
        """A lane is short from now on."""
        self.lanes[lane] = short
        self.untold = True
        if not short.held and short.scope is not None:
            self._awaited.add(short.scope)
            self._least = min(self._least or short.short, short.short)
            self._freed = 0

    def refuse(self, id: int, why: Refused) -> None:  # noqa: A002 - as everywhere
        """Something that has begun cannot go on."""
        self.begun[id] = why
        self.untold = True

    @property
    def anybody(self) -> bool:
        """Whether somebody waits for money before whom nobody goes who comes later."""
        return bool(self._awaited or self.begun)

    def before(self, payer: Payer, shape: Shape) -> Refused | None:
        """Why nothing more of a shape starts for a payer, whatever there is."""
        return self._behind(payer) or self._alike(shape)

    def _behind(self, payer: Payer) -> Refused | None:
        """Somebody before it in order waits for money of the same payer."""
        scope = next((scope for scope in payer.scopes if scope in self._awaited), None)
        if scope is None:
            return None
        return Refused(0, held=False, sentence=f"waits for money: earlier work of {scope} does.", short=1)

    def _alike(self, shape: Shape) -> Refused | None:
        """One of its kind has begun and cannot go on: with what is left it would come no further."""
        alike = (one for id_, one in self.begun.items() if self._open[id_].shape == shape)
        return next(alike, None)

    def relieve(self, id: int) -> None:  # noqa: A002 - as everywhere
        """Something that had begun and could not go on is given money, or is gone."""
        if self.begun.pop(id, None) is not None:
            self.untold = self.stirred = True

    def came_back(self, nano: int) -> None:
        """Money that was set aside is free."""
        self._freed += max(nano, 0)
        # Else there is nobody to ask again.
        if (self.lanes and self._freed >= self._least) or self.begun:
            self.stirred = True

    def asked_again(self) -> list[Lane]:
        """Those who were short stand in line again, and are asked for in its order."""
        again = [*self.lanes]
        self.lanes.clear()
        self._awaited.clear()
        self._least = self._freed = 0
        self.stirred = False
        self.untold = self.untold or bool(again)
        return again

    def tell(self) -> list[Command]:
        """Who is held now that was not, who is no longer, and who is to go on one class lower."""
        self.untold = False
        told, self._told = self._told, []
        held = {batch: one for batch in self.held if (one := self.holds(batch)) is not None}
        told += [
            Hold(batch, one.sentence, one.frees_at) for batch, one in held.items() if batch not in self._held
        ]
        told += [Freed(batch) for batch in sorted(self._held - held.keys())]
        self._held = set(held)
        return told

    def passes(self, budget: Budget, now: float) -> None:
        """Time has passed: an hour may have begun, so all are asked again."""
        self.stirred = True
        for batch, payer in list(self._lowered.items()):
            if not budget.demotes(payer, now):
                self._tell(Promote(batch))
                del self._lowered[batch]

    def demote(self, payer: Payer, why: str) -> None:
        batch = payer.batch
        if batch is not None and batch not in self._lowered:
            self._lowered[batch] = payer
            self._tell(Demote(batch, why))

    def was_demoted(self, batch: str, payer: Payer) -> None:
        """A batch goes one class lower already: `Promote` says when it need not any more."""
        self._lowered[batch] = payer

    def _tell(self, command: Command) -> None:
        self._told.append(command)
        self.untold = True

    def holds(self, batch: str) -> Refused | None:
        """Why a batch is held, if anything of it is: nothing that runs can make room."""
        return next((one for one in self._of(batch) if one.held), None)

    def waits(self, batch: str) -> Refused | None:
        """What a batch waits for, if it is for money that is reserved."""
        return next((one for one in self._of(batch) if not one.held), None)

    def _of(self, batch: str) -> Iterator[Refused]:
        for lane, one in self.lanes.items():
            if batch in {lane.shape.batch, lane.shape.charged} and lane.asks:
                yield one
        for id_, one in self.begun.items():
            if (paid := self._open.get(id_)) is None:
                continue
            if batch in {paid.shape.batch, paid.shape.charged}:
                yield one

    @property
    def held(self) -> list[str]:
        """The batches of which something is held, by name: those that people sent."""
        lanes = {payer_of(lane).batch or "" for lane, one in self.lanes.items() if one.held and lane.asks}
        begun = {self._open[id_].payer.batch or "" for id_, one in self.begun.items() if one.held}
        return sorted(lanes | begun)
