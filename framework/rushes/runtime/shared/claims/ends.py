"""What a claim on a shared ledger comes to, said there: ended with what it cost, held, given back, set aside.

What follows an attempt is decided in `after_failure`; here it is said, again and again where the ledger does
not answer, and what becomes of the notice follows from whether the claim still held. This module must not
know how an attempt is made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any, Final, NamedTuple

from rushes.core.retry import HOST_CODES, backoff_s
from rushes.core.states import State
from rushes.errors import PlatformError, RushesError
from rushes.ledger import ON_HOSTS, Claim, End, LetGo, Routed
from rushes.ports import Claims
from rushes.runtime.shared.claims.after_failure import GivenBack, HeldFor, Next
from rushes.runtime.shared.money.meter import Meter

__all__ = ["After", "ClaimEnds"]

LONGEST_REST_S: Final = 10.0
"""Between two tries to say how an attempt ended."""


class After(NamedTuple):
    """What becomes of the notice.

    Args:
        state: of the invocation now; None where the ledger has none.
        again_s: the notice is to be seen again after so long; None: it is done with.
        too_long: it did not fit into the time that was left: give it to whoever has more.
        attempt: which try there was; 0 for none.
        cost_nano: what that cost.
        unpriced: what of that has no price, and is not in it; "" for nothing.
        unfit: why this machine could not do it, whatever the work is; "" where it could.
        lacks: why its function is not to be had here: it was not claimed, and another may have that.
    """

    state: State | None
    again_s: float | None = None
    too_long: bool = False
    attempt: int = 0
    cost_nano: int = 0
    unpriced: str = ""
    unfit: str = ""
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class ClaimEnds:
    """Says what claims have come to.

    Args:
        ledger: says who has what.
        clock: UTC epoch seconds.
        sleep: waits between tries to say how an attempt ended.
        lease_s: how long a claim holds.
        priced: what an attempt cost is known, and said.
    """

    ledger: Claims
    clock: Callable[[], float]
    sleep: Callable[[float], object]
    lease_s: float
    priced: bool

    def go_on(self, claim: Claim, then: Next, meter: Meter) -> After:
        """Say in the ledger what follows; where it does not take it, another has the claim."""
        if isinstance(then, End):
            return self.end(claim, then, meter)
        if isinstance(then, GivenBack):
            up = then.too_big is not None
            after = self.given_back(claim, meter, then.reason, error=then.error, up=up)
            return after._replace(unfit=then.unfit)
        cost_nano = meter.cost().total
        if isinstance(then, HeldFor):
            gone = LetGo(then.reason, then.free, cost_nano, then.error)
            until = self.clock() + then.delay_s
            if self._said(claim, lambda: self.ledger.hold(claim, until, gone)):
                return After(State.held, then.delay_s)
        return After(State.running, self.lease_s)

    def given_back(
        self,
        claim: Claim,
        meter: Meter,
        reason: str,
        *,
        error: Mapping[str, Any] | None = None,
        up: bool = False,
    ) -> After:
        """Let somebody else have it; `up`: who has more than is had here, and from now on nobody else."""
        routed = Routed(ON_HOSTS, f"{ON_HOSTS}: {reason}.") if up else None
        gone = LetGo(reason, cost_nano=meter.cost().total, error=error)
        if self._said(claim, lambda: self.ledger.give_back(claim, gone, routed)):
            return After(State.queued, 0.0, too_long=up)
        return After(State.running, self.lease_s)

    def set_aside(self, claim: Claim, meter: Meter) -> After:
        """End what took down, one after another, those who worked on it: nobody is left to say why."""
        error = PlatformError(
            f"{claim.losses} who worked on it died or fell silent under it.",
            code="set-aside",
            fix="See their logs for memory or a crash; then let it be tried again.",
        )
        body = error.to_dict() | {"verdict": "set aside: it is not tried again", "attempts": claim.losses}
        return self.end(claim, End(State.failed, json.dumps({"error": body})), meter)

    def end(self, claim: Claim, end: End, meter: Meter) -> After:
        """End it, with what all its attempts have cost; what none of them made was for nothing."""
        cost = meter.cost()
        spent_nano = claim.spent_nano + cost.total
        if self.priced:
            lines = {name: nano for name, nano in asdict(cost).items() if nano}
            waste_nano = claim.spent_nano if end.state is State.succeeded else spent_nano
            said = json.dumps({"cost": {**lines, "total": spent_nano, "waste": waste_nano}})[1:]
            end = end._replace(data=f"{end.data[:-1]}{',' if len(end.data) > 2 else ''}{said}")
        ended = end._replace(cost_nano=spent_nano)
        done = self._said(claim, lambda: self.ledger.finish(claim, ended))
        return After(end.state) if done else After(State.running, self.lease_s)

    def _said(self, claim: Claim, ask: Callable[[], bool]) -> bool:
        """Say what a claim has come to; again where the ledger does not answer.

        Of an end that is not said, all the work would be done again; of what is let go and not said to be,
        the claim lapses, and few of these set work aside.

        Raises:
            RushesError: it has not answered for as long as a claim holds.
        """
        until = self.clock() + self.lease_s
        for failures in count(1):
            try:
                return ask()
            except RushesError as error:
                if error.kind != "platform" and error.code not in HOST_CODES:
                    raise
                self.sleep(backoff_s(failures, claim.work.n, longest_s=LONGEST_REST_S))
                if self.clock() >= until:
                    raise
        raise AssertionError("unreachable: a count has no end")
