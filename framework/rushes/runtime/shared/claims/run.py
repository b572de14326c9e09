"""One notice, from the claim to the end in the ledger: what a Lambda and a host do alike.

The claim is extended from a thread while the attempt runs. When it is lost, or a person cancels the batch,
the attempt is asked to stop, and nothing of it becomes visible: whether it may publish is asked of the ledger
itself. What follows a failure is decided by `after_failure`. What an attempt has cost is said with whatever
it came to, so that one that is tried again, or handed on, is paid for once. What died between its gate and
its end is ended by whoever claims it next, without the body, if its outputs are there.
This module must not know which ledger and which store it is, nor where the notice came from.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rushes.asset import Asset, FrameRange
from rushes.core.learning.run_cells import RunKind
from rushes.core.retry import MOST_LOSSES
from rushes.core.spending.budget import Payer
from rushes.core.spending.run_price import RunPrice
from rushes.core.states import State
from rushes.errors import RushesError
from rushes.invocation import Spent, function_name
from rushes.ledger import ON_HOSTS, ON_LAMBDA, Claim, End, NotClaimed
from rushes.ports import Claims, Store
from rushes.runtime.attempts.attempt import run_attempt
from rushes.runtime.attempts.raised import as_error
from rushes.runtime.attempts.task import Made, Task
from rushes.runtime.shared.alarms import Alarms
from rushes.runtime.shared.claims.after_failure import GivenBack, HeldFor, after_failure, held_for_money
from rushes.runtime.shared.claims.ends import After, ClaimEnds
from rushes.runtime.shared.claims.known_batches import KnownBatches
from rushes.runtime.shared.claims.sent_version import awaited_s, is_other, key_of_version
from rushes.runtime.shared.claims.watch import LOOKS, ClaimWatch
from rushes.runtime.shared.money.attempt import AttemptMoney, fund
from rushes.runtime.shared.money.caps import SharedCaps
from rushes.runtime.shared.money.meter import Meter
from rushes.runtime.shared.money.tranches import Short
from rushes.runtime.shared.objects.attempt import (
    FolderOf,
    Lend,
    Run,
    StoreReach,
    lending,
    reach_of,
    run_remote,
)
from rushes.runtime.shared.objects.intent import published_before
from rushes.runtime.shared.objects.patient_publication import Patience
from rushes.runtime.shared.objects.scratch import attempt_scratch, sweep_scratch
from rushes.runtime.shared.runs.log import RunLog

__all__ = ["After", "ClaimRunner", "Grant"]

LEASE_S: Final = 60.0
"""How long a claim holds that nobody extends: as long as a host may be dead before another takes over."""
DIED_HERE: Final = 2
"""Claims that lapsed, after which a Lambda lets hosts have it: one whose memory is full is killed whole."""

Grant = Callable[[StoreReach, Meter], AbstractContextManager[Store]]
"""Gives an attempt the store by which it reaches what it has to, and no more, and whose use is metered."""


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
        unfit: told what an attempt failed of, its invocation and function; says why this machine is at fault,
            and not the work, which goes back then as if it had never been here. "" where it is not.
        lacks: told a function that is not to be had here, and why: work of it is left to others. None: there
            are no others, and it fails.
        sleep: waits between tries to say how an attempt ended.
        tier: what this is, where there is a choice: `rushes.ledger.ON_LAMBDA` or `ON_HOSTS`; "" for neither.
        runs: told what attempts here took; None: nobody.
        folder_of: gives an attempt a folder of its own in `scratch`.
        lend: lets the body of an attempt sign in; None: it is given nothing.
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
    unfit: Callable[[RushesError, str, str], str] = lambda *_: ""
    lacks: Callable[[str, str], None] | None = None
    sleep: Callable[[float], object] = time.sleep
    tier: str = ""
    runs: RunLog | None = None
    folder_of: FolderOf = attempt_scratch
    lend: Lend | None = None
    _stopping: threading.Event = field(default_factory=threading.Event, repr=False)
    _known: KnownBatches = field(init=False, repr=False)
    _alarms: Alarms = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._known = KnownBatches(self.scratch)
        self._alarms = Alarms(self.lease_s / LOOKS)
        sweep_scratch(self.scratch)  # of those who worked here before, and were killed

    @property
    def _ends(self) -> ClaimEnds:
        priced = self.price is not None
        return ClaimEnds(self.ledger, self.clock, self.sleep, self.lease_s, priced=priced)

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
        batch = invocation.rpartition(".")[0]
        spec = self.ledger.spec(batch)
        if spec is None:
            return After(None)
        if self.lacks is not None and (why := self._known.why_missing(batch, spec)):
            self.lacks(function_name(str(spec["function"])), why)
            return After(State.queued, lacks=why)
        claim = self.ledger.claim(invocation, self.holder, now, now + self.lease_s)
        if isinstance(claim, NotClaimed):
            over = claim.state is None or claim.state.ended
            return After(claim.state, None if over else max((claim.until or now) - now, 1.0))
        claimed()
        meter = Meter(self.price, self.clock, now if since is None else since, region=self.region)
        if longer and self.tier == ON_LAMBDA:
            if claim.work.tier == ON_HOSTS:  # a notice that came again, or stayed behind
                return self._ends.given_back(claim, meter, f"it is for {ON_HOSTS}")._replace(too_long=True)
            if claim.losses >= DIED_HERE:
                self._learn(claim, spec, 0.0, RunKind.memory)
                reason = f"{claim.losses} Lambdas that worked on it died or fell silent"
                return self._ends.given_back(claim, meter, reason, up=True)
        return self._run(claim, spec, meter, since=now, ends_at=ends_at, longer=longer)

    def _run(
        self,
        claim: Claim,
        spec: Mapping[str, Any],
        meter: Meter,
        *,
        since: float,
        ends_at: float | None,
        longer: bool,
    ) -> After:
        """Work on what is ours now, unless there is a reason not to."""
        if claim.losses >= self.most_lapses:
            return self._ends.set_aside(claim, meter)
        if awaited := self._awaited(claim, spec):
            return self._ends.go_on(claim, awaited, meter)
        money = self._fund(claim, spec, meter)
        if isinstance(money, Short):
            return self._ends.go_on(claim, held_for_money(money, self.clock(), begun=False), meter)
        watch = ClaimWatch(
            self.ledger, claim, self.clock, self.lease_s, meter,
            money=money, stopping=self._stopping, ends_at=ends_at,
        )  # fmt: skip
        try:
            with watch.extending(self._alarms):
                claim, made = self._attempt(claim, spec, watch, meter)
        except Exception as error:  # noqa: BLE001 - everything that a body can raise becomes an end
            failure = as_error(error, function_name(str(spec["function"])))
            unfit = (
                "" if watch.stopped() else self.unfit(failure, claim.work.invocation, str(spec["function"]))
            )
            if unfit:
                meter.waive()
            watch.settle()
            ended = self.clock()
            then = after_failure(
                claim, failure, replace(watch.why(), unfit=unfit), now=ended, seconds=ended - since,
                retries=int(spec.get("retries", 2)), longer=longer,
            )  # fmt: skip
            if isinstance(then, GivenBack) and then.too_big is not None:
                self._learn(claim, spec, ended - since, then.too_big)
            after = self._ends.go_on(claim, then, meter)
        else:
            watch.settle()
            body, seconds = made.data().decode(), self.clock() - since
            if not made.cached and not claim.intent:  # else it was there already, perhaps
                self._learn(claim, spec, made.worked_s or seconds, RunKind.ran)
            end = End(State.succeeded, body, seconds, made.media_s, cached=made.cached)
            if watch.cancelled and not made.published:  # what is asked to stop may return like any other
                end = End(State.cancelled, "{}", seconds)
            after = self._ends.end(claim, end, meter)
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

    def _awaited(self, claim: Claim, spec: Mapping[str, Any]) -> HeldFor | None:
        """The code that this was sent for is awaited, where it is not the code here; None: done here."""
        if claim.intent or not spec.get("version"):  # what was about to be published is only ended here
            return None
        try:
            here = self._known.of(claim.work.batch, spec).function.version
        except Exception:  # noqa: BLE001 - what cannot be loaded fails in its attempt, and says why there
            return None
        sent = str(spec["version"])
        delay_s = awaited_s(claim.fence, claim.work.n) if is_other(sent, here) else None
        if delay_s is None:
            return None
        reason = f"it was sent for version {sent}, and here is version {here}; this costs no attempt"
        error = {"kind": "platform", "code": "awaits-version", "message": f"{reason}."}
        return HeldFor(delay_s, reason, free=True, error=error)

    def _attempt(
        self, claim: Claim, spec: Mapping[str, Any], watch: ClaimWatch, meter: Meter
    ) -> tuple[Claim, Made]:
        """What was made, and the claim with the key of that."""
        known, work = self._known.of(claim.work.batch, spec), claim.work
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
            routed=None if work.routed is None else work.routed._asdict(),
            **known.shared,
        )
        if self.price is not None:
            task = replace(task, spent=lambda: Spent(claim.spent_nano + meter.cost().total, claim.spent_nano))
        reach = reach_of(task)
        with self.grant(reach, meter) if self.grant else nullcontext(self.store) as store:
            before = published_before(claim.intent, store) if claim.intent else None
            if before:
                return claim, before
            sent, here = str(spec.get("version") or ""), known.function.version
            if other := is_other(sent, here):
                claim = replace(claim, work=work._replace(key=key_of_version(work.key, here)))
                task = replace(task, key=claim.work.key)
            made = run_remote(
                task,
                store,
                self.scratch,
                report=lambda *_: None,
                may_publish=watch.require,
                cancelled=watch.stopped,
                local_name=self.local_name,
                run=self.run_here,
                patience=Patience(self.clock, self.sleep),
                folder_of=lending(self.folder_of, self.lend, reach) if self.lend else self.folder_of,
            )
        if other:
            said = f"sent for version {sent}, made by version {here}"
            made = replace(made, warnings=(*made.warnings, said))
        return claim, made

    def _learn(self, claim: Claim, spec: Mapping[str, Any], seconds: float, outcome: RunKind) -> None:
        """Note what an attempt took, for its function and the size of its clip."""
        if self.runs is not None:
            try:
                function = self._known.of(claim.work.batch, spec).function
            except Exception:  # noqa: BLE001 - what cannot be loaded teaches nothing, and says so in its attempt
                return
            self.runs.ran(function.name, function.version, claim.work.size_bytes, seconds, outcome)
