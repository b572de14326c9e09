"""The worker: one process a user and machine that owns the journal and the slots; terminals are its clients.

One thread, one loop: wait for sockets, take in what they say, let the dispatcher decide, commit once, send.
This module must not know SQL or scheduling rules; it knows clients.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rushes import __version__
from rushes.core.events import Capacity
from rushes.core.policy import SchedulerSettings
from rushes.core.scheduler import Scheduler
from rushes.errors import CallerError, PlatformError, RushesError
from rushes.runtime.batches import BatchState
from rushes.runtime.dispatcher import Dispatcher
from rushes.runtime.settings import Settings
from rushes.runtime.slots import SlotProcess
from rushes.runtime.wire import WIRE, Stream

__all__ = ["Worker"]

ORPHAN_S: Final = 60.0
"""How long a batch waits for a submitter that has gone before it is taken to be complete as it is."""
TICK_S: Final = 0.5
# A slot is given up to 256 very short invocations, some 4 ms of work: as long as a commit can take.
POOL: Final = SchedulerSettings(lease_window=2048, micro_batch_max=256)
# No vowels, so that no id is a word, and nothing that is misread aloud.
_ALPHABET: Final = "23456789bcdfghjkmnpqrstvwxz"


@dataclass(slots=True)
class _Client:
    number: int
    stream: Stream
    batches: set[int]
    writing: bool = False


@dataclass(slots=True)
class _Waiter:
    """A client that waits for results, or for a batch's end."""

    client: int
    batch: str
    after: int
    limit: int
    until: float
    ended: bool = False


class Worker:
    """The loop. `journal` is open; `settings` say where the socket goes and how large the pool is."""

    def __init__(self, settings: Settings, journal: Any) -> None:
        self._settings = settings
        self._journal = journal
        self._selector = selectors.DefaultSelector()
        capacity = Capacity(settings.cpu, float(settings.memory_bytes), gpu=float(_gpus()))
        self.dispatcher = Dispatcher(
            Scheduler(capacity, settings=POOL), journal, settings.home, capacity, self._watch, self._unwatch
        )
        self._clients: dict[int, _Client] = {}
        self._waiters: list[_Waiter] = []
        self._next_client = 0
        self._stopping = False
        self._draining = False
        self._busy_at = time.time()
        self._listener: socket.socket | None = None
        self._verbs: dict[str, Callable[[_Client, Any, bytes], dict[str, Any] | None]] = {
            "hello": self._hello,
            "open": self._open,
            "submit": self._submit,
            "seal": self._seal,
            "results": self._results,
            "status": self._status,
            "batches": self._batches,
            "cancel": self._cancel,
            "retry": self._retry,
            "explain": self._explain,
            "pool": self._pool,
            "control": self._control,
            "journal": self._journal_verb,
        }

    def run(self) -> None:
        """Serve until told to stop, or until nothing has happened for the idle time."""
        self._journal.begin()
        self.dispatcher.recover()
        self._journal.commit()
        self._listen()
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        try:
            while not self._stopping:
                self._turn()
        finally:
            if self._listener is not None:
                self._settings.socket.unlink(missing_ok=True)
                self._listener.close()
            self.dispatcher.stop()
            self._journal.close()

    def _on_signal(self, _signal: int, _frame: Any) -> None:
        self._stopping = True

    # -- the loop -----------------------------------------------------------------------------------------

    def _turn(self) -> None:
        dispatcher = self.dispatcher
        ready = self._selector.select(self._patience())
        dispatcher.now = now = time.time()
        self._journal.begin()
        try:
            for key, mask in ready:
                who = key.data
                if isinstance(who, SlotProcess):
                    if mask & selectors.EVENT_READ and who.number in dispatcher.slots:
                        dispatcher.hear(who)
                elif isinstance(who, _Client):
                    self._serve(who, mask)
                else:
                    self._accept()
            dispatcher.tick()
            self._orphans(now)
            dispatcher.close_turn()
            self._journal.commit()
        except PlatformError as error:
            if error.code != "journal-full":
                raise
            self._wait_for_space(error)
        dispatcher.push()
        self._answer_waiters(now)
        for client in list(self._clients.values()):
            self._send(client)
        self._rest(now)

    def _patience(self) -> float:
        dispatcher = self.dispatcher
        if dispatcher.after_commit or any(b.stopping and b.unfinished for b in dispatcher.batches.values()):
            return 0.02
        # A slot whose socket is full has no event of its own here; it drains within a millisecond or two.
        if any(slot.waits for slot in dispatcher.slots.values()):
            return 0.002
        if any(len(slot.given) > 1 for slot in dispatcher.slots.values()):
            return 0.05
        return TICK_S

    def _wait_for_space(self, error: PlatformError) -> None:
        """The disk is full to the last byte: keep the turn, and try until it is written."""
        print(f"rushes worker: {error}", file=sys.stderr, flush=True)
        while not self._stopping:
            time.sleep(1.0)
            try:
                self._journal.commit()
            except PlatformError:
                continue
            return

    def _rest(self, now: float) -> None:
        """Leave when drained, or when nobody has wanted anything for the idle time."""
        if self._draining and not self.dispatcher.running:
            self._stopping = True
        if self._clients or not self.dispatcher.idle:
            self._busy_at = now
        elif now - self._busy_at > self._settings.idle_s:
            self._stopping = True

    def _orphans(self, now: float) -> None:
        """A batch whose submitter is gone for good is complete as it is."""
        for state in self.dispatcher.batches.values():
            if state.orphaned is not None and not state.sealed and now - state.orphaned > ORPHAN_S:
                state.sealed = state.dirty = True

    # -- sockets ------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        path = self._settings.socket
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(64)
        listener.setblocking(False)
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ, "listener")

    def _accept(self) -> None:
        assert self._listener is not None  # noqa: S101 - it is what woke us
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        if _peer(sock) not in {os.getuid(), 0}:
            sock.close()
            return
        sock.setblocking(False)
        self._next_client += 1
        client = _Client(self._next_client, Stream(sock), set())
        self._clients[client.number] = client
        self._selector.register(sock, selectors.EVENT_READ, client)

    def _watch(self, slot: SlotProcess) -> None:
        self._selector.register(slot.talk, selectors.EVENT_READ, slot)

    def _unwatch(self, slot: SlotProcess) -> None:
        self._selector.unregister(slot.talk)

    def _serve(self, client: _Client, mask: int) -> None:
        if mask & selectors.EVENT_READ and client.number in self._clients:
            alive = client.stream.read()
            for header, body in client.stream.frames():
                self._handle(client, header, body)
            if not alive:
                self._drop(client)

    def _drop(self, client: _Client) -> None:
        self._selector.unregister(client.stream.sock)
        client.stream.sock.close()
        del self._clients[client.number]
        self._waiters = [w for w in self._waiters if w.client != client.number]
        for number in client.batches:
            state = self.dispatcher.batches.get(number)
            if state is not None and not state.sealed and state.client == client.number:
                state.orphaned = self.dispatcher.now

    def _handle(self, client: _Client, header: Any, body: bytes) -> None:
        verb = self._verbs.get(str(header.get("verb")))
        try:
            if verb is None:
                raise CallerError(
                    f"this worker (Rushes {__version__}) does not know {header.get('verb')!r}.",
                    code="wire",
                    fix="Let its work end, then `rushes worker --stop`: the next command starts a new one.",
                )
            answer = verb(client, header, body)
        except PlatformError as error:
            if error.code == "journal-full":
                raise
            answer = {"error": error.to_dict()}
        except RushesError as error:
            answer = {"error": error.to_dict()}
        if answer is not None:
            self.dispatcher.after_commit.append(lambda: client.stream.queue(answer))

    def _send(self, client: _Client) -> None:
        more = client.stream.flush()
        if more != client.writing and client.number in self._clients:
            client.writing = more
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if more else 0)
            self._selector.modify(client.stream.sock, events, client)

    # -- verbs --------------------------------------------------------------------------------------------

    def _hello(self, _client: _Client, header: Any, _body: bytes) -> dict[str, Any]:
        if header.get("wire") != WIRE:
            raise PlatformError(
                f"the worker of this machine is Rushes {__version__} (protocol {WIRE}); this is protocol "
                f"{header.get('wire')}.",
                code="wire",
                fix="Let its work end, then `rushes worker --stop`: the next command starts a new one.",
            )
        return {
            "wire": WIRE,
            "version": __version__,
            "pid": os.getpid(),
            "home": str(self._settings.home),
            "moved": self._settings.moved,
        }

    def _open(self, client: _Client, header: Any, _body: bytes) -> dict[str, Any]:
        self._require_space()
        if self._draining:
            raise PlatformError(
                "the worker is draining and takes no new work.",
                code="draining",
                fix="Wait until it has ended; the next command starts a new one.",
            )
        batch = "".join(secrets.choice(_ALPHABET) for _ in range(6))
        state = self.dispatcher.open(batch, header["spec"])
        state.client = client.number
        client.batches.add(state.number)
        return {"batch": batch}

    def _require_space(self) -> None:
        if self.dispatcher.wedged:
            raise PlatformError(
                f"the disk of the journal is nearly full ({self._settings.home}).",
                code="disk-full",
                fix="Free some space: what was submitted goes on by itself then.",
            )

    def _live(self, header: Any) -> BatchState:
        state = self.dispatcher.by_id.get(header["batch"])
        if state is None:
            raise CallerError(
                f"batch {header['batch']!r} is not open.", code="not-open", fix="Open a new one."
            )
        return state

    def _submit(self, client: _Client, header: Any, body: bytes) -> dict[str, Any]:
        self._require_space()
        state = self._live(header)
        state.client, state.orphaned = client.number, None
        client.batches.add(state.number)
        added = self.dispatcher.submit(state, json.loads(body))
        return {"added": added, "last_n": state.last_n}

    def _seal(self, _client: _Client, header: Any, _body: bytes) -> dict[str, Any]:
        state = self.dispatcher.by_id.get(header["batch"])
        if state is not None:
            state.sealed = state.dirty = True
            state.orphaned = None
        return {}

    def _results(self, client: _Client, header: Any, _body: bytes) -> None:
        until = self.dispatcher.now + min(float(header.get("wait_s", 0.0)), 60.0)
        self._waiters.append(
            _Waiter(
                client.number,
                header["batch"],
                int(header.get("after", 0)),
                min(int(header.get("limit", 1000)), 5000),
                until,
            )
        )

    def _status(self, _client: _Client, header: Any, _body: bytes) -> dict[str, Any]:
        return {"status": self.dispatcher.status(header["batch"])}

    def _batches(self, _client: _Client, header: Any, _body: bytes) -> dict[str, Any]:
        rows = self._journal.batches(int(header.get("limit", 50)))
        return {"batches": [self.dispatcher.status(row[1]) for row in rows]}

    def _cancel(self, client: _Client, header: Any, _body: bytes) -> dict[str, Any] | None:
        self.dispatcher.status(header["batch"])
        state = self.dispatcher.by_id.get(header["batch"])
        if state is None:
            return {}
        self.dispatcher.cancel(state)
        self._waiters.append(
            _Waiter(client.number, header["batch"], 0, 0, self.dispatcher.now + 60.0, ended=True)
        )
        return None

    def _retry(self, _client: _Client, header: Any, _body: bytes) -> dict[str, Any]:
        self._require_space()
        return {"queued": self.dispatcher.retry(header["batch"])}

    def _explain(self, _client: _Client, header: Any, _body: bytes) -> dict[str, Any]:
        return {"explained": self.dispatcher.explain(header["invocation"])}

    def _pool(self, _client: _Client, _header: Any, _body: bytes) -> dict[str, Any]:
        pool = self.dispatcher.pool()
        pool.update(
            worker={"pid": os.getpid(), "version": __version__, "home": str(self._settings.home)},
            clients=len(self._clients),
            draining=self._draining,
        )
        return {"pool": pool}

    def _control(self, _client: _Client, header: Any, _body: bytes) -> dict[str, Any]:
        asked = header["action"]
        if asked in {"pause", "resume"}:
            self.dispatcher.pause(paused=asked == "pause")
        elif asked == "drain":
            self.dispatcher.pause(paused=True)
            self._draining = True
        elif asked == "stop":
            self._draining = self._stopping = True
        else:
            raise CallerError(
                f"{asked!r} is nothing that a pool can do.",
                code="bad-value",
                fix="Use pause, resume, drain or stop.",
            )
        return {"action": asked, "running": len(self.dispatcher.running), "pid": os.getpid()}

    def _journal_verb(self, _client: _Client, header: Any, _body: bytes) -> dict[str, Any]:
        self.dispatcher.flush()
        asked = header["action"]
        if asked == "prune":
            before = self.dispatcher.now - float(header["older_s"])
            return {"pruned": self._journal.prune(before, keep=int(header.get("keep", 0)))}
        if asked == "backup":
            self._journal.backup(Path(header["target"]))
        return {"journal": self._journal.statistics()}

    # -- results --------------------------------------------------------------------------------------------

    def _answer_waiters(self, now: float) -> None:
        if not self._waiters:
            return
        kept = []
        for waiter in self._waiters:
            client = self._clients.get(waiter.client)
            if client is not None and not self._answered(waiter, client, now):
                kept.append(waiter)
        self._waiters = kept

    def _answered(self, waiter: _Waiter, client: _Client, now: float) -> bool:
        state = self.dispatcher.by_id.get(waiter.batch)
        if waiter.ended:
            if state is not None and now < waiter.until:
                return False
            client.stream.queue({"ended": state is None})
            return True
        if state is not None and state.seq <= waiter.after and now < waiter.until:
            return False
        row = self._journal.batch(waiter.batch) if state is None else None
        if state is None and row is None:
            error = CallerError(
                f"there is no batch {waiter.batch!r}.",
                code="not-found",
                fix="`rushes list` names the batches.",
            )
            client.stream.queue({"error": error.to_dict()})
            return True
        number = state.number if state is not None else row[0]
        rows = self._journal.results(number, waiter.after, waiter.limit)
        function = state.spec["function"] if state is not None else json.loads(row[2])["function"]
        client.stream.queue({"rows": len(rows), "function": function, "ended": state is None}, _page(rows))
        return True


def _page(rows: list[Any]) -> bytes:
    """Results as one JSON array; the data of a row is JSON already and goes in as it is."""
    quote = json.encoder.encode_basestring_ascii
    lines = [
        f"[{seq},{number & 0xFFFFFFFF},{state},{seconds!r},{cached},{quote(source)},{attempt},{data or '{}'}]"
        for seq, number, state, seconds, cached, data, source, attempt in rows
    ]
    return ("[" + ",".join(lines) + "]").encode()


def _peer(sock: socket.socket) -> int:
    """The user at the other end of a Unix socket."""
    if hasattr(socket, "SO_PEERCRED"):
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", raw)[1])
    return os.getuid()  # elsewhere the folder's mode, 0700, is the check


def _gpus() -> int:
    """NVIDIA devices of this machine, by their device nodes."""
    return sum(1 for node in Path("/dev").glob("nvidia[0-9]*"))
