"""The router: one Lambda that every event of S3 comes to, and that hands it to all functions that want it.

Rules of S3 and EventBridge cannot say what triggers say (`rushes.triggers`), so they let a little more
through, and here it is matched exactly. For each function that wants an object there is one invocation in the
ledger and one message in the queue of its class. The message goes after the ledger: a router that dies in
between is called again with the same event, and an invocation that is there already is told of again, which
does no harm.

Nothing starts itself: a trigger that could match its own outputs is refused at import, receipts are no
clips, and an object that says whose work it is (``rushes-key``) starts nothing unless its trigger asks for
that; then it also says how many steps it is from a clip that somebody brought, and after three of them it
ends.
This module must not know what a function does.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rushes.core.capacity.beside import SUFFIX
from rushes.core.rollout import takes_new
from rushes.core.states import State
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import aws_settings
from rushes.engines.aws.called.intake import Order, take_in
from rushes.engines.aws.infra.deployment import group_of
from rushes.engines.aws.infra.host_tiers import PLAIN
from rushes.engines.aws.notices.events import Asked, asked_of, is_queue_event, is_within, of_message
from rushes.errors import CallerError, RushesError
from rushes.ledger import ON_HOSTS, ON_LAMBDA, Routed
from rushes.notices import Notice
from rushes.runtime.shared.objects.marks import KEY, hops_of
from rushes.triggers import OnS3, OnSchedule, OnSqs

if TYPE_CHECKING:
    from rushes.engines.aws.called.trial import Trials
    from rushes.engines.aws.notices.choosing import Chooser
    from rushes.function import Function
    from rushes.ports import Ledger
    from rushes.stored import Stored
    from rushes.triggers import Match

__all__ = ["EventRouter"]

MOST_HOPS: Final = 3
"""Functions of ours, one started by what another made, after which it ends: nobody declares longer chains,
and a loop through several buckets is one."""


class EventRouter:
    """Called by Lambda with events of S3, through EventBridge, S3 itself or a queue.

    Args:
        functions: those whose triggers count.
        queues: URL of the queue of each class, by name; ``<function>/<class>`` for one of a function's own.
        services: what to talk to; None makes them of the environment.
        clock: UTC epoch seconds.
        buckets, shows: what triggers mean in this environment (`OnS3.placed`).
        intakes: URL or ARN of the queue of each `on_sqs`, by its name.
        events: URL of the queue that events come from: what is a lot is handed over there; "" for at once.
        trials: functions of which a new version is tried, with the version that the rest of the work has.
        tiers: where functions have a Lambda and hosts have queues for them, too, what there is to choose from
            (`infra.choices`), or "".
        before: of functions whose trial is ending, by the title of a queue, the version that it was for.
    """

    def __init__(
        self,
        functions: Iterable[Function[Any, Any]],
        queues: Mapping[str, str],
        services: Services | None = None,
        clock: Callable[[], float] = time.time,
        *,
        buckets: Mapping[str, str] | None = None,
        shows: Sequence[str] = (),
        intakes: Mapping[str, str] | None = None,
        events: str = "",
        trials: Mapping[str, str] | None = None,
        tiers: str = "",
        before: Mapping[str, str] | None = None,
    ) -> None:
        self._wanted = [
            _Wanted(function, trigger, f"{function.name}/{number}")
            for function in functions
            for number, declared in enumerate(function.triggers)
            if isinstance(declared, OnS3)
            for trigger in declared.placed(buckets or {}, shows)
        ]
        self._queues = dict(queues)
        self._given = services
        self._clock = clock
        self._intakes = {_last(place): name for name, place in (intakes or {}).items()}
        self._events = events
        self._trials = dict(trials or {})
        self._tiers = tiers
        self._before = dict(before or {})

    @cached_property
    def _services(self) -> Services:
        return self._given or Services(aws_settings(), "router")

    def __call__(self, event: Any, context: Any) -> Any:
        """Route what an event tells of.

        Returns:
            For messages of a queue, those that failed, as Lambda wants them; for an hour that came, how many
            objects were handed over; else the invocations.
        """
        try:
            if isinstance(event, dict) and "hour" in event:
                return {"handed over": self.hour(str(event["hour"]))}
            if not is_queue_event(event):
                return [one.invocation for one in self.route(asked_of(event))]
            from aws_lambda_powertools.utilities import batch  # noqa: PLC0415 - only for these

            processor = batch.BatchProcessor(batch.EventType.SQS, raise_on_entire_batch_failure=False)
            return batch.process_partial_response(event, self._message, processor, context)
        finally:
            self._services.flush()

    def _message(self, record: Any) -> None:
        queue = _last(str(record.raw_event.get("eventSourceARN", "")))
        try:
            said = of_message(record.body)
            if isinstance(said, Notice):
                raise CallerError(
                    "a notice of the ledger came to the router.",
                    code="bad-event",
                    fix="Let only S3 send to its queue.",
                )
        except RushesError as error:  # it comes again, and is set aside: who processes batches says nothing
            self._services.say("not routed", queue=queue, error=error.to_dict())
            raise
        self.route(said, self._intakes.get(queue, ""))

    def route(self, objects: Sequence[Asked], intake: str = "") -> list[Notice]:
        """Hand objects to all functions that want them; gives what was told of.

        Args:
            objects: that came, or lie there.
            intake: the queue of an `on_sqs` that somebody named them in, or "".

        Raises:
            CallerError: there is no ledger, no queue for a class, or something is wrong with one of them; the
                others were handed over.
            PlatformError: a service does not answer; the same event again does no harm.
        """
        ledger = self._services.ledger
        if ledger is None:
            raise CallerError(
                "the router has no ledger.", code="no-ledger", fix="Set RUSHES_TABLE to its table."
            )
        routed, wrong = list[tuple[str, Notice]](), list[RushesError]()
        for one in dict.fromkeys(objects):  # who names an object a thousand times means it once
            try:
                routed += self._routed(one, intake, ledger)
            except RushesError as error:  # of this object: those beside it in the message are on their way
                self._services.say("not routed", object=f"s3://{one.bucket}/{one.key}", error=error.to_dict())
                wrong.append(error)
        for url in dict.fromkeys(url for url, _ in routed):
            self._services.queue(url).send([notice for to, notice in routed if to == url])
        for _, notice in routed:
            self._services.say("routed", invocation=notice.invocation)
        if wrong:  # the message comes again, and then is set aside; what is on its way does no harm twice
            raise wrong[0]
        return [notice for _, notice in routed]

    def _routed(self, one: Asked, intake: str, ledger: Ledger) -> list[tuple[str, Notice]]:
        """The queue and the notice of each function that wants an object."""
        matches = [
            (wanted, match)
            for wanted in self._wanted
            if wanted.hears(one, intake) and (match := wanted.trigger.match(one.bucket, one.key)) is not None
        ]
        if intake and not matches:  # of events most are nobody's; a message is somebody's wish
            self._services.say("not wanted", object=f"s3://{one.bucket}/{one.key}", queue=intake)
        return [told for pair in matches for told in self._taken_in(*pair, one, ledger)]

    def backfill(self, prefix: str) -> list[Notice]:
        """Hand over what is below a prefix already, as if it came now."""
        from rushes.storage.s3_uri import place_of  # noqa: PLC0415 - botocore comes with it

        places = (place_of(one.uri) for one in self._services.store.listing(prefix))
        return self.route([Asked(place.bucket, place.key) for place in places])

    def hour(self, only: str) -> int:
        """The hour of a trigger has come: what lies in its place is handed over to the queue of events."""
        from rushes.engines.aws.called.backfill import hand_over  # noqa: PLC0415 - botocore

        wanted = [one for one in self._wanted if one.id == only and isinstance(one.trigger, OnSchedule)]
        if not wanted:
            raise CallerError(
                f"there is no schedule {only!r} here.",
                code="bad-event",
                fix="Deploy the environment again with `rushes infra deploy`.",
            )
        services = self._services
        return sum(
            hand_over(
                services.store, services.client("sqs"), self._events,
                f"s3://{one.trigger.bucket}/{one.trigger.prefix}", only,
            )
            for one in wanted
        )  # fmt: skip

    def _taken_in(
        self, wanted: _Wanted, match: Match, asked: Asked, ledger: Ledger
    ) -> list[tuple[str, Notice]]:
        """Queues and notices; none where the object is gone, is our own, or is not ready."""
        from rushes.engines.aws.called.readiness import ready  # noqa: PLC0415 - botocore comes with it
        from rushes.storage.s3_uri import place_of  # noqa: PLC0415 - as above

        function, found = wanted.function, []
        for source in ready(self._services.store, wanted.trigger, match, asked):
            if not self._may_start(wanted.trigger, source):
                continue
            place = place_of(source.uri)
            own = match if match.source else wanted.trigger.match(place.bucket, place.key) or match
            out = _out(asked, own) or self._services.settings.out or None
            if function.makes_outputs and out is None:
                raise CallerError(
                    f"{function.name} makes files, and its trigger says no out.",
                    code="no-out",
                    fix='Write on_s3(..., out="s3://BUCKET/PREFIX"), or set RUSHES_OUT.',
                )
            params = function.params(None, **asked.params)
            show, out = asked.show or own.show, out if function.makes_outputs else None
            order = self._of_version(Order(function, source, params, out, show, own.priority), ledger)
            notice = take_in(order, ledger, self._clock())
            entry = ledger.entry(notice.invocation)
            if entry is None or entry.state is State.queued:
                tier = "" if entry is None else entry.work.tier  # as it was when it came first
                found.append((self._queue(order, notice.priority, tier), notice))
        return found

    def _of_version(self, order: Order, ledger: Ledger) -> Order:
        """An order for the version whose share it falls into, or that has it already; and who is to do it.

        What is for hosts is so for both versions, as the old one would place it, or what hosts do could not
        be compared. Where hosts have the old version alone, it goes to that.
        """
        function = order.function
        version = self._trials.get(function.name)
        if version is None:
            return self._begun(order, ledger) or replace(order, routed=self._placed(order))
        old = replace(order, old_version=version)
        old = replace(old, routed=self._placed(old))
        new = replace(order, title=f"{function.name}{SUFFIX}")
        share = self._tried.share(function.name, version, function.version)
        for_hosts = self._is_for_hosts(old)
        if group := self._group_tried(order):
            place = ON_HOSTS if for_hosts else ON_LAMBDA
            old = replace(old, compared=place)
            new = replace(new, compared=place, group=group, routed=old.routed)
        if for_hosts and (not group or share >= 100):  # hosts get the new version when it is deployed
            share = 0.0
        chosen, other = (new, old) if takes_new(order.number, share) else (old, new)
        # An event that comes again when the share has changed: what has begun ends on its version.
        return other if ledger.entry(f"{other.batch}.1") is not None else chosen

    def _begun(self, order: Order, ledger: Ledger) -> Order | None:
        """The same for the version that has it already, where a trial is ending: an event that came again."""
        name = order.function.name
        for title in (name, f"{name}{SUFFIX}"):
            version = self._before.get(title, order.version)
            if version == order.version:
                continue
            begun = replace(order, old_version=version)
            if title != name:
                begun = replace(begun, title=title, group=self._group_tried(order))
            if ledger.entry(f"{begun.batch}.1") is not None:
                return begun
        return None

    def _is_for_hosts(self, order: Order) -> bool:
        """Whether hosts are to do it, by its size, or because no Lambda can."""
        if order.routed is not None:
            return order.routed.tier == ON_HOSTS
        group = self._group(order)
        own = self._queues.get(f"{order.taker}/{order.priority}")
        return bool(group) and own == self._queues[f"{group}/{order.priority}"]

    def _group_tried(self, order: Order) -> str:
        """The hosts on trial that would do it; "" where there are none."""
        tried = f"{self._group(order)}{SUFFIX}"
        return tried if f"{tried}/{order.priority}" in self._queues else ""

    def _group(self, order: Order) -> str:
        """The hosts that take such work, too; "" for none."""
        groups = dict.fromkeys((group_of(order.function), PLAIN))
        return next((one for one in groups if f"{one}/{order.priority}" in self._queues), "")

    @cached_property
    def _tried(self) -> Trials:
        from rushes.engines.aws.called.trial import Trials  # noqa: PLC0415 - where something is tried

        services = self._services
        return Trials(services.client("dynamodb"), services.settings.table, clock=self._clock)

    def _may_start(self, trigger: OnS3, source: Stored) -> bool:
        """Whether an object may start something: what we made only where that is wanted, and not for ever."""
        if KEY not in source.about:
            return True
        hops = hops_of(source)
        if trigger.ours and hops < MOST_HOPS:
            return True
        if trigger.ours:
            self._services.say("loop", object=source.uri, hops=hops)
            self._services.count("loops")
        return False

    def _placed(self, order: Order) -> Routed | None:
        """Who is to do what is ordered, a Lambda or hosts; None where there is no choice."""
        function, priority = order.function, order.priority
        if self._chooser is None or f"{order.taker}/{priority}" not in self._queues:
            return None
        group = self._group(order)
        if not group:
            return None
        placing = self._chooser.placing(function, order.version, priority, group)
        return placing(order.source.size_bytes)

    @cached_property
    def _chooser(self) -> Chooser | None:
        from rushes.engines.aws.infra.choices import choices_from  # noqa: PLC0415 - where there is a choice
        from rushes.engines.aws.notices.choosing import Chooser  # noqa: PLC0415 - as above
        from rushes.runtime.shared.runs.book import RunBook  # noqa: PLC0415 - as above

        choices = choices_from(self._tiers)
        return None if choices is None else Chooser(choices, RunBook(self._services.runs, self._clock))

    def _queue(self, order: Order, priority: str, tier: str) -> str:
        function = order.taker
        hosts = (order.group,) if order.group else (group_of(order.function), PLAIN)
        takers = (*hosts, function) if tier == ON_HOSTS else (function,)
        names = [*(f"{one}/{priority}" for one in takers), priority]
        found = next((self._queues[name] for name in names if name in self._queues), None)
        if found is None:
            raise CallerError(
                f"there is no queue for class {priority} of {function}.",
                code="no-queue",
                fix=f"Give the router one beside {', '.join(sorted(self._queues)) or 'none'}.",
            )
        return found


class _Wanted(NamedTuple):
    """A function, one of its triggers, and what that is called by whoever hands objects over to it alone."""

    function: Function[Any, Any]
    trigger: OnS3
    id: str

    def hears(self, asked: Asked, intake: str) -> bool:
        """Whether what came is for this trigger, before it is matched."""
        if asked.only:
            return asked.only == self.id
        if isinstance(self.trigger, OnSqs):
            return bool(intake) and self.trigger.queue == intake
        return not intake and not isinstance(self.trigger, OnSchedule)


def _out(asked: Asked, match: Match) -> str:
    """Where outputs go: where a message wants them, within what its trigger says.

    Raises:
        CallerError: it wants them elsewhere.
    """
    if asked.out and is_within(asked.out, match.out):
        return asked.out
    if asked.out:
        raise CallerError(
            f"a message wants outputs in {asked.out}, and its trigger has them in {match.out or 'no place'}.",
            code="bad-event",
            fix="Name a place below that, or none.",
        )
    return match.out


def _last(place: str) -> str:
    """The name of a queue, of its URL or its ARN."""
    return re.split("[:/]", place)[-1]
