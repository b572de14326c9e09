"""The verbs that clients say to a worker, each with its answer.

An answer is a value that is sent after the commit; None means that `following` answers later. This module
must not know sockets.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rushes import __version__
from rushes.core.accounts import Scope, SpendLimits
from rushes.errors import CallerError, PlatformError, RushesError
from rushes.invocation import OWNER
from rushes.runtime.configuration.settings import Settings
from rushes.runtime.dispatch.dispatcher import Dispatcher
from rushes.runtime.records.batches import BatchState
from rushes.runtime.refusals import (
    has_ended,
    known_class,
    only_a_part,
    scope_of,
    unknown_budget_verb,
    unknown_control,
)
from rushes.runtime.scaling.elastic import Elastic
from rushes.runtime.wire import WIRE, Stream
from rushes.runtime.worker.following import Following
from rushes.runtime.worker.people import person_of
from rushes.runtime.worker.requests import check_header, check_rows

__all__ = ["ClientState", "Verbs"]

MOST_LOOKED_AT: Final = 16_384
"""Batches among which the newest of people's are looked for, where hosts bring one a clip."""


@dataclass(slots=True)
class ClientState:
    """One connected client: its number, its stream, its user by number, the batches that it submits."""

    number: int
    stream: Stream
    uid: int
    batches: set[int] = field(default_factory=set)
    writing: bool = False
    lost: bool = False
    """It said what cannot be read; its connection is of no more use."""


class Verbs:
    """Answers requests. `stopping` is what people have asked of the worker."""

    def __init__(
        self, dispatcher: Dispatcher, following: Following, settings: Settings, elastic: Elastic
    ) -> None:
        self._dispatcher = dispatcher
        self._elastic = elastic
        self._following = following
        self._pool = dispatcher.pool
        self._journal = dispatcher.pool.journal
        self._settings = settings
        self.stopping = False
        self._verbs: dict[str, Callable[[ClientState, Any, bytes], dict[str, Any] | None]] = {
            "hello": self._hello,
            "open": self._open,
            "submit": self._submit,
            "seal": self._seal,
            "results": self._results,
            "status": self._status,
            "batches": self._batches,
            "cancel": self._cancel,
            "withdraw": self._withdraw,
            "retry": self._retry,
            "set": self._set,
            "budget": self._budget,
            "explain": self._explain,
            "pool": self._describe_pool,
            "control": self._control,
            "journal": self._keep_journal,
            "costs": self._costs,
        }

    def answer(self, client: ClientState, header: Any, body: bytes) -> dict[str, Any] | None:
        """What to answer; an error is an answer too.

        Raises:
            PlatformError: the journal's disk is full: the whole turn has to wait.
        """
        verb = self._verbs.get(str(header.get("verb")))
        try:
            if verb is None:
                raise _other_version(f"does not know {header.get('verb')!r}")
            check_header(header)
            return verb(client, header, body)
        except RushesError as error:
            if error.code == "journal-full":
                raise
            return {"error": error.to_dict()}
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
            # One client's nonsense must not end the work of all others.
            sys.stderr.write(f"rushes worker: {header.get('verb')!r}\n{traceback.format_exc()}")
            sys.stderr.flush()
            return {"error": _nonsense(header, error).to_dict()}

    def _hello(self, _client: ClientState, header: Any, _body: bytes) -> dict[str, Any]:
        if header.get("wire") != WIRE:
            raise _other_version(f"speaks protocol {WIRE}, this client {header.get('wire')}")
        return {
            "wire": WIRE,
            "version": __version__,
            "pid": os.getpid(),
            "home": str(self._settings.home),
            "moved": self._settings.moved,
        }

    # -- submitting ---------------------------------------------------------------------------------------

    def _open(self, client: ClientState, header: Any, _body: bytes) -> dict[str, Any]:
        self._require_space()
        if self._pool.draining and not header["spec"].get("parent"):
            raise PlatformError(
                "the worker is draining and takes no new work.",
                code="draining",
                fix="Wait until it has ended: the next command then starts a new one; or `rushes resume`.",
            )
        batch = header["batch"]
        known = self._journal.batch(batch)
        if known is not None:
            # Said twice, because the answer to the first was lost with an earlier worker.
            if json.loads(known.spec).get("token") == header["spec"].get("token"):
                return {"batch": batch}
            raise PlatformError(f"a batch {batch!r} exists.", code="batch-exists", fix="Send it again.")
        spec = self._dispatcher.classes.admit(header["spec"], person_of(client.uid))
        state = self._dispatcher.admission.open(batch, spec)
        self._dispatcher.budgeting.opened(state)
        state.client = client.number
        client.batches.add(state.number)
        return {"batch": batch}

    def _submit(self, client: ClientState, header: Any, body: bytes) -> dict[str, Any]:
        self._require_space()
        state = self._live(header["batch"])
        state.client, state.orphaned = client.number, None
        client.batches.add(state.number)
        added = self._dispatcher.admission.submit(state, check_rows(json.loads(body)))
        return {"added": added, "last_n": state.last_n}

    def _seal(self, _client: ClientState, header: Any, _body: bytes) -> dict[str, Any]:
        state = self._pool.by_id.get(header["batch"])
        if state is None:
            self._pool.require(header["batch"])
        else:
            state.sealed = state.dirty = True
            state.orphaned = None
        return {}

    def _live(self, batch: str) -> BatchState:
        state = self._pool.by_id.get(batch)
        if state is None:
            raise CallerError(f"batch {batch!r} is not open.", code="not-open", fix="Open a new one.")
        return state

    def _require_space(self) -> None:
        if self._pool.wedged:
            raise PlatformError(
                f"the disk of the journal is nearly full ({self._settings.home}).",
                code="disk-full",
                fix="Free some space: what was submitted goes on by itself then.",
            )

    # -- following and steering ---------------------------------------------------------------------------

    def _results(self, client: ClientState, header: Any, _body: bytes) -> None:
        if header["batch"] not in self._pool.by_id:
            self._pool.require(header["batch"])
        self._following.wait_for_results(client.stream, header)

    def _status(self, _client: ClientState, header: Any, _body: bytes) -> dict[str, Any]:
        return {"status": self._dispatcher.reports.status(header["batch"])}

    def _batches(self, _client: ClientState, header: Any, _body: bytes) -> dict[str, Any]:
        limit = int(header.get("limit", 50))
        ids = self._newest(limit, parts=bool(header.get("parts")), lent=bool(header.get("lent")))
        return {"batches": [self._dispatcher.reports.status(one) for one in ids]}

    def _newest(self, limit: int, *, parts: bool, lent: bool) -> list[str]:
        """The newest batches; those that bodies mapped, or hosts brought, only where they are asked for.

        What a host brought is of a batch that people know by another name, in another ledger.
        """
        looked_at = limit
        while True:
            rows = self._journal.batches(looked_at)
            found = [row.id for row in rows if _is_wanted(json.loads(row.spec), parts=parts, lent=lent)]
            if len(found) >= limit or len(rows) < looked_at or looked_at >= MOST_LOOKED_AT:
                return found[:limit]
            looked_at *= 4

    def _cancel(self, client: ClientState, header: Any, _body: bytes) -> dict[str, Any] | None:
        batch = header["batch"]
        self._pool.require(batch)
        state = self._pool.by_id.get(batch)
        if state is None:
            return {"ended": True}
        self._dispatcher.watch.cancel(state)
        self._following.wait_for_end(client.stream, batch)
        return None

    def _withdraw(self, _client: ClientState, header: Any, _body: bytes) -> dict[str, Any]:
        batch = header["batch"]
        self._pool.require(batch)
        state = self._pool.by_id.get(batch)
        if state is not None:
            self._dispatcher.watch.withdraw(state, [int(n) for n in header["numbers"]])
        return {}

    def _set(self, client: ClientState, header: Any, _body: bytes) -> dict[str, Any]:
        batch, priority = header["batch"], header.get("priority")
        parent = json.loads(self._pool.require(batch).spec).get("parent")
        if parent:
            raise only_a_part(batch, parent, "set")
        classes = self._dispatcher.classes
        if priority is not None:
            known_class(priority, classes.names)
        state = self._pool.by_id.get(batch)
        if state is None or state.stopping:
            raise has_ended(batch)
        if priority is not None:
            priority = classes.check(person_of(client.uid), state.spec["show"], priority)
        if "limits" in header:
            self._dispatcher.budgeting.set(Scope("batch", batch), SpendLimits(**header["limits"]))
        if priority is not None:
            for word in ("demoted_from", "class_note"):  # a person's word stands above a limit's
                state.spec.pop(word, None)
            classes.give(state, priority)
        return {"set": True}

    def _budget(self, _client: ClientState, header: Any, _body: bytes) -> dict[str, Any]:
        if header["action"] == "set":
            scope = scope_of(header["level"], header["name"])
            if scope.level == "batch":
                return self._set(_client, {"batch": scope.name, "limits": header["limits"]}, _body)
            self._dispatcher.budgeting.set(scope, SpendLimits(**header["limits"]))
        elif header["action"] != "show":
            raise unknown_budget_verb(header["action"])
        return {"budget": self._dispatcher.budgeting.describe()}

    def _retry(self, _client: ClientState, header: Any, _body: bytes) -> dict[str, Any]:
        self._require_space()
        parent = json.loads(self._pool.require(header["batch"]).spec).get("parent")
        if parent:
            raise only_a_part(header["batch"], parent, "retry")
        self._dispatcher.budgeting.reopens(header["batch"])
        return {"queued": self._dispatcher.admission.retry(header["batch"])}

    def _explain(self, _client: ClientState, header: Any, _body: bytes) -> dict[str, Any]:
        return {"explained": self._dispatcher.reports.explain(header["invocation"])}

    def _describe_pool(self, _client: ClientState, _header: Any, _body: bytes) -> dict[str, Any]:
        described = self._dispatcher.reports.describe_pool()
        described["worker"] = {
            "pid": os.getpid(),
            "version": __version__,
            "home": str(self._settings.home),
        }
        described["draining"] = self._pool.draining
        described["classes"] = self._dispatcher.classes.describe()
        described["elastic"] = self._elastic.describe()
        described["events"] = [] if self._pool.outlet is None else self._pool.outlet.describe()
        return {"pool": described}

    def _control(self, _client: ClientState, header: Any, _body: bytes) -> dict[str, Any]:
        action = header["action"]
        if action in {"pause", "resume"}:
            self._pool.draining = False  # whoever resumes takes a drain back, too
            self._dispatcher.pause(paused=action == "pause")
        elif action == "drain":
            self._dispatcher.pause(paused=True)
            self._pool.draining = True
        elif action == "stop":
            self._pool.draining = self.stopping = True
        elif action == "resize":
            self._elastic.pin(header.get("slots"))
        else:
            raise unknown_control(action)
        return {"action": action, "running": len(self._pool.running), "pid": os.getpid()}

    def _costs(self, _client: ClientState, _header: Any, _body: bytes) -> dict[str, Any]:
        """Bring the ledger of costs up to now; who asks reads it, and holds nobody up."""
        if self._pool.meter is not None:
            self._pool.meter.keep()
        return {"kept": self._pool.meter is not None}

    def _keep_journal(self, _client: ClientState, header: Any, _body: bytes) -> dict[str, Any]:
        self._pool.flush()
        if header["action"] == "prune":
            before = self._pool.now - float(header["older_s"])
            return {"pruned": self._journal.prune(before, keep=int(header.get("keep", 0)))}
        if header["action"] == "backup":
            self._journal.backup(Path(header["target"]))
        return {"journal": self._journal.statistics()}


def _is_wanted(spec: Mapping[str, Any], *, parts: bool, lent: bool) -> bool:
    """Whether a batch is one of those that are asked for, by what it was opened with."""
    return (parts or not spec.get("parent")) and (lent or OWNER not in (spec.get("tags") or {}))


def _nonsense(header: Any, error: Exception) -> CallerError:
    return CallerError(
        f"the worker cannot make sense of this {header.get('verb')!r}: {type(error).__name__}: {error}"[:500],
        code="bad-request",
        fix="See worker.log in its folder.",
    )


def _other_version(how: str) -> PlatformError:
    return PlatformError(
        f"the worker of this machine (Rushes {__version__}) {how}.",
        code="wire",
        fix="Let its work end, then `rushes worker --stop`: the next command starts a new one.",
    )
