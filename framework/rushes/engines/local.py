"""The embedded engine: this machine, its cores, a detached worker, a journal. Nothing to set up.

The composition root of what a client is; `rushes.engines.local_worker` is that of the worker.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, cast

from rushes.asset import Asset
from rushes.errors import error_from_dict
from rushes.invocation import (
    BatchSpec,
    BatchStatus,
    Finished,
    Invocation,
)
from rushes.runtime.configuration.settings import Settings, settings_from
from rushes.runtime.worker import messages
from rushes.runtime.worker.client import Client

if TYPE_CHECKING:
    from rushes.batch import Items
    from rushes.function import Function, Options, Params, Result
    from rushes.runtime.sending.estimating import Estimator
    from rushes.runtime.sending.quoting import BatchQuote
    from rushes.runtime.sources.inputs import Found

__all__ = ["LocalEngine"]

WINDOW: Final = 4
"""Messages under way: memory is bounded by it, however long the submission is."""


class LocalEngine:
    """`rushes.ports.Engine` on this machine. One object serves all threads."""

    name = "local"

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = dict(os.environ if environ is None else environ)
        self.settings: Settings = settings_from(self._environ)
        self._client = Client(
            self.settings, [sys.executable, "-m", "rushes.engines.local_worker"], self._environ
        )

    # -- here and now -------------------------------------------------------------------------------------

    def call(self, function: Function[Any, Any], source: Asset, params: Params, options: Options) -> Result:
        """Run in this process: an ordinary function call, published like any other."""
        from rushes.runtime.attempts.direct import call  # noqa: PLC0415 - a client does not need it

        return call(function, source, params, options)

    # -- batches ------------------------------------------------------------------------------------------

    def launch(
        self, function: Function[Any, Any], options: Options, items: Items, params: Params
    ) -> tuple[str, int]:
        from rushes.runtime.sending.sent_last import remember_sent  # noqa: PLC0415 - a follower sends nothing
        from rushes.runtime.sending.submission import batch_spec, invocations  # noqa: PLC0415
        from rushes.runtime.sources.inputs import Found, distinct  # noqa: PLC0415 - a follower does not need it

        spec = batch_spec(function, options, params, environ=self._environ)
        # Without files there are no names that could clash.
        plain = (Found(asset, params=cast("Any", own)) for asset, own in items)
        found = distinct(items) if function.makes_outputs else plain
        rows = messages.rows(invocations(function, options, params, found))
        first = list(islice(rows, messages.FIRST_CHUNK))
        if len(first) == messages.FIRST_CHUNK:
            batch = self.open(spec)
            count = self._submit(batch, chain(first, rows))
            self.seal(batch)
            remember_sent(self.settings.home, batch)
            return batch, count
        batch, opening = messages.opening(spec)
        self._client.request_all(
            [opening, messages.submission(batch, first), ({"verb": "seal", "batch": batch}, b"")]
        )
        remember_sent(self.settings.home, batch)
        return batch, len(first)

    def open(self, spec: BatchSpec) -> str:
        batch, (header, body) = messages.opening(spec)
        self._client.request(header, body)
        return batch

    def submit(self, batch: str, invocations: Iterable[Invocation], *, after: int = 0) -> int:
        """Add invocations, the first as number `after` + 1; gives the last number."""
        return self._submit(batch, messages.rows(invocations, after=after))

    def _submit(self, batch: str, rows: Iterator[list[Any]]) -> int:
        """Stream invocations in chunks; each is durable before more than a few others are sent."""
        under_way: list[messages.Request] = []
        total = 0
        for chunk in messages.chunks(rows):
            total = chunk[-1][0]
            under_way.append(messages.submission(batch, chunk))
            self._pipeline(under_way)
            while len(under_way) >= WINDOW:
                self._acknowledge(under_way)
        while under_way:
            self._acknowledge(under_way)
        return total

    def _pipeline(self, under_way: list[messages.Request]) -> None:
        try:
            self._client.send(*under_way[-1])
        except (EOFError, ConnectionError):
            self._again(under_way)

    def _acknowledge(self, under_way: list[messages.Request]) -> None:
        try:
            answer, _ = self._client.receive()
        except (EOFError, ConnectionError):
            self._again(under_way)
            return
        under_way.pop(0)
        if "error" in answer:
            self._client.close()
            raise error_from_dict(answer["error"])

    def _again(self, under_way: list[messages.Request]) -> None:
        """The worker died: give what it had not answered to the next one, one by one."""
        self._client.close()
        for header, body in under_way:
            self._client.request(header, body)
        under_way.clear()

    def seal(self, batch: str) -> None:
        self._client.request({"verb": "seal", "batch": batch})

    def results(
        self, batch: str, *, after: int = 0, limit: int = 1000, wait_s: float = 0.0
    ) -> Sequence[Finished]:
        header = {"verb": "results", "batch": batch, "after": after, "limit": limit, "wait_s": wait_s}
        answer, body = self._client.request(header)
        costs = answer.get("costs", {})
        return [messages.finished(batch, answer["function"], costs, row) for row in json.loads(body)]

    def status(self, batch: str) -> BatchStatus:
        answer, _ = self._client.request({"verb": "status", "batch": batch})
        return messages.status(answer["status"])

    def batches(self, *, limit: int = 50, parts: bool = False, lent: bool = False) -> Sequence[BatchStatus]:
        """The newest first; with `parts` those too that bodies mapped, with `lent` those of hosts."""
        asked = {"verb": "batches", "limit": limit, "parts": parts, "lent": lent}
        answer, _ = self._client.request(asked)
        return [messages.status(found) for found in answer["batches"]]

    def cancel(self, batch: str) -> None:
        while True:
            answer, _ = self._client.request({"verb": "cancel", "batch": batch})
            if answer.get("ended", True):
                return

    def withdraw(self, batch: str, numbers: Sequence[int]) -> None:
        """End these invocations of a batch, whether they wait or run; returns at once."""
        self._client.request({"verb": "withdraw", "batch": batch, "numbers": list(numbers)})

    def retry(self, batch: str) -> int:
        answer, _ = self._client.request({"verb": "retry", "batch": batch})
        return int(answer["queued"])

    def set_priority(self, batch: str, priority: str) -> None:
        self._client.request({"verb": "set", "batch": batch, "priority": priority})

    def set_max_cost(self, batch: str, cap_nano: int | None) -> None:
        self._client.request({"verb": "set", "batch": batch, "limits": {"cap": cap_nano}})

    def budgets(self) -> Mapping[str, Any]:
        """The payers that have limits, and whether anything costs anything here: see `BudgetKeeper`."""
        answer, _ = self._client.request({"verb": "budget", "action": "show"})
        return dict(answer["budget"])

    def set_budget(self, level: str, name: str, limits: Mapping[str, int | None]) -> None:
        header = {"verb": "budget", "action": "set", "level": level, "name": name, "limits": dict(limits)}
        self._client.request(header)

    def explain(self, invocation: str) -> Mapping[str, Any]:
        answer, _ = self._client.request({"verb": "explain", "invocation": invocation})
        return dict(answer["explained"])

    def pool(self) -> Mapping[str, Any]:
        answer, _ = self._client.request({"verb": "pool"})
        return dict(answer["pool"])

    def control(self, verb: str, *, slots: int | None = None) -> Mapping[str, Any]:
        """``pause``, ``resume``, ``resize``, ``drain`` or ``stop``; the last two start no worker."""
        ends = verb in {"drain", "stop"}
        if ends and not self._client.running():
            return {"action": verb, "running": 0, "pid": None}
        self._client.close()
        more = {} if slots is None else {"slots": slots}
        answer, _ = self._client.request({"verb": "control", "action": verb, **more}, start=not ends)
        self._client.close()
        return answer

    def journal(self, verb: str, **arguments: Any) -> Mapping[str, Any]:
        """``prune`` (older_s, keep), ``backup`` (target) or ``show``."""
        answer, _ = self._client.request({"verb": "journal", "action": verb, **arguments})
        return answer

    def estimator(self) -> Estimator:
        """What invocations will take here: learnt from the ledger up to now, else what the catalogue says."""
        from rushes.engines.local_quotes import estimator_of  # noqa: PLC0415 - only who plans needs it

        return estimator_of(self.settings, self._environ)

    def quote(
        self, function: Function[Any, Any], options: Options, items: Items, params: Params, **wishes: Any
    ) -> BatchQuote:
        """What a batch would take; `wishes` are those of `rushes.engines.local_quotes.quote_here`."""
        from rushes.runtime.sources.inputs import Found  # noqa: PLC0415 - only who plans needs it

        found = (Found(asset, params=cast("Any", own)) for asset, own in items)
        return self.quote_found(function, options, params, found, **wishes)

    def quote_found(
        self,
        function: Function[Any, Any],
        options: Options,
        params: Params,
        found: Iterable[Found],
        **wishes: Any,
    ) -> BatchQuote:
        """The same of clips as a command line finds them."""
        from rushes.engines.local_quotes import quote_here  # noqa: PLC0415 - as above

        return quote_here(self.settings, self._environ, function, options, params, found=found, **wishes)

    def costs(
        self, *, since: float = 0.0, by: str = "function", batch: str | None = None, **_: object
    ) -> Mapping[str, Any]:
        """What was spent since a time: see `rushes.runtime.records.statement`."""
        from rushes.journal.cost_sums import CostReader  # noqa: PLC0415 - only who asks needs it
        from rushes.runtime.records.statement import statement  # noqa: PLC0415

        self._client.request({"verb": "costs"})
        with CostReader(self.settings.journal) as sums:
            return statement(sums, since=since, batches=by == "batch" or batch is not None)

    def running(self) -> bool:
        """True when a worker is up; starts none."""
        return self._client.running()

    @property
    def hello(self) -> Mapping[str, Any]:
        """Version, pid and home of the worker; starts it when there is none."""
        return self._client.hello

    def close(self) -> None:
        """Close this thread's connection."""
        self._client.close()
