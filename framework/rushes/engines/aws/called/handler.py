"""``function.lambda_handler``: what AWS Lambda calls for one function.

    messages of SQS      notices of the ledger, or S3's own: only those that failed come back
    events of S3         through EventBridge or by S3 itself
    direct calls         {"source": "s3://…", "params": {…}, "out": "s3://…"}; answered with the result

With a ledger (`RUSHES_TABLE`) every object that came is an invocation whose id follows from the object, so an
event that comes five times is worked on once. Without one, the same work is done again and its publication
finds that it is there.

Nothing of an SDK is imported before the first event: a cold start imports the function and little else. A
zip cannot hold ffmpeg and PyAV, whose unpacked size is beyond Lambda's limit for one; functions on Lambda are
container images. This module must not know which functions there are.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from rushes.core.states import State
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import STOP_S, aws_settings
from rushes.engines.aws.called.intake import Order, take_in
from rushes.engines.aws.called.prints import unsigned_prints
from rushes.engines.aws.notices.events import Asked, asked_of, is_queue_event, is_within, of_message
from rushes.errors import CallerError, Cancelled, MediaError, PlatformError, RushesError, error_from_dict
from rushes.notices import Notice

if TYPE_CHECKING:
    from rushes.core.spending.run_price import RunPrice
    from rushes.function import Function
    from rushes.ports import Ledger, Queue
    from rushes.runtime.shared.claims.run import After
    from rushes.runtime.shared.money.caps import SharedCaps
    from rushes.runtime.shared.runs.log import RunLog
    from rushes.stored import Stored

__all__ = ["LambdaHandler"]

LONGEST_DELAY_S: Final = 900
"""That SQS keeps a message back; what waits longer is told again by whoever sweeps the ledger."""

SILENT_S: Final = 120
"""After so long a service that did not answer is asked again; each time in a row after twice as long."""
MOST_SILENCES: Final = 96
"""About a day, by the longest of these delays: a role or a network that is wrong does not mend itself, and
nobody would hear of it, since no message fails."""


class LambdaHandler:
    """Called by Lambda with an event and a context.

    Args:
        function: the author's.
        services: what to talk to; None makes them of the environment.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        function: Function[Any, Any],
        services: Services | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._function = function
        self._given = services
        self._clock = clock
        self._call = _Call(0.0, None)

    @cached_property
    def _services(self) -> Services:
        return self._given or Services(aws_settings(), self._function.name)

    @cached_property
    def _money(self) -> SharedCaps | None:
        """What this process may spend of caps, from one call to the next."""
        return self._services.share(f"lambda:{self._function.name}", self._clock)

    @cached_property
    def _runs(self) -> RunLog | None:
        """What runs of this process took, from one call to the next."""
        if not self._services.settings.table:
            return None
        from rushes.ledger import ON_LAMBDA  # noqa: PLC0415 - not at a cold start
        from rushes.runtime.shared.runs.log import RunLog  # noqa: PLC0415 - the runtime, as in `_run`

        return RunLog(self._services.runs, ON_LAMBDA, self._clock)

    def __call__(self, event: Any, context: Any) -> Any:
        """Do what an event asks for.

        Returns:
            For messages of a queue, those that failed, as Lambda wants them; else what came of each clip.

        Raises:
            RushesError: of an event of S3 or a direct call of which a clip failed.
        """
        left = getattr(context, "get_remaining_time_in_millis", None)
        now = self._clock()
        self._call = _Call(now, None if left is None else now + left() / 1000)
        self._services.begin(getattr(context, "aws_request_id", ""))
        try:
            if is_queue_event(event):
                return self._messages(event, context)
            return [self._asked(one, context) for one in asked_of(event)]
        except RushesError as error:  # Lambda writes what is raised into its log, and answers with it
            from rushes.runtime.attempts.raised import as_error  # noqa: PLC0415 - as in `_run`

            raise as_error(error, self._function.name) from None
        finally:
            self._services.flush()

    # -- messages ------------------------------------------------------------------------------------------

    def _messages(self, event: Any, context: Any) -> Any:
        from aws_lambda_powertools.utilities import batch  # noqa: PLC0415 - half a second, and only for these

        # All of a batch may fail, when the ledger does not answer: they come back one by one, not as a fault.
        processor = batch.BatchProcessor(batch.EventType.SQS, raise_on_entire_batch_failure=False)
        return batch.process_partial_response(
            event, lambda record: self._message(record, context), processor, context
        )

    def _message(self, record: Any, context: Any) -> None:
        said = of_message(record.body)
        if isinstance(said, Notice):
            sent_ms = record.raw_event.get("attributes", {}).get("SentTimestamp")
            try:
                self._notice(said, context, int(sent_ms) / 1000 if sent_ms else None)
            except RushesError as error:
                self._send_back(said, error)
            return
        for one in said:
            try:
                self._require_own_place(one)
                self._asked(one, context)
            except (CallerError, MediaError) as error:  # it would fail again
                self._services.say("failed", object=f"s3://{one.bucket}/{one.key}", error=error.to_dict())

    def _notice(self, notice: Notice, context: Any, sent_at: float | None) -> None:
        services = self._services
        if services.ledger is None:
            raise CallerError(
                "a notice came, and there is no ledger.", code="no-ledger", fix="Set RUSHES_TABLE."
            )
        from rushes.engines.aws.called.misrouted import passed_on  # noqa: PLC0415 - the ledger, as the runtime

        if why := passed_on(services.ledger, notice, self._function, self._clock()):
            services.say("misrouted", invocation=notice.invocation, reason=why)
            return
        back = services.settings.queue_of(notice.priority)
        if back and not self._call.has_time(self._clock()):
            services.queue(back).send([notice])  # a message that failed would be hidden for a while
            return
        if why := self._lowered(notice):
            services.say("lowered", invocation=notice.invocation, reason=why)
            return
        self._run(notice, services.ledger, context, sent_at)

    def _send_back(self, notice: Notice, error: RushesError) -> None:
        """Have a notice come again soon where a service did not answer, and no work was at fault.

        A message that fails is hidden for six times as long as a Lambda may run, and after five of these it
        is set aside: for a silence of seconds its work would wait for hours, for one of hours for a person.

        Raises:
            RushesError: it was something else, it has been so for a day, or the queue does not answer either.
        """
        from rushes.core.retry import HOST_CODES, SERVICE_CODES  # noqa: PLC0415 - not at a cold start

        back = self._services.settings.queue_of(notice.priority)
        silences = notice.silences
        if not back or error.code not in SERVICE_CODES | HOST_CODES or silences >= MOST_SILENCES:
            raise error
        delay_s = min(SILENT_S << min(silences, 3), LONGEST_DELAY_S)
        try:
            self._services.queue(back).send([notice._replace(silences=silences + 1)], delay_s=delay_s)
        except RushesError:
            raise error from None
        self._services.say("waits", invocation=notice.invocation, error=error.to_dict())

    def _lowered(self, notice: Notice) -> str:
        """Send a notice on to the class below, where its payer is beyond a soft limit; gives why."""
        if self._money is None:
            return ""
        from rushes.engines.aws.notices.lowering import sent_lower  # noqa: PLC0415 - the runtime, not at a cold start

        services = self._services

        def queue_of(priority: str) -> Queue | None:
            url = services.settings.queue_of(priority)
            return services.queue(url) if url else None

        return sent_lower(notice, self._money, queue_of, services.settings.ranks)

    def _run(self, notice: Notice, ledger: Ledger, context: Any, sent_at: float | None = None) -> After:
        from rushes.engines.aws.called.attempt_log import AttemptLog  # noqa: PLC0415 - not at a cold start
        from rushes.ledger import ON_LAMBDA  # noqa: PLC0415 - not at a cold start
        from rushes.runtime.shared.claims.run import ClaimRunner  # noqa: PLC0415 - the runtime, not at a cold start
        from rushes.storage.s3_uri import local_name, place_of  # noqa: PLC0415 - with it

        if not self._call.has_time(self._clock()):
            raise PlatformError(
                f"there is too little time left for {notice.invocation}.",
                code="no-time",
                fix="It comes again by itself.",
            )
        services, settings = self._services, self._services.settings
        log = AttemptLog(settings.scratch)
        runner = ClaimRunner(
            ledger,
            services.store,
            settings.scratch,
            f"lambda:{getattr(context, 'aws_request_id', os.getpid())}",
            lambda uri: local_name(place_of(uri).key),
            clock=self._clock,
            lease_s=settings.lease_s,
            run_here=log.run,
            grant=services.grant,
            price=self._price(),
            region=services.region,
            money=self._money,
            tier=ON_LAMBDA,
            runs=self._runs,
        )
        back, longer = settings.queue_of(notice.priority), settings.longer_of(notice.priority)
        try:
            with services.traced("attempt", notice.invocation) as note, unsigned_prints(notice.invocation):
                after = runner.run(
                    notice.invocation,
                    ends_at=self._call.stops_at,
                    longer=bool(longer),
                    since=self._call.billed_from,
                )
                note("state", after.state.value if after.state else "unknown")
        finally:
            self._call.done(self._clock())
            log.tell(services.say)
            if self._money is not None:
                with suppress(RushesError):  # it comes back when this process was not heard of
                    self._money.tend(keep=True)
            if self._runs is not None:
                self._runs.tend()
        if after.too_long:
            services.queue(longer).send([notice])
        elif after.again_s is not None and after.again_s <= LONGEST_DELAY_S and back:
            services.queue(back).send([notice], delay_s=ceil(after.again_s))
        if after.unpriced:
            services.say("unpriced", missing=after.unpriced)
        state = after.state.value if after.state else "unknown"
        services.tell(state, notice.invocation, attempted=after.attempt > 0, cost_nano=after.cost_nano,
                      turnaround_s=None if sent_at is None else self._clock() - sent_at)  # fmt: skip
        return after

    def _price(self) -> RunPrice | None:
        """Of the next attempt: the request itself is paid for once."""
        price = self._services.price
        return price.further() if price is not None and self._call.begun else price

    # -- clips ---------------------------------------------------------------------------------------------

    def _asked(self, asked: Asked, context: Any) -> Any:
        """Work on a clip, and give what came of it."""
        from rushes.storage.s3_uri import uri_of  # noqa: PLC0415 - not at a cold start

        uri = uri_of(asked.bucket, asked.key, asked.version)
        out = self._out(asked, uri)
        found = self._services.store.look(uri)
        if self._services.ledger is None:
            with self._services.traced("attempt", found.uri):
                return self._alone(asked, out, found)
        return self._through_ledger(asked, out, found, self._services.ledger, context)

    def _out(self, asked: Asked, uri: str) -> str | None:
        """Where outputs go; None for a function that makes none.

        Raises:
            CallerError: nobody said, or it is where the clip came from (``own-output``).
        """
        if not self._function.makes_outputs:
            return None
        out = asked.out or self._services.settings.out
        if not out:
            raise CallerError(
                f"{self._function.name} makes files and was given no place for them.",
                code="no-out",
                fix="Set RUSHES_OUT to s3://BUCKET/PREFIX, or say out in the call.",
            )
        if uri.startswith(f"{out.rstrip('/')}/"):
            raise CallerError(
                f"{uri} is below {out}, where outputs go: each would be the next clip.",
                code="own-output",
                fix="Let outputs go to another bucket or prefix.",
            )
        return out

    def _require_own_place(self, asked: Asked) -> None:
        """Let no message choose where outputs go: who may send one is not who may write wherever we may.

        Raises:
            CallerError: it names a place that is not below that of this function (``bad-event``).
        """
        own = self._services.settings.out
        if asked.out and not is_within(asked.out, own):
            raise CallerError(
                f"a message wants outputs in {asked.out}, which is not below "
                f"{own or 'any place that this function was given'}.",
                code="bad-event",
                fix="Leave it out, call the function itself, or use on_sqs(queue, place, out=…).",
            )

    def _through_ledger(
        self, asked: Asked, out: str | None, found: Stored, ledger: Ledger, context: Any
    ) -> Any:
        """As an invocation whose id follows from the clip, so that an event that comes again is the same."""
        order = Order(
            self._function, found, self._function.params(None, **asked.params), out,
            asked.show or self._services.settings.show,
        )  # fmt: skip
        notice = take_in(order, ledger, self._clock())
        after = self._run(notice, ledger, context)
        entry = ledger.entry(notice.invocation)
        if entry is None or entry.end is None:
            state = after.state or State.queued
            raise PlatformError(
                f"{found.uri} is {state.value}, not done yet.", code="not-done", fix="It is tried again."
            )
        data = json.loads(entry.end.data)
        if entry.end.state is State.cancelled:
            raise Cancelled(f"{found.uri} was cancelled.")
        if entry.end.state is State.failed:
            raise error_from_dict(data["error"])
        return {"invocation": notice.invocation, "source": found.uri, **data}

    def _alone(self, asked: Asked, out: str | None, found: Stored) -> Any:
        """Without a ledger: the publication settles who was first."""
        from rushes.engines.aws.called.unrecorded import run_unrecorded  # noqa: PLC0415 - as in `_run`
        from rushes.runtime.shared.money.meter import Meter  # noqa: PLC0415 - as in `_run`

        services, stops_at = self._services, self._call.stops_at
        show = asked.show or services.settings.show
        order = Order(self._function, found, self._function.params(None, **asked.params), out, show)
        meter = Meter(self._price(), self._clock, self._call.billed_from, region=services.region)
        try:
            return run_unrecorded(
                order, services, meter, lambda: stops_at is not None and self._clock() >= stops_at
            )
        finally:
            self._call.done(self._clock())


@dataclass
class _Call:
    """One call of the handler, and how far it is.

    Args:
        billed_from: when what is billed for the next attempt began, UTC epoch seconds.
        ends_at: when Lambda ends the process, or None.
    """

    billed_from: float
    ends_at: float | None
    begun: int = 0
    """Attempts so far."""
    _from: float = field(init=False)

    def __post_init__(self) -> None:
        self._from = self.billed_from

    @property
    def stops_at(self) -> float | None:
        """When an attempt has to stop."""
        return None if self.ends_at is None else self.ends_at - STOP_S

    def has_time(self, now: float) -> bool:
        """Whether another attempt may begin: half of the time is left.

        What came in one batch with longer work is not to be taken for too long itself.
        """
        return not self.begun or self.ends_at is None or now - self._from <= (self.ends_at - self._from) / 2

    def done(self, now: float) -> None:
        """An attempt has ended."""
        self.begun += 1
        self.billed_from = now
