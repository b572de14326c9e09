"""One notice, from the claim to the end in the ledger: what a Lambda and a host do alike.

The claim is extended from a thread while the attempt runs. When it is lost, or a person cancels the batch,
the attempt is asked to stop, and nothing of it becomes visible: whether it may publish is asked of the ledger
itself. How a failure goes on is decided by `rushes.core.retry`, as everywhere. What an attempt has cost is
said with whatever it came to, so that one that is tried again, or handed on, is paid for once. What died
between its gate and its end is ended by whoever claims it next, without the body, if its outputs are there.
This module must not know which ledger and which store it is, nor where the notice came from.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from math import inf
from pathlib import Path
from typing import Any, Final, NamedTuple

from rushes.asset import Asset, FrameRange
from rushes.core.capacity.fitting import reached
from rushes.core.retry import FULL_CODES, LOSS_CODES, MOST_LOSSES, GiveUp, GoUp, backoff_s, decide
from rushes.core.spending.budget import Payer
from rushes.core.spending.run_price import RunPrice
from rushes.core.states import State
from rushes.errors import Cancelled, PlatformError, RushesError
from rushes.invocation import Spent, function_name
from rushes.ledger import Claim, End, Moved, NotClaimed
from rushes.ports import Claims, Store
from rushes.runtime.attempts.attempt import run_attempt
from rushes.runtime.attempts.loaded_batch import LoadedBatch, learn
from rushes.runtime.attempts.raised import as_error
from rushes.runtime.attempts.task import Made, Task
from rushes.runtime.shared.attempt_money import HELD_S, AttemptMoney, fund
from rushes.runtime.shared.meter import Meter
from rushes.runtime.shared.remote_attempt import Run, StoreReach, reach_of, run_remote
from rushes.runtime.shared.remote_intent import published_before
from rushes.runtime.shared.remote_scratch import sweep_scratch
from rushes.runtime.shared.shared_caps import SharedCaps
from rushes.runtime.shared.shared_money import Short

__all__ = ["After", "ClaimRunner", "Grant"]

LEASE_S: Final = 60.0
"""How long a claim holds that nobody extends: as long as a host may be dead before another takes over."""


BATCHES_KNOWN: Final = 64
LOOKS: Final = 3
"""At an attempt, while its claim holds that nobody extends."""
LONGEST_REST_S: Final = 10.0
"""Between two tries to say how an attempt ended."""

Grant = Callable[[StoreReach, Meter], AbstractContextManager[Store]]
"""Gives an attempt the store by which it reaches what it has to, and no more, and whose use is metered."""


class After(NamedTuple):
    """What becomes of the notice.

    Args:
        state: of the invocation now; None where the ledger has none.
        again_s: the notice is to be seen again after so long; None: it is done with.
        too_long: it did not fit into the time that was left: give it to whoever has more.
        attempt: which try there was; 0 for none.
        cost_nano: what that cost.
        unpriced: what of that has no price, and is not in it; "" for nothing.
    """

    state: State | None
    again_s: float | None = None
    too_long: bool = False
    attempt: int = 0
    cost_nano: int = 0
    unpriced: str = ""


@dataclass
class ClaimRunner:
    """Works on one invocation after another, in the name of one holder.

    Args:
        ledger: says who has what.
        store: where clips and outputs are.
        scratch: a folder on a disk with room for both.
        holder: who this is: the host, and the process or request on it.
        local_name: a file name for a URI of the store.
        clock: UTC epoch seconds.
        lease_s: how long a claim holds.
        run_here: the attempt, once its files are here.
        most_lapses: claims of one invocation that may lapse before it is set aside.
        grant: the store of an attempt; None: all have `store`.
        price: of an attempt here; None where nothing has one.
        region: where this is.
        money: what may be spent of caps; None: nobody asks.
        sleep: waits between tries to say how an attempt ended.
    """

    ledger: Claims
    store: Store
    scratch: Path
    holder: str
    local_name: Callable[[str], str]
    clock: Callable[[], float] = time.time
    lease_s: float = LEASE_S
    run_here: Run = run_attempt
    most_lapses: int = MOST_LOSSES
    grant: Grant | None = None
    price: RunPrice | None = None
    region: str = ""
    money: SharedCaps | None = None
    sleep: Callable[[float], object] = time.sleep
    _stopping: threading.Event = field(default_factory=threading.Event, repr=False)
    _known: dict[str, LoadedBatch] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        sweep_scratch(self.scratch)  # of those who worked here before, and were killed

    def yield_back(self) -> None:
        """The host is going: what runs is given back, and nothing new is begun."""
        self._stopping.set()

    def run(
        self,
        invocation: str,
        *,
        ends_at: float | None = None,
        longer: bool = True,
        claimed: Callable[[], None] = lambda: None,
        since: float | None = None,
    ) -> After:
        """Claim an invocation, work on it, and say in the ledger what came of it.

        Args:
            invocation: ``<batch>.<n>``.
            ends_at: when it has to stop, UTC epoch seconds, if it is not done by then.
            longer: somebody else may take longer; else what did not fit has failed.
            claimed: called once the claim is ours: the notice is not needed any more.
            since: when what is billed for this attempt began, UTC epoch seconds; None: now.

        Raises:
            PlatformError: the ledger does not answer; the notice comes again.
        """
        now = self.clock()
        spec = self.ledger.spec(invocation.rpartition(".")[0])
        if spec is None:
            return After(None)
        claim = self.ledger.claim(invocation, self.holder, now, now + self.lease_s)
        if isinstance(claim, NotClaimed):
            over = claim.state is None or claim.state.ended
            return After(claim.state, None if over else max((claim.until or now) - now, 1.0))
        claimed()
        meter = Meter(self.price, self.clock, now if since is None else since, region=self.region)
        if claim.losses >= self.most_lapses:
            return self._set_aside(claim, meter)
        money = self._fund(claim, spec, meter)
        if isinstance(money, Short):
            return self._hold(claim, money, meter)
        watch = _Watch(
            self.ledger, claim, self.clock, self.lease_s, meter,
            money=money, stopping=self._stopping, ends_at=ends_at,
        )  # fmt: skip
        try:
            with watch.extending():
                made = self._attempt(claim, spec, watch, meter)
        except Exception as error:  # noqa: BLE001 - everything that a body can raise becomes an end
            watch.settle()
            failure = as_error(error, function_name(str(spec["function"])))
            if watch.yields and not longer and isinstance(failure, Cancelled) and not self._stopping.is_set():
                failure = _too_long(self.clock() - now)
            after = self._failed(claim, spec, watch, failure, seconds=self.clock() - now, longer=longer)
        else:
            watch.settle()
            body, seconds = made.data().decode(), self.clock() - now
            end = End(State.succeeded, body, seconds, made.media_s, cached=made.cached)
            if watch.cancelled and not made.published:  # what is asked to stop may return like any other
                end = End(State.cancelled, "{}", seconds)
            after = self._end(claim, end, meter)
        cost_nano = meter.cost().total
        return after._replace(attempt=claim.attempt, cost_nano=cost_nano, unpriced=meter.unpriced)

    def _fund(self, claim: Claim, spec: Mapping[str, Any], meter: Meter) -> AttemptMoney | Short | None:
        """What this attempt may spend, where somebody who pays has a cap."""
        if self.money is None or self.price is None:
            return None
        payer = Payer(str(spec.get("show", "")), claim.work.batch)
        capped = spec.get("max_cost_nano") is not None
        look_s = self.lease_s / LOOKS
        return fund(self.money, payer, meter, look_s, capped=capped, least=claim.spent_nano)

    def _hold(
        self, claim: Claim, short: Short, meter: Meter, error: Mapping[str, Any] | None = None
    ) -> After:
        """Let it wait for money: no try of it is used up. `error` tells of an attempt that had begun."""
        now, cost_nano = self.clock(), meter.cost().total
        until = min(now + HELD_S, short.frees_at or inf)
        held = self.ledger.hold(claim, until, short.sentence, free=True, cost_nano=cost_nano, error=error)
        return After(State.held, until - now) if held else After(State.running, self.lease_s)

    def _attempt(self, claim: Claim, spec: Mapping[str, Any], watch: _Watch, meter: Meter) -> Made:
        known, work = self._of(claim.work.batch, spec), claim.work
        params = known.params
        if work.params is not None:
            params = known.function.params_model.model_validate_json(work.params)
        task = Task(
            known.function,
            Asset(work.source, FrameRange(*work.frames) if work.frames else None),
            params,
            work.invocation,
            claim.attempt,
            key=work.key,
            fingerprint=work.fingerprint,
            subdir=work.subdir,
            tag=work.tag,
            charge=meter.charge,
            class_now=lambda: watch.priority,
            **known.shared,
        )
        if self.price is not None:
            task = replace(task, spent=lambda: Spent(claim.spent_nano + meter.cost().total, claim.spent_nano))
        with self.grant(reach_of(task), meter) if self.grant else nullcontext(self.store) as store:
            before = published_before(claim.intent, store) if claim.intent else None
            return before or run_remote(
                task,
                store,
                self.scratch,
                report=lambda *_: None,
                may_publish=watch.require,
                cancelled=watch.stopped,
                local_name=self.local_name,
                run=self.run_here,
            )

    def _of(self, batch: str, spec: Mapping[str, Any]) -> LoadedBatch:
        """A batch's function and options, loaded once."""
        if batch not in self._known:
            if len(self._known) >= BATCHES_KNOWN:
                self._known.clear()
            self._known[batch] = learn({**spec, "id": batch}, self.scratch)
        return self._known[batch]

    def _failed(  # noqa: PLR0911 - one for each thing that may have ended it
        self,
        claim: Claim,
        spec: Mapping[str, Any],
        watch: _Watch,
        failure: RushesError,
        *,
        seconds: float,
        longer: bool,
    ) -> After:
        meter = watch.meter
        if watch.lost:
            return After(State.running, self.lease_s)
        if watch.cancelled:
            return self._end(claim, End(State.cancelled, "{}", seconds), meter)
        if watch.short is not None and isinstance(failure, Cancelled):
            error = {"kind": "policy", "code": "out-of-money", "message": watch.short.sentence}
            return self._hold(claim, watch.short, meter, error)
        if watch.yields and isinstance(failure, Cancelled):
            going = self._stopping.is_set()
            reason = "its host had to go" if going else "it did not fit into the time that was left"
            error = {"kind": "platform", "code": "given-back", "message": reason}
            if self.ledger.give_back(claim, reason, cost_nano=meter.cost().total, error=error):
                return After(State.queued, 0.0, too_long=not going)
            return After(State.running, self.lease_s)
        retries, losses = int(spec.get("retries", 2)), claim.losses
        if failure.code in LOSS_CODES:
            # The ledger counts claims that lapsed, and tries: what retries do not account for was lost, too.
            losses = max(losses + 1, claim.attempt - retries)
        own_machine = watch.ends_at is not None
        verdict = decide(
            failure.kind,
            failure.code,
            claim.attempt - losses,
            losses,
            retries,
            claim.work.n,
            tries=claim.fence,
            progressed=True,  # what hangs is stopped by the attempt's own watchdog, under another code
            # A host has a disk and memory that others use too; who ends soon has a machine of its own.
            outgrew=reached(failure.code, None, seconds, progressed=True, own_machine=own_machine),
            # Nobody comes by to make room on a host that is rented.
            queued_s=inf if failure.code in FULL_CODES else 0.0,
            up=longer,
        )
        if isinstance(verdict, GoUp):
            cost_nano = meter.cost().total
            if self.ledger.give_back(claim, verdict.reason, cost_nano=cost_nano, error=failure.to_dict()):
                return After(State.queued, 0.0, too_long=True)
            return After(State.running, self.lease_s)
        body = failure.to_dict()
        if isinstance(verdict, GiveUp):
            body |= {"verdict": verdict.reason, "attempts": claim.attempt}
            return self._end(claim, End(State.failed, json.dumps({"error": body}), seconds), meter)
        until = self.clock() + verdict.delay_s
        cost_nano = meter.cost().total
        held = self.ledger.hold(
            claim, until, verdict.reason, free=verdict.free, cost_nano=cost_nano, error=body
        )
        return After(State.held, verdict.delay_s) if held else After(State.running, self.lease_s)

    def _set_aside(self, claim: Claim, meter: Meter) -> After:
        """End what took down, one after another, those who worked on it: nobody is left to say why."""
        error = PlatformError(
            f"{claim.losses} who worked on it died or fell silent under it.",
            code="set-aside",
            fix="See their logs for memory or a crash; then let it be tried again.",
        )
        body = error.to_dict() | {"verdict": "set aside: it is not tried again", "attempts": claim.losses}
        return self._end(claim, End(State.failed, json.dumps({"error": body})), meter)

    def _end(self, claim: Claim, end: End, meter: Meter) -> After:
        """End it, with what all its attempts have cost; what none of them made was for nothing."""
        cost = meter.cost()
        spent_nano = claim.spent_nano + cost.total
        if self.price is not None:
            lines = {name: nano for name, nano in asdict(cost).items() if nano}
            waste_nano = claim.spent_nano if end.state is State.succeeded else spent_nano
            said = json.dumps({"cost": {**lines, "total": spent_nano, "waste": waste_nano}})[1:]
            end = end._replace(data=f"{end.data[:-1]}{',' if len(end.data) > 2 else ''}{said}")
        done = self._finished(claim, end._replace(cost_nano=spent_nano))
        return After(end.state) if done else After(State.running, self.lease_s)

    def _finished(self, claim: Claim, end: End) -> bool:
        """Say how it ended; again where the ledger does not answer: else all the work would be done again.

        Raises:
            PlatformError: it has not answered for as long as a claim holds.
        """
        until = self.clock() + self.lease_s
        for failures in count(1):
            try:
                return self.ledger.finish(claim, end)
            except PlatformError:
                self.sleep(backoff_s(failures, claim.work.n, longest_s=LONGEST_REST_S))
                if self.clock() >= until:
                    raise
        raise AssertionError("unreachable: a count has no end")


def _too_long(seconds: float) -> PlatformError:
    return PlatformError(
        f"it was not done after {seconds:.0f} s, all the time that this tier has, and no tier takes longer.",
        code="time-limit",
        fix="Give the environment a tier of hosts, or encode in chunks.",
    )


class _Watch:
    """Keeps one claim, and knows why its attempt has to stop."""

    def __init__(
        self,
        ledger: Claims,
        claim: Claim,
        clock: Callable[[], float],
        lease_s: float,
        meter: Meter,
        *,
        money: AttemptMoney | None,
        stopping: threading.Event,
        ends_at: float | None,
    ) -> None:
        self._ledger, self._claim, self._clock, self._lease_s = ledger, claim, clock, lease_s
        self.meter = meter
        self._money = money
        self._stopping = stopping
        self.ends_at = ends_at
        self._until = claim.until
        self._done = threading.Event()
        self.lost = False
        self.cancelled = False
        self.priority = claim.priority
        """The class that a person has given it, or ""."""

    @property
    def yields(self) -> bool:
        """Its host is going, or this process ends soon."""
        return self._stopping.is_set() or (self.ends_at is not None and self._clock() >= self.ends_at)

    def stopped(self) -> bool:
        """Whether the attempt has to stop."""
        return self.lost or self.cancelled or self.yields or self.short is not None

    @property
    def short(self) -> Short | None:
        """Why there is no money for it to go on."""
        return None if self._money is None else self._money.short

    def settle(self) -> None:
        """The attempt has ended: what is counted from now on is not its own."""
        self.meter.stop()
        if self._money is not None:
            self._money.settle()

    def require(self, intent: str) -> None:
        """Go on only where the claim holds at this moment; what is published then is said beforehand.

        Raises:
            Cancelled: the batch was.
            PlatformError: another has it (``superseded``), or the ledger does not say.
        """
        self._extend(intent)
        if self.cancelled:
            raise Cancelled("its batch was cancelled.", code="cancelled")
        if self.lost:
            raise PlatformError(
                "this attempt was overtaken; it publishes nothing.",
                code="superseded",
                fix="Its successor goes on.",
            )
        if self._money is not None:
            self._money.look()
            if self._money.short is not None:
                raise Cancelled(self._money.short.sentence, code="cancelled")

    @contextmanager
    def extending(self) -> Iterator[None]:
        """Extend the claim from time to time while something runs."""
        thread = threading.Thread(target=self._keep, name=f"claim {self._claim.work.invocation}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def _keep(self) -> None:
        while not self._done.wait(self._lease_s / LOOKS):
            if self._money is not None:
                self._money.look()
            try:
                self._extend()
            except RushesError:
                # The ledger did not answer: it is asked again, until the claim has lapsed.
                self.lost = self.lost or self._clock() >= self._until
            if self.lost or self.cancelled or self.short is not None:
                return

    def _extend(self, intent: str = "") -> None:
        until = self._clock() + self._lease_s
        kept = self._ledger.extend(self._claim, until, cost_nano=self.meter.cost().total, intent=intent)
        self.lost, self.cancelled = kept == "lost", kept == "stop"
        if isinstance(kept, Moved):
            self.priority = kept.priority
        if not self.lost:
            self._until = until
