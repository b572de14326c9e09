"""The engine of an environment on AWS, as a laptop sees it: sends work, follows it, steers it.

Nothing runs here. Invocations go into the shared ledger and messages about them into queues; Lambdas and
hosts work on them, and what came of each is read from the ledger. A batch is called ``k7m2qx@dev``, so that
its name alone says where it is. This module must not know who does the work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

from rushes.core.states import State
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import aws_settings
from rushes.engines.aws.infra.deployment import Deployment, deployment_of, group_of
from rushes.engines.aws.infra.host_tiers import PLAIN
from rushes.engines.aws.laptop.followed import LOOKED_AT, Followed
from rushes.engines.aws.laptop.sending import LOOKERS, Sender, marked, sendable
from rushes.engines.aws.laptop.told import where_logged
from rushes.errors import CallerError
from rushes.invocation import BatchSpec, BatchStatus, Finished, Invocation
from rushes.ledger import ON_HOSTS
from rushes.runtime.refusals import has_ended, known_class
from rushes.runtime.sending.batch_ids import new_batch_id
from rushes.stored import Restored, Stored

if TYPE_CHECKING:
    from rushes.asset import Asset
    from rushes.engines.aws.fleet.fleet_notes import Resting
    from rushes.engines.aws.laptop.offers import Offered
    from rushes.function import Function, Options, Params, Result
    from rushes.ledger import Routed
    from rushes.notices import Redriven
    from rushes.ports import Ledger, Money, Queue
    from rushes.runtime.sending.quoting import BatchQuote
    from rushes.runtime.shared.run_book import RunBook
    from rushes.runtime.sources.inputs import Found

__all__ = ["AwsEngine"]

POLL_S: Final = 1.0
"""How often a follower asks how far a batch is: some ten small requests."""
MARKS_KEPT: Final = 1024
"""Of clips that are named again and again, with other options."""
STOPPED_S: Final = 150.0
"""What a cancelled batch may go on for: a claim is heard of within a minute, or lapses after one."""
_KEPT: Final = (
    "function", "version", "params", "source_digest", "out", "priority", "show", "deadline", "tags", "name",
    "receipts", "force", "retries", "title", "settle_s", "quote", "max_cost_nano",
)  # fmt: skip
"""Of what batches share, what whoever works on them has to know."""


class AwsEngine:
    """`rushes.ports.Engine` on an environment that `rushes infra deploy` made.

    Args:
        environment: its name; "" for the one that `RUSHES_AWS_ENV`, or `RUSHES_TABLE` and `RUSHES_ROUTES`,
            tell of.
        environ: variables; the process's by default.
        services: store, ledger and queues; None makes them of the environment.
        deployment: where its parts are; None asks its stack.
        poll_s: how often a follower asks.
        clock: UTC epoch seconds.
    """

    name = "aws"

    def __init__(
        self,
        environment: str = "",
        environ: Mapping[str, str] | None = None,
        *,
        services: Services | None = None,
        deployment: Deployment | None = None,
        poll_s: float = POLL_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._environ = dict(os.environ if environ is None else environ)
        self._asked = environment
        self._given = services, deployment
        self._poll_s = poll_s
        self._clock = clock
        self._sent: dict[str, int] = {}

    # -- what it is made of --------------------------------------------------------------------------------

    @cached_property
    def deployment(self) -> Deployment:
        """Where the parts of the environment are."""
        return self._given[1] or deployment_of(self._asked, self._environ, self._plain.client)

    @cached_property
    def _plain(self) -> Services:
        return self._given[0] or Services(aws_settings(self._environ), "laptop")

    @cached_property
    def services(self) -> Services:
        """What to talk to."""
        if self._given[0] is not None:
            return self._given[0]
        return Services(replace(aws_settings(self._environ), table=self.deployment.table), "laptop")

    @cached_property
    def _ledger(self) -> Ledger:
        found = self.services.ledger
        if found is None:
            raise CallerError(
                "the environment has no ledger.", code="no-ledger", fix="Set RUSHES_TABLE to its table."
            )
        return found

    def _sender(self, spec: Mapping[str, Any]) -> Sender:
        where = str(spec["title"]), str(spec.get("group", "")), str(spec["priority"])

        def queue(tier: str) -> Queue:
            return self.services.queue(self.deployment.queue_of(*where, tier))

        return Sender(self._ledger, self.services.store, queue, self._placing(spec))

    def _placing(self, spec: Mapping[str, Any]) -> Callable[[int], Routed | None]:
        """Where work of a batch on a clip of so many bytes is to run, as far as there is a choice."""
        from rushes import catalog  # noqa: PLC0415 - a follower sends nothing
        from rushes.engines.aws.infra.choices import choices_from  # noqa: PLC0415 - as above
        from rushes.engines.aws.notices.choosing import Chooser  # noqa: PLC0415 - as above

        title, group, priority = (str(spec.get(one) or "") for one in ("title", "group", "priority"))
        hosts = self.deployment.hosts_beside(title, group, priority)
        choices = choices_from(self.deployment.choices) if hosts else None
        if choices is None:
            return lambda _: None
        function = catalog.find(str(spec["function"]))
        return Chooser(choices, self._runs).placing(function, str(spec["version"]), priority, hosts)

    @cached_property
    def _runs(self) -> RunBook:
        """What runs of this environment took."""
        from rushes.runtime.shared.run_book import RunBook  # noqa: PLC0415 - as above

        return RunBook(self.services.runs, self._clock)

    # -- clips and places ----------------------------------------------------------------------------------

    def find(self, inputs: Sequence[str], *, out: str | None = None) -> Iterator[Found]:
        """The clips that INPUT arguments name in buckets."""
        from rushes.runtime.shared.remote_inputs import expand_objects  # noqa: PLC0415 - a follower sends nothing

        return expand_objects(inputs, self.services.store, out=out)

    def spec_of(
        self, function: Function[Any, Any], options: Options, params: Params, *, title: str = ""
    ) -> BatchSpec:
        """What all invocations of a batch share.

        Raises:
            CallerError: an option means nothing here, or the environment takes no such work.
        """
        from rushes.engines.aws.laptop.refusals import check_sendable, place_of_outputs  # noqa: PLC0415 - as above
        from rushes.runtime.sending.submission import batch_spec  # noqa: PLC0415 - as above

        check_sendable(function, options)
        self.deployment.check_version(function.name, function.version)
        self.deployment.queue_of(function.name, group_of(function), options.priority)
        spec = batch_spec(
            function, options, params, title=title, environ=self._environ, place=place_of_outputs
        )
        # An image has the function installed, from wherever: what it is there is said by its version.
        return replace(spec, source_digest="", environment={}, title=function.name)

    def invocations(
        self, function: Function[Any, Any], options: Options, params: Params, found: Iterable[Found]
    ) -> Iterator[Invocation]:
        """One a clip, with what that was."""
        from rushes.runtime.sending.submission import invocations  # noqa: PLC0415 - as above
        from rushes.runtime.shared.remote_publication import object_mark  # noqa: PLC0415 - as above

        look = lru_cache(maxsize=MARKS_KEPT)(self._look)
        there = marked(found, look)
        return invocations(function, options, params, there, lambda asset: object_mark(look(asset)))

    def _look(self, asset: Asset) -> Stored:
        from rushes.runtime.shared.remote_frames import look_clip  # noqa: PLC0415 - as above
        from rushes.runtime.shared.remote_inputs import local_input  # noqa: PLC0415 - as above

        if "://" not in asset.uri:
            raise local_input(asset.uri)
        return look_clip(self.services.store, asset.uri)

    def read(self, uri: str) -> bytes:
        """An object that was made."""
        with self.services.store.reader(uri) as file:
            return file.readall() or b""

    # -- sending -------------------------------------------------------------------------------------------

    def call(self, function: Function[Any, Any], source: Asset, params: Params, options: Options) -> Result:
        """Send one invocation and wait for what it returns."""
        from rushes.batch import Batch, Handle  # noqa: PLC0415 - only here

        batch, total = self.launch(function, options, [(source, None)], params)
        model: type[Result] = function.result_model
        return Handle(Batch(self, batch, model, total)).result()

    def launch(
        self,
        function: Function[Any, Any],
        options: Options,
        items: Iterable[tuple[Asset, Mapping[str, Any] | Params | None]],
        params: Params,
    ) -> tuple[str, int]:
        """Open, submit and seal a batch; returns its id and how many invocations it has."""
        from rushes.runtime.sources.inputs import distinct  # noqa: PLC0415 - a follower sends nothing

        spec = self.spec_of(function, options, params)
        found = distinct(items)
        batch = self.open(spec)
        try:
            total = self.submit(batch, self.invocations(function, options, params, found))
        except BaseException:  # half a list is not what was asked for
            self._ledger.cancel(self._inner(batch))
            raise
        self.seal(batch)
        if self._given[0] is None:  # what others made for it may be nobody's machine
            from rushes.runtime.configuration.settings import settings_from  # noqa: PLC0415 - as above
            from rushes.runtime.sending.sent_last import remember_sent  # noqa: PLC0415 - as above

            remember_sent(settings_from(self._environ).home, batch)
        return batch, total

    def open(self, spec: BatchSpec) -> str:
        from rushes import catalog  # noqa: PLC0415 - as above

        batch = new_batch_id()
        kept = {name: getattr(spec, name) for name in _KEPT}
        group = group_of(catalog.find(spec.function))
        kept |= {"tags": dict(spec.tags), "group": group if self.deployment.of_hosts(group) else PLAIN}
        if spec.max_cost_nano is not None:  # before anybody can work on it
            from rushes.core.accounts import Scope  # noqa: PLC0415 - few have one

            self._money.set_cap(Scope("batch", batch), spec.max_cost_nano)
        self._ledger.open(batch, kept, self._clock())
        return self._outer(batch)

    def submit(self, batch: str, invocations: Iterable[Invocation]) -> int:
        inner = self._inner(batch)
        tally = self._followed.tally(inner, fresh=True, active=False)
        spec, sent = tally.spec, self._sent.get(inner, tally.total)
        count = self._sender(spec).send(inner, spec, sendable(invocations), sent + 1)
        self._sent[inner] = sent + count
        return count

    def seal(self, batch: str) -> None:
        inner = self._inner(batch)
        self._ledger.seal(inner)
        self._forget(inner)

    # -- money ---------------------------------------------------------------------------------------------

    @property
    def _money(self) -> Money:
        self._ledger  # noqa: B018 - says what is missing where there is no table
        money = self.services.money
        assert money is not None  # noqa: S101 - where there is a ledger
        return money

    def budgets(self) -> Mapping[str, Any]:
        """Who has a cap; that of a batch is shown with its status."""
        from rushes.engines.aws.laptop.caps import price_note, rows_of  # noqa: PLC0415 - few ask

        note, is_free = price_note(self._region, self._environ)
        return {"rows": rows_of(self._money), "free": is_free, "tier": self._where, "note": note}

    def set_budget(self, level: str, name: str, limits: Mapping[str, int | None]) -> None:
        """Give a payer other limits, or none."""
        from rushes.core.accounts import Scope  # noqa: PLC0415 - few ask
        from rushes.engines.aws.laptop.caps import set_limits  # noqa: PLC0415 - few ask

        whose = self._inner(name) if level == "batch" else name
        set_limits(self._money, Scope(level, whose), limits)  # type: ignore[arg-type]  # as the CLI checks

    def set_max_cost(self, batch: str, cap_nano: int | None) -> None:
        """Give a batch that was sent with a cap another one, or none."""
        from rushes.core.accounts import Scope  # noqa: PLC0415 - few ask
        from rushes.engines.aws.laptop.caps import set_max_cost  # noqa: PLC0415 - few ask

        set_max_cost(self._money, Scope("batch", self._inner(batch)), cap_nano)

    def costs(
        self,
        *,
        since: float = 0.0,
        by: str = "function",
        batch: str | None = None,
        show: str | None = None,
        function: str | None = None,
    ) -> Mapping[str, Any]:
        """What was spent: see `rushes.engines.aws.laptop.costs`.

        Raises:
            CallerError: by tier, which the ledger does not keep.
        """
        from rushes.engines.aws.laptop.costs import spent  # noqa: PLC0415 - few ask

        if by == "tier":
            raise CallerError(
                "the ledger on AWS does not keep on which tier an attempt ran.",
                code="not-supported",
                fix="Ask --by function, show or batch; AWS's bill has the machines.",
            )
        batches = None if batch is None else [self._inner(batch)]
        return spent(self._ledger, self._outer, batches, since=since, show=show, function=function)

    # -- quotes --------------------------------------------------------------------------------------------

    def quote(
        self,
        function: Function[Any, Any],
        options: Options,
        items: Iterable[tuple[Asset, Mapping[str, Any] | Params | None]],
        params: Params,
        **wishes: Any,
    ) -> BatchQuote:
        """What a batch would take there, and cost; `wishes` are ``within_s`` and ``max_cost``."""
        from rushes.runtime.sources.inputs import distinct  # noqa: PLC0415 - only who plans needs it

        return self.quote_found(function, options, params, distinct(items), **wishes)

    def quote_found(
        self,
        function: Function[Any, Any],
        options: Options,
        params: Params,
        found: Iterable[Found],
        *,
        tiers: Mapping[str, int] | None = None,
        **wishes: Any,
    ) -> BatchQuote:
        """The same of clips as a command line finds them.

        Raises:
            CallerError: the environment takes no such work; or other tiers are asked about than it has.
        """
        from rushes.engines.aws.laptop.quoting import quote_there  # noqa: PLC0415 - as above
        from rushes.engines.aws.laptop.refusals import (  # noqa: PLC0415 - as above
            check_sendable,
            place_of_outputs,
            refuse_tiers,
        )

        refuse_tiers(tiers or {})
        check_sendable(function, replace(options, slots=None))
        self.deployment.check_version(function.name, function.version)
        self.deployment.queue_of(function.name, group_of(function), options.priority)
        out = place_of_outputs(options.out) if options.out and function.makes_outputs else None
        spec = {
            "title": function.name, "group": group_of(function), "priority": options.priority,
            "function": function.ref, "version": function.version, "show": options.show, "out": out,
            "name": options.name, "receipts": options.receipts, "force": options.force,
        }  # fmt: skip
        return quote_there(
            function,
            params,
            self.invocations(function, options, params, found),
            spec=spec,
            sender=self._sender(spec),
            offered=self._offered(function, options),
            runs=self._runs.of(function.name, function.version),
            **wishes,
        )

    def _offered(self, function: Function[Any, Any], options: Options) -> Mapping[str, Offered]:
        from rushes.engines.aws.infra.environment import stack_name  # noqa: PLC0415 - as above
        from rushes.engines.aws.infra.executor import Stack  # noqa: PLC0415 - as above
        from rushes.engines.aws.laptop.offers import offers_of  # noqa: PLC0415 - as above
        from rushes.runtime.configuration.price_files import price_book  # noqa: PLC0415 - as above

        template: Mapping[str, Any] = {}
        if self.deployment.name:
            with suppress(CallerError):  # who sends need not be permitted to read it
                stack = Stack(self._plain.client("cloudformation"), stack_name(self.deployment.name))
                template = stack.template() or {}
        book = price_book(self._environ)
        return offers_of(
            self.deployment, function, options, template=template, book=book, region=self._region
        )

    @property
    def _region(self) -> str:
        plain = self._plain
        return plain.settings.region or str(plain.client("sqs").meta.region_name)

    # -- following -----------------------------------------------------------------------------------------

    @cached_property
    def _followed(self) -> Followed:
        return Followed(self._ledger, self._where, self._poll_s, self._clock)

    def results(
        self, batch: str, *, after: int = 0, limit: int = 1000, wait_s: float = 0.0
    ) -> Sequence[Finished]:
        return self._followed.results(batch, after=after, limit=limit, wait_s=wait_s)

    def status(self, batch: str) -> BatchStatus:
        return self._followed.status(batch)

    def batches(self, *, limit: int = 50) -> Sequence[BatchStatus]:
        return self._followed.batches(limit=limit)

    def explain(self, invocation: str) -> Mapping[str, Any]:
        found = dict(self._followed.explain(invocation))
        what = str(found["spec"].get("title", ""))
        hosts = (found["routed"] or {}).get("tier") == ON_HOSTS
        hosts = hosts or self.deployment.is_for_hosts(what, found["priority"])
        if found["attempts"]:
            found["log_elsewhere"] = where_logged(self.deployment.name, what, found, hosts=hosts)
        if found["state"] == State.queued.value and hosts:
            where = f"aws:{self.deployment.name}" if self.deployment.name else "aws"
            found["next"] = (
                f"Hosts take it. Where none runs, any machine is one: rushes worker --engine {where}"
            )
        return found

    # -- steering ------------------------------------------------------------------------------------------

    def cancel(self, batch: str) -> None:
        inner = self._inner(batch)
        self._spec(inner)
        self._ledger.cancel(inner)
        until = time.monotonic() + STOPPED_S
        while True:
            self._forget(inner)
            active = self._followed.tally(inner).active
            if not active or time.monotonic() > until:
                return
            self._end_lapsed(inner, active)
            time.sleep(max(self._poll_s, 0.01))

    def _end_lapsed(self, inner: str, active: Sequence[int]) -> None:
        """What nobody holds any more of a cancelled batch ends when it is asked for."""
        now = self._clock()
        for one in self._ledger.entries(inner, active[:LOOKED_AT]):
            if one.state is State.running and (one.until or now) <= now:
                self._ledger.claim(one.work.invocation, "laptop", now, now)

    def retry(self, batch: str) -> int:
        inner = self._inner(batch)
        spec = self._spec(inner)
        sender = self._sender(spec)
        again = self._ledger.retry(inner)
        sender.tell(spec, again)
        self._forget(inner)
        return len(again)

    def set_priority(self, batch: str, priority: str) -> None:
        inner = self._inner(batch)
        known_class(priority, tuple(self.deployment.ranks))
        tally = self._followed.tally(inner, fresh=True)
        if tally.complete:
            raise has_ended(self._outer(inner))
        spec = {**tally.spec, "priority": priority}
        sender = self._sender(spec)
        self._ledger.restamp(inner, priority)
        sender.tell(spec, self._ledger.waiting(inner))
        self._forget(inner)

    def redrive(self) -> Redriven:
        """Send again what queues have set aside, as far as there is something to do."""
        from rushes.engines.aws.notices.redrive import redrive  # noqa: PLC0415 - seldom

        urls = dict.fromkeys(self.deployment.queues.values())
        return redrive(self._ledger, self.services.client("sqs"), urls, self.deployment.home_of)

    def restore(self, uris: Sequence[str], *, days: int, speed: str) -> Restored:
        """Ask for what is archived, several objects at once."""
        store = self._plain.store  # of clips: no environment has to be there

        def objects() -> Iterator[str]:
            for uri in uris:
                yield from (one.uri for one in store.listing(uri)) if uri.endswith("/") else (uri,)

        with ThreadPoolExecutor(LOOKERS) as threads:
            found = list(threads.map(lambda one: store.restore(one, days=days, speed=speed), objects()))
        return Restored(found.count(False), found.count(True))

    # -- the pool ------------------------------------------------------------------------------------------

    def running(self) -> bool:
        """An environment is always there to be asked."""
        return True

    def pool(self) -> Mapping[str, Any]:
        """What waits in its queues, and which hosts rest; who works on it comes and goes."""
        queues = [
            {"priority": name, "show": "every show", "waiting": self.services.queue(url).waiting()}
            for name, url in self._queues()
        ]
        return {
            "capacity": {},
            "paused": False,
            "draining": False,
            "worker": {},
            "slots": [],
            "queues": [one for one in queues if one["waiting"]],
            "resting": [one._asdict() for one in self._resting()],
        }

    def _resting(self) -> list[Resting]:
        """Hosts that are not fit for work, and say so."""
        from rushes.engines.aws.fleet.fleet_notes import FleetNotes  # noqa: PLC0415 - seldom

        return FleetNotes(self.services.client("dynamodb"), self.services.settings.table).resting()

    def _queues(self) -> list[tuple[str, str]]:
        """Its queues by class."""
        return self.deployment.by_class()

    def control(self, verb: str, *, slots: int | None = None) -> Mapping[str, Any]:
        size = "" if slots is None else f" to {slots} slots"
        raise CallerError(
            f"an environment on AWS cannot be asked to {verb}{size}.",
            code="not-supported",
            fix="Cancel batches, or ask a host on its own machine: rushes pool, rushes pause.",
        )

    # -- inside --------------------------------------------------------------------------------------------

    def _inner(self, batch: str) -> str:
        return self._followed.inner(batch)

    def _outer(self, inner: str) -> str:
        return self._followed.outer(inner)

    @property
    def _where(self) -> str:
        return self.deployment.name or "aws"

    def _spec(self, inner: str) -> Mapping[str, Any]:
        return self._followed.spec(inner)

    def _forget(self, inner: str) -> None:
        self._followed.forget(inner)
