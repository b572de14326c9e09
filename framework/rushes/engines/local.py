"""The embedded engine: this machine, its cores, a detached worker, a journal. Nothing to set up.

The composition root of everything local: only here are the journal, the worker and the client put together.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, cast

from rushes.asset import Asset
from rushes.core.states import State
from rushes.errors import CallerError, RushesError, error_from_dict
from rushes.invocation import (
    BatchSpec,
    BatchStatus,
    Counts,
    Finished,
    Invocation,
    Spent,
    function_name,
    made_beside,
)
from rushes.runtime.configuration.settings import Settings, settings_from
from rushes.runtime.worker.client import Client

if TYPE_CHECKING:
    from rushes.core.sinks import Sink
    from rushes.function import Function, Options, Params, Result
    from rushes.runtime.sending.estimating import Estimator
    from rushes.runtime.sending.quoting import BatchQuote
    from rushes.runtime.sources.inputs import Found

__all__ = ["LocalEngine", "run_worker"]

CHUNK: Final = 1000
"""Invocations a message: one commit serves them all, and the worker takes them in within 20 ms."""
CHUNK_BYTES: Final = 4 * 1024 * 1024
"""Of options in one message: they may be long, and a frame has a limit."""
FIRST_CHUNK: Final = 32
"""The first message is small, so that work starts at once; each further one is four times as large."""
WINDOW: Final = 4
"""Messages under way: memory is bounded by it, however long the submission is."""
_STATES: Final = tuple(State)
# No vowels, so that no id is a word, and nothing that is misread aloud. 387 million ids of six letters.
_ALPHABET: Final = "23456789bcdfghjkmnpqrstvwxz"
_PARAMS: Final = 4  # of a row: see `_rows`
Request = tuple[dict[str, Any], bytes]


class LocalEngine:
    """`rushes.ports.Engine` on this machine. One object serves all threads."""

    name = "local"

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = dict(os.environ if environ is None else environ)
        self.settings: Settings = settings_from(self._environ)
        self._client = Client(self.settings, [sys.executable, "-m", "rushes.engines.local"], self._environ)

    # -- here and now -------------------------------------------------------------------------------------

    def call(self, function: Function[Any, Any], source: Asset, params: Params, options: Options) -> Result:
        """Run in this process: an ordinary function call, published like any other."""
        from rushes.runtime.attempts.direct import call  # noqa: PLC0415 - a client does not need it

        return call(function, source, params, options)

    # -- batches ------------------------------------------------------------------------------------------

    def launch(
        self,
        function: Function[Any, Any],
        options: Options,
        items: Iterable[tuple[Asset, Mapping[str, Any] | Params | None]],
        params: Params,
    ) -> tuple[str, int]:
        """Open, submit and seal a batch; returns its id and how many invocations it has."""
        from rushes.runtime.sending.submission import batch_spec, invocations  # noqa: PLC0415
        from rushes.runtime.sources.inputs import Found, distinct  # noqa: PLC0415 - a follower does not need it

        spec = batch_spec(function, options, params, environ=self._environ)
        # Without files there are no names that could clash.
        plain = (Found(asset, params=cast("Any", own)) for asset, own in items)
        found = distinct(items) if function.makes_outputs else plain
        rows = _rows(invocations(function, options, params, found))
        first = list(islice(rows, FIRST_CHUNK))
        if len(first) == FIRST_CHUNK:
            batch = self.open(spec)
            count = self._submit(batch, chain(first, rows))
            self.seal(batch)
            return batch, count
        batch, opening = _opening(spec)
        self._client.request_all(
            [opening, _submission(batch, first), ({"verb": "seal", "batch": batch}, b"")]
        )
        return batch, len(first)

    def open(self, spec: BatchSpec) -> str:
        batch, (header, body) = _opening(spec)
        self._client.request(header, body)
        return batch

    def submit(self, batch: str, invocations: Iterable[Invocation]) -> int:
        return self._submit(batch, _rows(invocations))

    def _submit(self, batch: str, rows: Iterator[list[Any]]) -> int:
        """Stream invocations in chunks; each is durable before more than a few others are sent."""
        under_way: list[Request] = []
        total = 0
        for chunk in _chunks(rows):
            total = chunk[-1][0]
            under_way.append(_submission(batch, chunk))
            self._pipeline(under_way)
            while len(under_way) >= WINDOW:
                self._acknowledge(under_way)
        while under_way:
            self._acknowledge(under_way)
        return total

    def _pipeline(self, under_way: list[Request]) -> None:
        try:
            self._client.send(*under_way[-1])
        except (EOFError, ConnectionError):
            self._again(under_way)

    def _acknowledge(self, under_way: list[Request]) -> None:
        try:
            answer, _ = self._client.receive()
        except (EOFError, ConnectionError):
            self._again(under_way)
            return
        under_way.pop(0)
        if "error" in answer:
            self._client.close()
            raise error_from_dict(answer["error"])

    def _again(self, under_way: list[Request]) -> None:
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
        return [_finished(batch, answer["function"], costs, row) for row in json.loads(body)]

    def status(self, batch: str) -> BatchStatus:
        answer, _ = self._client.request({"verb": "status", "batch": batch})
        return _status(answer["status"])

    def batches(self, *, limit: int = 50, parts: bool = False) -> Sequence[BatchStatus]:
        """The newest first; with `parts`, those too that bodies mapped."""
        answer, _ = self._client.request({"verb": "batches", "limit": limit, "parts": parts})
        return [_status(found) for found in answer["batches"]]

    def cancel(self, batch: str) -> None:
        while True:
            answer, _ = self._client.request({"verb": "cancel", "batch": batch})
            if answer.get("ended", True):
                return

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
        self,
        function: Function[Any, Any],
        options: Options,
        items: Iterable[tuple[Asset, Mapping[str, Any] | Params | None]],
        params: Params,
        **wishes: Any,
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

    def costs(self, *, since: float = 0.0, batches: bool = False) -> Mapping[str, Any]:
        """What was spent since a time: see `rushes.runtime.records.statement`."""
        from rushes.journal.cost_sums import CostReader  # noqa: PLC0415 - only who asks needs it
        from rushes.runtime.records.statement import statement  # noqa: PLC0415

        self._client.request({"verb": "costs"})
        with CostReader(self.settings.journal) as sums:
            return statement(sums, since=since, batches=batches)

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


def _opening(spec: BatchSpec) -> tuple[str, Request]:
    """A new batch's id, and the request that opens it; the token tells a repeated request from a clash."""
    batch = "".join(secrets.choice(_ALPHABET) for _ in range(6))
    return batch, (
        {"verb": "open", "batch": batch, "spec": {**_plain(spec), "token": secrets.token_hex(8)}},
        b"",
    )


def _plain(spec: BatchSpec) -> dict[str, Any]:
    """The fields as they are: `dataclasses.asdict` would copy the whole environment, in 0.5 ms."""
    return {field.name: getattr(spec, field.name) for field in fields(spec)}


def _chunks(rows: Iterator[list[Any]]) -> Iterator[list[list[Any]]]:
    """Rows in messages: few at first, then more, and never more than a frame takes."""
    size = FIRST_CHUNK
    chunk: list[list[Any]] = []
    carried = 0
    for row in rows:
        chunk.append(row)
        carried += len(row[_PARAMS] or "")
        if len(chunk) >= size or carried >= CHUNK_BYTES:
            yield chunk
            size = min(size * 4, CHUNK)
            chunk, carried = [], 0
    if chunk:
        yield chunk


def _submission(batch: str, rows: list[list[Any]]) -> Request:
    return {"verb": "submit", "batch": batch}, json.dumps(rows, separators=(",", ":")).encode()


def _rows(invocations: Iterable[Invocation]) -> Iterator[list[Any]]:
    for n, one in enumerate(invocations, start=1):
        yield [
            n, one.source, one.key, one.frames, one.params, one.subdir, one.tag, one.after or None,
            one.on_failure, one.problem, one.fingerprint, one.exclusive or None,
        ]  # fmt: skip


def _finished(batch: str, function: str, costs: Mapping[str, int], row: Sequence[Any]) -> Finished:
    seq, n, state, seconds, cached, source, attempts, data = row
    error = data.get("error")
    if error is not None:
        data = {**data, **made_beside(error)}
    return Finished(
        seq,
        batch,
        f"{batch}.{n}",
        source,
        function_name(function),
        _STATES[state],
        tuple(data.get("outputs", ())),
        data.get("result"),
        error,
        (error or {}).get("attempts", attempts),
        seconds,
        costs.get(str(n), 0) if costs else 0,
        data.get("encoder"),
        bool(cached),
        data.get("receipt"),
        tuple(data.get("warnings", ())),
        data.get("media_s", 0.0),
    )


def _status(found: Mapping[str, Any]) -> BatchStatus:
    counts = Counts(*found["counts"])
    counts.cached = found["cached"]
    return BatchStatus(
        batch=found["batch"],
        title=found["title"],
        function=function_name(found["function"]),
        priority=found["priority"],
        show=found["show"],
        out=found["out"],
        counts=counts,
        sealed=found["sealed"],
        submitted=found["submitted"],
        ended=found["ended"],
        seconds=found["seconds"],
        media_s=found["media_s"],
        running=tuple(found.get("running", ())),
        standstill=found.get("standstill", ""),
        tags=found["tags"],
        displacement=tuple(found.get("displacement", ())),
        parent=found.get("parent", ""),
        spent=Spent(*found.get("spent", ())),
        quote=found.get("quote"),
        held=found.get("held", ""),
        held_by=tuple(found.get("held_by", ("", ""))),
        frees_at=found.get("frees_at"),
        only_held=found.get("only_held", False),
        class_note=found.get("class_note", ""),
        waits=tuple(found.get("waits", ())),
        target_s=found.get("target_s"),
    )


def run_worker(*, foreground: bool = False, environ: Mapping[str, str] | None = None) -> int:
    """Run the worker of this user and machine until it is told to stop or has been idle for long.

    Raises:
        CallerError: `foreground`, and another worker runs already.
    """
    from rushes.journal.estimates import SqliteLearntRuns  # noqa: PLC0415 - only a worker needs these
    from rushes.journal.sqlite import SqliteJournal  # noqa: PLC0415
    from rushes.runtime.configuration.capacity_file import capacity_file  # noqa: PLC0415
    from rushes.runtime.configuration.class_file import class_file  # noqa: PLC0415
    from rushes.runtime.configuration.costing import machine_price  # noqa: PLC0415
    from rushes.runtime.configuration.machine import capacity_of  # noqa: PLC0415
    from rushes.runtime.worker.worker import Worker  # noqa: PLC0415

    environ = os.environ if environ is None else environ
    settings = settings_from(environ)
    price = machine_price(settings, environ, capacity_of(settings))
    with (settings.home / "worker.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not foreground:
                return 0
            raise CallerError(
                f"a worker already serves {settings.home}.",
                code="worker-runs",
                fix="`rushes pool` shows it; `rushes drain` lets it finish and end.",
            ) from None
        os.set_inheritable(lock.fileno(), False)  # noqa: FBT003 - a slot must not hold it after us
        journal = SqliteJournal(settings.journal, synchronous=settings.synchronous)
        learnt = SqliteLearntRuns(settings.estimates, settings.journal)
        Worker(
            settings,
            journal,
            _sinks(environ),
            capacity_file(environ),
            class_file(environ),
            price=price,
            learnt=learnt.before(),
        ).run()
        learnt.refresh()  # now that nobody waits: the next worker knows what this one has run
    return 0


def _sinks(environ: Mapping[str, str]) -> list[Sink]:
    """Who is told of state changes."""
    if not environ.get("RUSHES_EVENTS"):  # the worker of most people need not import what reads the file
        return []
    from rushes.runtime.configuration.event_file import event_sinks  # noqa: PLC0415 - as above

    return event_sinks(environ)


if __name__ == "__main__":
    try:
        sys.exit(run_worker())
    except RushesError as problem:
        sys.exit(f"rushes worker: {problem}")
