"""The outlet: state changes go from the worker's turns into the journal, from there to whoever wants them.

An event is written in the transaction of the change that it tells of, so none is lost and none tells of what
never was. It leaves after the commit; how far each sink has been told is written when it has answered. A
worker that dies in between tells again: at least once. There is an outlet only where there are sinks.

This module must not know how a delivery is made: the teller does that.
"""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, Final, NamedTuple, Protocol

from rushes.core.money import NANO
from rushes.core.sinks import (
    BATCH_ENDED,
    OF_BATCHES,
    Delivery,
    Heard,
    Outgoing,
    Sink,
    failed,
    next_delivery,
    told,
)
from rushes.errors import PlatformError
from rushes.media.running.redact import redact
from rushes.runtime.records.batches import STATES, BatchState
from rushes.runtime.records.cost_records import CostRecords
from rushes.runtime.records.ports import NewRow, OutboxRecords
from rushes.runtime.telling.state_event import batch_data, envelope, invocation_data
from rushes.runtime.wire import Stream

__all__ = ["Outlet"]

PAGE: Final = 1000
"""Rows that are looked at for one delivery."""
MOST_WAITING: Final = 100_000
"""Events that may wait for a sink, some 60 MB; then it misses the oldest."""
PROGRESS_EVERY_S: Final = 5.0
ENDED: Final = frozenset(state.value for state in STATES if state.ended)
LINGERS_S: Final = 60.0
"""A worker with nothing else to do stays for a next try that is due within this time."""


class _Journal(OutboxRecords, CostRecords, Protocol):
    """Events that wait, and what has ended has cost."""


class _Noted(NamedTuple):
    kind: str
    state: BatchState
    number: int
    more: dict[str, Any]


class Outlet:
    """What is told to sinks, and how far each has been told. Only the worker's one thread touches it.

    Args:
        journal: where events wait.
        sinks: at least one.
        watch, unwatch: the worker listens to the teller's socket.
    """

    def __init__(
        self,
        journal: _Journal,
        sinks: Sequence[Sink],
        watch: Callable[[Outlet, socket.socket], None],
        unwatch: Callable[[socket.socket], Any],
    ) -> None:
        self._journal = journal
        self._sinks = {sink.name: sink for sink in sinks}
        self._watch, self._unwatch = watch, unwatch
        self.kinds = frozenset().union(*(sink.kinds for sink in sinks))
        self._noted: list[_Noted] = []
        self._progress: dict[int, float] = {}
        self._heard: dict[str, Heard] = {}
        self._changed: set[str] = set()
        self._under_way: dict[str, Delivery] = {}
        self._last = 0
        self._teller: subprocess.Popen[bytes] | None = None
        self._stream: Stream | None = None

    def recover(self) -> None:
        """Take up what waits; a sink that is new hears of what happens from now on."""
        known = self._journal.heard()
        self._last = self._journal.last_event()
        self._journal.forget_sinks([name for name in known if name not in self._sinks])
        for name in self._sinks:
            self._heard[name] = known.get(name) or Heard(self._last)
        self._changed.update(self._heard)

    # -- what happens --------------------------------------------------------------------------------------

    def note(self, kind: str, state: BatchState, number: int, **more: Any) -> None:
        """Something has happened to an invocation. Parts of another's are its own affair."""
        if kind in self.kinds and not state.parent:
            self._noted.append(_Noted(kind, state, number, more))

    def note_new(self, state: BatchState, rows: Sequence[NewRow]) -> None:
        """Invocations have come in; those that have ended at once are noted as such already."""
        for row in rows:
            kind = STATES[row[1]]
            if not kind.ended:
                reason = row[-1]
                self.note(kind.value, state, row[0], **({"reason": reason} if reason else {}))

    def note_progress(self, state: BatchState, number: int, fraction: float, note: str, now: float) -> None:
        """A running invocation got on; told every few seconds."""
        if "progress" in self.kinds and now - self._progress.get(number, 0.0) >= PROGRESS_EVERY_S:
            self._progress[number] = now
            self.note("progress", state, number, fraction=round(fraction, 4), note=note)

    def write(self, now: float) -> None:
        """Put down what the turn has brought, and how far the sinks are."""
        if self._noted:
            noted, self._noted = self._noted, []
            assets = self._journal.sources([one.number for one in noted if one.kind not in OF_BATCHES])
            costs = self._costs(noted)
            self._journal.post([_row(one, assets, costs, now) for one in noted])
            self._last = self._journal.last_event()
            if len(self._progress) > PAGE:
                self._progress.clear()
        self._drop_oldest()
        if self._changed:
            changed = {name: self._heard[name] for name in self._changed}
            self._journal.save_heard(changed)
            self._journal.trim_events(min(one.upto for one in self._heard.values()))
            self._changed.clear()

    def _costs(self, noted: Sequence[_Noted]) -> dict[int, int]:
        """Nano-dollars of those that have ended, batches too, by number; only where anything has cost any."""
        ends = [one.number for one in noted if one.kind in ENDED]
        costs = self._journal.cost_each(ends) if ends else {}
        for one in noted:
            if one.kind == BATCH_ENDED and (nano := self._journal.spent_on_batch(one.state.number).nano):
                costs[one.state.number] = nano
        return costs

    def _drop_oldest(self) -> None:
        for name, heard in self._heard.items():
            missed = self._last - MOST_WAITING - heard.upto
            if missed > 0 and name not in self._under_way:
                upto, dropped = heard.upto + missed, heard.dropped + missed
                self._stand(name, replace(heard, upto=upto, dropped=dropped))

    # -- telling -------------------------------------------------------------------------------------------

    def hand_out(self, now: float) -> None:
        """Give the teller what is due; after the commit of the turn that wrote it."""
        for name, sink in self._sinks.items():
            while name not in self._under_way:
                heard = self._heard[name]
                if heard.upto >= self._last or heard.next_at > now:
                    break
                delivery = next_delivery(sink, map(Outgoing._make, self._journal.events(heard.upto, PAGE)))
                if delivery is None:
                    break
                if not delivery.rows:
                    self._stand(name, told(heard, delivery))
                    continue
                self._under_way[name] = delivery
                self._deliver(sink, delivery, now)
        if self._stream is not None and self._stream.flush() and not self._under_way:
            self._lost(now)

    def _deliver(self, sink: Sink, delivery: Delivery, now: float) -> None:
        bodies = [row.body for row in delivery.rows]
        digest = hashlib.sha256("\n".join([sink.name, *bodies]).encode()).hexdigest()
        target = {
            "url": sink.url,
            "secret_file": sink.secret_file,
            "command": sink.command,
            "timeout_s": sink.timeout_s,
            "at_once": sink.at_once,
        }
        header = {"name": sink.name, "sink": target, "message": f"msg_{digest[:32]}"}
        try:
            self._teller_stream().queue(header, json.dumps(bodies).encode())
        except OSError as error:
            self._answer(sink.name, f"the teller cannot be started: {error}", 0.0, now)

    def hear(self, now: float) -> None:
        """Take in what came of deliveries."""
        if self._stream is None:
            return
        alive = self._stream.read()
        try:
            for header, _ in self._stream.frames():
                self._answer(header["name"], header["error"], header["after_s"], now)
        except (PlatformError, ValueError, LookupError):
            alive = False
        if not alive:
            self._lost(now)

    def _answer(self, name: str, error: str, after_s: float, now: float) -> None:
        delivery = self._under_way.pop(name, None)
        if delivery is None:
            return
        heard = self._heard[name]
        if error:
            self._stand(name, failed(heard, delivery, redact(error)[:300], now, after_s=after_s))
        else:
            self._stand(name, told(heard, delivery))

    def _stand(self, name: str, heard: Heard) -> None:
        self._heard[name] = heard
        self._changed.add(name)

    # -- the teller ----------------------------------------------------------------------------------------

    def _teller_stream(self) -> Stream:
        if self._stream is None:
            ours, theirs = socket.socketpair()
            with theirs:
                self._teller = subprocess.Popen(
                    [sys.executable, "-m", "rushes.runtime.telling.teller", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            ours.setblocking(False)  # noqa: FBT003 - its only parameter
            self._stream = Stream(ours)
            self._watch(self, ours)
        return self._stream

    def _lost(self, now: float) -> None:
        """The teller is gone: what it was telling is told again."""
        self.close()
        for name in list(self._under_way):
            self._answer(name, "the process that delivers events ended", 0.0, now)

    def close(self) -> None:
        """End the teller."""
        if self._stream is not None:
            self._unwatch(self._stream.sock)
            self._stream.sock.close()
            self._stream = None
        if self._teller is not None:
            try:
                self._teller.wait(2.0)
            except subprocess.TimeoutExpired:
                self._teller.kill()
                self._teller.wait()
            self._teller = None

    # -- how it stands -------------------------------------------------------------------------------------

    def busy(self, now: float) -> bool:
        """Something is being told, or is soon to be told again."""
        return bool(self._under_way) or any(
            one.upto < self._last and one.next_at - now < LINGERS_S for one in self._heard.values()
        )

    def describe(self) -> list[dict[str, Any]]:
        """Each sink and how far it has been told."""
        return [
            {
                "name": name,
                "to": redact(self._sinks[name].url) or self._sinks[name].command[0],
                "events": sorted(self._sinks[name].kinds),
                "waiting": max(self._last - heard.upto, 0),
                **asdict(heard),
            }
            for name, heard in self._heard.items()
        ]


def _row(
    noted: _Noted, assets: dict[int, str], costs: dict[int, int], now: float
) -> tuple[str, str, str, str]:
    state, spec = noted.state, noted.state.spec
    if noted.kind in OF_BATCHES:
        subject, data = state.id, {**batch_data(state), **noted.more}
    else:
        subject, asset = state.public_id(noted.number), assets.get(noted.number, "")
        data = invocation_data(noted.kind, state, subject, asset, dict(noted.more))
    nano = costs.get(state.number if noted.kind == BATCH_ENDED else noted.number, 0)
    if nano and noted.kind in {BATCH_ENDED, *ENDED}:
        data["cost_usd"] = nano / NANO
    return noted.kind, spec["show"], data["function"], envelope(noted.kind, subject, now, data)
