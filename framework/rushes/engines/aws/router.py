"""The router: one Lambda that every event of S3 comes to, and that hands it to all functions that want it.

Rules of S3 and EventBridge cannot say what triggers say (`rushes.triggers`), so they let a little more
through, and here it is matched exactly. For each function that wants an object there is one invocation in the
ledger and one message in the queue of its class. The message goes after the ledger: a router that dies in
between is called again with the same event, and an invocation that is there already is told of again, which
does no harm.

Nothing starts itself: a trigger that could match its own outputs is refused at import, receipts are no clips,
and an object that says whose work it is (``rushes-key``) starts nothing unless its trigger asks for that.
This module must not know what a function does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rushes.core.states import State
from rushes.engines.aws.events import Asked, asked_of, is_queue_event, of_message
from rushes.engines.aws.intake import Order, take_in
from rushes.engines.aws.services import Services
from rushes.engines.aws.settings import aws_settings
from rushes.errors import CallerError
from rushes.notices import Notice

if TYPE_CHECKING:
    from rushes.function import Function
    from rushes.ports import Ledger
    from rushes.stored import Stored
    from rushes.triggers import Match, OnS3

__all__ = ["Router"]

OURS = "rushes-key"


class Router:
    """Called by Lambda with events of S3, through EventBridge, S3 itself or a queue.

    Args:
        functions: those whose triggers count.
        queues: URL of the queue of each class, by name; ``<function>/<class>`` for one of a function's own.
        services: what to talk to; None makes them of the environment.
        clock: UTC epoch seconds.
        buckets, shows: what triggers mean in this environment (`OnS3.placed`).
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
    ) -> None:
        self._wanted = [
            (one, trigger)
            for one in functions
            for declared in one.triggers
            for trigger in declared.placed(buckets or {}, shows)
        ]
        self._queues = dict(queues)
        self._given = services
        self._clock = clock

    @cached_property
    def _services(self) -> Services:
        return self._given or Services(aws_settings(), "router")

    def __call__(self, event: Any, context: Any) -> Any:
        """Route what an event tells of.

        Returns:
            For messages of a queue, those that failed, as Lambda wants them; else the invocations.
        """
        if not is_queue_event(event):
            return [one.invocation for one in self.route(asked_of(event))]
        from aws_lambda_powertools.utilities import batch  # noqa: PLC0415 - only for these

        processor = batch.BatchProcessor(batch.EventType.SQS, raise_on_entire_batch_failure=False)
        return batch.process_partial_response(
            event, lambda record: self._message(record.body), processor, context
        )

    def _message(self, body: str) -> None:
        said = of_message(body)
        if isinstance(said, Notice):
            raise CallerError(
                "a notice of the ledger came to the router.",
                code="bad-event",
                fix="Let only S3 send to its queue.",
            )
        self.route(said)

    def route(self, objects: Sequence[Asked]) -> list[Notice]:
        """Hand objects to all functions that want them; gives what was told of.

        Raises:
            CallerError: there is no ledger, or no queue for a class.
            PlatformError: a service does not answer; the same event again does no harm.
        """
        ledger = self._services.ledger
        if ledger is None:
            raise CallerError(
                "the router has no ledger.", code="no-ledger", fix="Set RUSHES_TABLE to its table."
            )
        routed = [
            (self._queue(function.name, notice.priority), notice)
            for one in objects
            for function, trigger in self._wanted
            if (match := trigger.match(one.bucket, one.key)) is not None
            and (notice := self._taken_in(function, trigger, match, one, ledger)) is not None
        ]
        for url in dict.fromkeys(url for url, _ in routed):
            self._services.queue(url).send([notice for to, notice in routed if to == url])
        for _, notice in routed:
            self._services.say("routed", invocation=notice.invocation)
        return [notice for _, notice in routed]

    def backfill(self, prefix: str) -> list[Notice]:
        """Hand over what is below a prefix already, as if it came now."""
        from rushes.storage.s3_uri import place_of  # noqa: PLC0415 - botocore comes with it

        places = (place_of(one.uri) for one in self._services.store.listing(prefix))
        return self.route([Asked(place.bucket, place.key) for place in places])

    def _taken_in(
        self, function: Function[Any, Any], trigger: OnS3, match: Match, asked: Asked, ledger: Ledger
    ) -> Notice | None:
        """One invocation; None where the object is gone, is our own, or is not ready."""
        source = self._ready(trigger, match, asked)
        if source is None or OURS in source.about:
            return None
        params = function.params()
        out = match.out or self._services.settings.out or None
        if function.makes_outputs and out is None:
            raise CallerError(
                f"{function.name} makes files, and its trigger says no out.",
                code="no-out",
                fix='Write on_s3(..., out="s3://BUCKET/PREFIX"), or set RUSHES_OUT.',
            )
        order = Order(
            function, source, params, out if function.makes_outputs else None, match.show, match.priority
        )
        notice = take_in(order, ledger, self._clock())
        entry = ledger.entry(notice.invocation)
        return None if entry is not None and entry.state is not State.queued else notice

    def _ready(self, trigger: OnS3, match: Match, asked: Asked) -> Stored | None:
        """The clip, once all that it waits for is there."""
        from rushes.storage.s3_uri import uri_of  # noqa: PLC0415 - botocore comes with it

        store = self._services.store
        if match.source:
            source = self._look(uri_of(asked.bucket, match.source, asked.version))
            beside = not match.sidecar or self._beside(asked.bucket, match.sidecar)
            return source if beside else None
        stem = match.sidecar.rpartition(".")[0]
        for one in store.listing(uri_of(asked.bucket, f"{stem}.")):
            if trigger.is_clip(one.uri):
                return self._look(one.uri)
        return None

    def _beside(self, bucket: str, sidecar: str) -> bool:
        """Whether a sidecar is there, its extension in either case."""
        from rushes.storage.s3_uri import uri_of  # noqa: PLC0415 - as above

        stem, _, suffix = sidecar.rpartition(".")
        there = self._services.store.listing(uri_of(bucket, f"{stem}."))
        return any(one.uri.lower().endswith(f".{suffix.lower()}") for one in there)

    def _look(self, uri: str) -> Stored | None:
        try:
            return self._services.store.look(uri)
        except CallerError as error:
            if error.code == "not-found":  # it was removed again
                return None
            raise

    def _queue(self, function: str, priority: str) -> str:
        found = self._queues.get(f"{function}/{priority}") or self._queues.get(priority)
        if found is None:
            raise CallerError(
                f"there is no queue for class {priority} of {function}.",
                code="no-queue",
                fix=f"Give the router one beside {', '.join(sorted(self._queues)) or 'none'}.",
            )
        return found
