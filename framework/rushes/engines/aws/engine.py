"""The engine of an environment on AWS, as a laptop sees it: sends work, follows it, steers it.

Nothing runs here. Invocations go into the shared ledger and messages about them into queues; Lambdas and
hosts work on them, and what came of each is read from the ledger. A batch is called ``k7m2qx@dev``, so that
its name alone says where it is. This module must not know who does the work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from rushes.core.states import State
from rushes.engines.aws.laptop.connection import Connection
from rushes.engines.aws.laptop.followed import Followed
from rushes.engines.aws.laptop.told import is_on_hosts, with_next_steps
from rushes.errors import CallerError, RushesError
from rushes.invocation import BatchSpec, BatchStatus, Finished, Invocation, function_name
from rushes.stored import Restored

if TYPE_CHECKING:
    from rushes.asset import Asset
    from rushes.batch import Items
    from rushes.engines.aws.access.services import Services
    from rushes.engines.aws.infra.deployment import Deployment
    from rushes.engines.aws.laptop.outbox import Outbox
    from rushes.engines.aws.laptop.steering import Steering
    from rushes.function import Function, Options, Params, Result
    from rushes.keepers import KeptLog
    from rushes.notices import Redriven
    from rushes.runtime.sending.quoting import BatchQuote
    from rushes.runtime.sources.inputs import Found

__all__ = ["AwsEngine"]

POLL_S: Final = 1.0
"""How often a follower asks how far a batch is: some ten small requests."""


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
        self.there = Connection(environment, environ, services=services, deployment=deployment, clock=clock)
        self._poll_s = poll_s

    @cached_property
    def _followed(self) -> Followed:
        return Followed(self.there.ledger, self.there.name, self._poll_s, self.there.clock)

    @cached_property
    def _outbox(self) -> Outbox:
        from rushes.engines.aws.laptop.outbox import Outbox  # noqa: PLC0415 - a follower sends nothing

        return Outbox(self.there, self._followed)

    @cached_property
    def _steering(self) -> Steering:
        from rushes.engines.aws.laptop.steering import Steering  # noqa: PLC0415 - seldom

        return Steering(self.there, self._followed, self._poll_s)

    # -- clips and places ----------------------------------------------------------------------------------

    def find(self, inputs: Sequence[str], *, out: str | None = None) -> Iterator[Found]:
        """The clips that INPUT arguments name in buckets."""
        return self._outbox.find(inputs, out=out)

    def spec_of(
        self, function: Function[Any, Any], options: Options, params: Params, *, title: str = ""
    ) -> BatchSpec:
        """What all invocations of a batch share.

        Raises:
            CallerError: an option means nothing here, or the environment takes no such work.
        """
        return self._outbox.spec_of(function, options, params, title)

    def invocations(
        self, function: Function[Any, Any], options: Options, params: Params, found: Iterable[Found]
    ) -> Iterator[Invocation]:
        """One a clip, with what that was."""
        return self._outbox.invocations(function, options, params, found)

    def read(self, uri: str) -> bytes:
        """An object that was made."""
        with self.there.services.store.reader(uri) as file:
            return file.readall() or b""

    # -- sending -------------------------------------------------------------------------------------------

    def call(self, function: Function[Any, Any], source: Asset, params: Params, options: Options) -> Result:
        """Send one invocation and wait for what it returns."""
        from rushes.batch import Batch, Handle  # noqa: PLC0415 - only here

        batch, total = self.launch(function, options, [(source, None)], params)
        model: type[Result] = function.result_model
        return Handle(Batch(self, batch, model, total)).result()

    def launch(
        self, function: Function[Any, Any], options: Options, items: Items, params: Params
    ) -> tuple[str, int]:
        return self._outbox.launch(function, options, items, params)

    def open(self, spec: BatchSpec) -> str:
        return self._outbox.open(spec)

    def submit(self, batch: str, invocations: Iterable[Invocation]) -> int:
        return self._outbox.submit(batch, invocations)

    @property
    def waits(self) -> str:
        """Why what is being sent does not go on at the moment; "" where it does."""
        return self._outbox.waits

    def seal(self, batch: str) -> None:
        self._outbox.seal(batch)

    # -- money ---------------------------------------------------------------------------------------------

    def budgets(self) -> Mapping[str, Any]:
        """Who has a cap; that of a batch is shown with its status."""
        from rushes.engines.aws.laptop.caps import price_note, rows_of  # noqa: PLC0415 - few ask

        note, is_free = price_note(self.there.region, self.there.environ)
        rows, unread = rows_of(self.there.money)
        notes = "\n".join(filter(None, (unread, note)))
        return {"rows": rows, "free": is_free, "tier": self.there.name, "note": notes}

    def set_budget(self, level: str, name: str, limits: Mapping[str, int | None]) -> None:
        """Give a payer other limits, or none."""
        from rushes.core.accounts import Scope  # noqa: PLC0415 - few ask
        from rushes.engines.aws.laptop.caps import set_limits  # noqa: PLC0415 - few ask

        whose = self._followed.inner(name) if level == "batch" else name
        set_limits(self.there.money, Scope(level, whose), limits)  # type: ignore[arg-type]  # as the CLI checks

    def set_max_cost(self, batch: str, cap_nano: int | None) -> None:
        """Give a batch that was sent with a cap another one, or none."""
        from rushes.core.accounts import Scope  # noqa: PLC0415 - few ask
        from rushes.engines.aws.laptop.caps import set_max_cost  # noqa: PLC0415 - few ask

        set_max_cost(self.there.money, Scope("batch", self._followed.inner(batch)), cap_nano)

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
        batches = None if batch is None else [self._followed.inner(batch)]
        return spent(
            self.there.ledger, self._followed.outer, batches, since=since, show=show, function=function
        )

    # -- quotes --------------------------------------------------------------------------------------------

    def quote(
        self, function: Function[Any, Any], options: Options, items: Items, params: Params, **wishes: Any
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
        from rushes.engines.aws.laptop.quoting import quote_of_found  # noqa: PLC0415 - as above
        from rushes.engines.aws.laptop.refusals import refuse_tiers  # noqa: PLC0415 - as above

        refuse_tiers(tiers or {})
        return quote_of_found(self.there, self._outbox, function, options, params, found=found, **wishes)

    # -- following -----------------------------------------------------------------------------------------

    def results(
        self, batch: str, *, after: int = 0, limit: int = 1000, wait_s: float = 0.0
    ) -> Sequence[Finished]:
        return self._followed.results(batch, after=after, limit=limit, wait_s=wait_s)

    def status(self, batch: str) -> BatchStatus:
        return self._followed.status(batch)

    def batches(self, *, limit: int = 50) -> Sequence[BatchStatus]:
        return self._followed.batches(limit=limit)

    def explain(self, invocation: str) -> Mapping[str, Any]:
        found = self._followed.explain(invocation)
        deployment = self.there.deployment
        what = str(found["spec"].get("title", ""))
        is_for_hosts = deployment.is_for_hosts(what, found["priority"])
        hosts: list[str] = []
        if found["state"] == State.queued.value and is_on_hosts(found, is_for_hosts=is_for_hosts):
            from rushes.engines.aws.laptop.hosts_said import hosts_said, why_of  # noqa: PLC0415 - few ask

            with suppress(RushesError):  # it is beside the point
                hosts = why_of(what or function_name(str(found["spec"]["function"])), hosts_said(self.there))
        return with_next_steps(found, deployment.name, is_for_hosts=is_for_hosts, hosts=hosts)

    def log_of(self, invocation: str, *, since: float = 0.0) -> KeptLog:
        """What the attempts of an invocation logged, from CloudWatch.

        Raises:
            CallerError: no such invocation; or variables tell of the environment, and not its name, by which
                its logs are called (``no-environment``).
        """
        from rushes.engines.aws.laptop.logged import InvocationLog  # noqa: PLC0415 - few ask

        found = self._followed.explain(invocation)
        what = str(found["spec"].get("title") or function_name(str(found["spec"]["function"])))
        return InvocationLog(
            self.there.services.client("logs"),
            lambda: self._followed.explain(invocation),
            self._followed.inner(invocation.rpartition(".")[0]) + f".{invocation.rpartition('.')[2]}",
            [self._log_named(what), self._log_named(f"{what}-trial")],
            self._log_named("hosts"),
            since=since,
            clock=self.there.clock,
        )

    def log_of_part(self, part: str, *, since: float) -> KeptLog:
        """What a part of the environment logs."""
        from rushes.engines.aws.laptop.logged import PartLog  # noqa: PLC0415 - few ask

        client, name = self.there.services.client("logs"), self._log_named(part)
        return PartLog(client, name, since=since, clock=self.there.clock)

    def _log_named(self, part: str) -> str:
        from rushes.engines.aws.infra.deployment import log_group  # noqa: PLC0415 - as above

        return log_group(self.there.deployment.name, part)

    # -- steering ------------------------------------------------------------------------------------------

    def cancel(self, batch: str) -> None:
        self._steering.cancel(batch)

    def retry(self, batch: str) -> int:
        return self._steering.retry(batch)

    def set_priority(self, batch: str, priority: str) -> None:
        self._steering.set_priority(batch, priority)

    def redrive(self) -> Redriven:
        """Send again what queues have set aside, as far as there is something to do."""
        from rushes.engines.aws.notices.redrive import redrive  # noqa: PLC0415 - seldom

        deployment = self.there.deployment
        urls = dict.fromkeys(deployment.queues.values())
        return redrive(self.there.ledger, self.there.services.client("sqs"), urls, deployment.home_of)

    def restore(self, uris: Sequence[str], *, days: int, speed: str) -> Restored:
        """Ask for what is archived, several objects at once; no environment has to be there."""
        from rushes.engines.aws.laptop.restoring import restore  # noqa: PLC0415 - seldom

        return restore(self.there.plain.store, uris, days=days, speed=speed)

    # -- the pool ------------------------------------------------------------------------------------------

    def running(self) -> bool:
        """An environment is always there to be asked."""
        return True

    def pool(self) -> Mapping[str, Any]:
        """What waits in its queues, and which hosts rest; who works on it comes and goes."""
        from rushes.engines.aws.laptop.overview import overview  # noqa: PLC0415 - seldom

        return overview(self.there)

    def control(self, verb: str, *, slots: int | None = None) -> Mapping[str, Any]:
        size = "" if slots is None else f" to {slots} slots"
        raise CallerError(
            f"an environment on AWS cannot be asked to {verb}{size}.",
            code="not-supported",
            fix="Cancel batches, or ask a host on its own machine: rushes pool, rushes pause.",
        )
