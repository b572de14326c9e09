"""Whether an invocation goes to a Lambda or to hosts, in an environment that has both: pure.

    what the Lambda cannot do         hosts: it would be stopped, or the clip does not fit beside its outputs
    of which nothing is known yet     the Lambda: what is too long for it goes up, once, and teaches
    short and small                   the Lambda
    else                              as `routing` says: the cheapest host, or what is best for its class

How long it takes is known from runs on either tier (`core/learning/sized_runs.py`). What the Lambda itself
has shown counts; where it has shown nothing, what hosts took says when it is out of the question. What hosts
cost is not always known, a studio's own for one: then a Lambda does what it can. This module must not know
queues, clocks or who asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from rushes.core.capacity.fitting import Outgrown, Routable, RoutingPolicy, Size, objection
from rushes.core.capacity.routing import Market, Route, route
from rushes.core.learning.run_cells import RunKind
from rushes.core.learning.sized_runs import Expected, SizedRuns
from rushes.core.spending.prices import PriceBook
from rushes.core.tiers import Tier

__all__ = ["HOSTS", "LAMBDA", "Placed", "Tiers", "place"]

LAMBDA: Final = "lambda"
HOSTS: Final = "hosts"
"""The names of both, in what was counted and in what is said; single tiers of hosts have their own."""
_SIZES: Final = {RunKind.memory: Size.memory, RunKind.scratch: Size.scratch}


@dataclass(frozen=True, slots=True)
class Tiers:
    """What one function may run on.

    Args:
        own: its Lambda, called `LAMBDA`.
        hosts: tiers of hosts whose price is known, by name; there may be others.
        book: what all these cost.
        policy: what a person has decided.
    """

    own: Tier
    hosts: Mapping[str, Tier]
    book: PriceBook
    policy: RoutingPolicy

    @property
    def market(self) -> Market:
        """What there is to choose from."""
        # Nobody asks whether hosts are there: that nothing idles is the rule.
        waits = {name: tier.start_s for name, tier in self.hosts.items()}
        return Market({self.own.name: self.own, **self.hosts}, self.book, waits)


class Placed(NamedTuple):
    """Where an invocation goes.

    Args:
        tier: `LAMBDA` or `HOSTS`.
        reason: in one sentence; "" where nothing is known of it.
        expected: of its run; None where nothing like it was ever seen.
        limit_s: after which the Lambda stops it.
    """

    tier: str
    reason: str
    expected: Expected | None
    limit_s: float | None


def place(work: Routable, tiers: Tiers, runs: Mapping[str, SizedRuns]) -> Placed:
    """Where an invocation goes that either may take.

    Args:
        work: what is known of it, but for how long it takes.
        tiers: of its function.
        runs: what runs of its function took, by tier.
    """
    policy = replace(tiers.policy, tries_unknown=True)
    limit_s = tiers.own.limits.run_s
    known = runs.get(LAMBDA)
    expected = None if known is None else known.expected(work.source_bytes)
    if expected is None and HOSTS in runs:
        expected = runs[HOSTS].expected(work.source_bytes)
        # Other machines: only what is likely to be too long there is taken for too long.
        expected = expected and expected._replace(late_s=expected.likely_s)
    if expected is not None:
        work = replace(work, run_s=expected.likely_s, late_s=expected.late_s)
    too_big = None if known is None else known.too_big_for(work.source_bytes)
    if too_big is not None:
        size = _SIZES[too_big]
        machine = tiers.own.machine
        amount = machine.memory_bytes if size is Size.memory else machine.scratch_bytes
        work = replace(work, outgrew=(*work.outgrew, Outgrown(size, amount)))
    if why_not := objection(work, tiers.own, policy):
        return Placed(HOSTS, f"{HOSTS}: {tiers.own.name} is not for it: {why_not}.", expected, limit_s)
    found = route(work, tiers.market, policy)
    if not isinstance(found, Route) or found.tier == tiers.own.name:
        # Without a price it cannot be compared, and does what it can.
        reason = found.reason if isinstance(found, Route) and expected is not None else ""
        return Placed(LAMBDA, reason, expected, limit_s)
    return Placed(HOSTS, found.reason, expected, limit_s)
