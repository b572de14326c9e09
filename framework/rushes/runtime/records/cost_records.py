"""What the worker asks of its journal on money: the rows of attempts and machines, and their sums.

Money is in nano-dollars, times in UTC epoch seconds. This module must not know SQL, nor how costs come about.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from rushes.invocation import Spent

__all__ = ["CostRecords", "CostRow", "CostSumRecords", "MachineHour", "MachineRow", "SpentRow"]


class CostRow(NamedTuple):
    """What an attempt cost, or of one that was partly redone a part of it. Money in nano-dollars."""

    root: int
    """The invocation that a person submitted: it has the costs of its parts."""
    invocation: int
    machine: int
    payer: int
    waste: int
    """1: it was thrown away."""
    attempts: int
    ended: float
    share: int
    """Millionths of the machine that it held."""
    seconds: float
    """For which it ran, without the time that it was paused."""
    compute: int
    requests: int
    transfer: int
    energy: int
    millijoules: int
    published_us: int
    """Of media, in the outputs that it published."""

    @property
    def nano(self) -> int:
        """All of its lines together."""
        return self.compute + self.requests + self.transfer + self.energy


class MachineRow(NamedTuple):
    """A machine as it was counted, from the start of a worker to its end."""

    id: int
    tier: str
    price: str
    """JSON of the figures that its time is priced by."""
    since: float
    until: float
    counted_us: int
    """For which it was there: less than from `since` to `until` where it slept."""
    running: str | None
    """JSON of the costs of what ran when it was counted last; None once it is closed."""


class MachineHour(NamedTuple):
    """What a machine cost in one hour, and what of that nobody used."""

    machine: int
    hour: int
    """Hours since the epoch."""
    compute: int
    energy: int
    millijoules: int
    idle_compute: int
    idle_energy: int
    idle_millijoules: int


class SpentRow(NamedTuple):
    """Sums over attempts that have something in common."""

    name: str
    """The batch, where sums are by batch; "" for batches that were pruned."""
    show: str
    function: str
    tier: str
    waste: int
    attempts: int
    compute: int
    requests: int
    transfer: int
    energy: int
    millijoules: int
    published_us: int


class CostSumRecords(Protocol):
    """Sums over all that is there."""

    def machines(self) -> list[MachineRow]: ...

    def machine_sums(self) -> dict[int, tuple[MachineHour, int, int]]:
        """Of each machine, all of its hours together, and the compute and energy of its attempts."""

    def idle(self, since: float) -> list[tuple[str, int, int, int]]:
        """Tier, compute, energy and millijoules of what nobody used since then, by whole hours."""

    def costs_by(self, since: float, *, batches: bool = False) -> list[SpentRow]:
        """All that was spent on attempts that ended since then, by payer, tier and waste, and by batch."""


class CostRecords(CostSumRecords, Protocol):
    """What attempts and machines cost. Nothing is here while nothing has a price."""

    def payer(self, show: str, function: str) -> int:
        """The number of who pays, made on first use."""

    def open_machine(self, tier: str, price: str, now: float) -> int:
        """A machine is counted from now on; gives its number."""

    def keep_machine(
        self, machine: int, until: float, counted_us: int, running: str | None, hour: MachineHour
    ) -> None:
        """How far a machine is counted; `hour` is what has been added since it was kept last."""

    def left_machines(self) -> list[MachineRow]:
        """The machines that an earlier worker did not close."""

    def charge(self, rows: list[CostRow]) -> None: ...

    def spent_on(self, invocation: int, *, parts_of: int = 0) -> Spent:
        """What an invocation has come to, its parts with it.

        `parts_of` is the invocation that a person submitted, where this is a part of it.
        """

    def spent_on_batch(self, batch: int) -> Spent:
        """What a batch has come to, by its number, the parts of its invocations with it."""

    def cost_each(self, invocations: Sequence[int], *, parts_of: int = 0) -> dict[int, int]:
        """Nano-dollars that each of these has come to, its parts and its waste with it, where it is any."""
