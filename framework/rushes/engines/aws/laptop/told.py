"""What the shared ledger knows of batches and invocations, as followers of any engine see it. Pure.

This module must not know requests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rushes.core.states import State
from rushes.invocation import BatchStatus, Counts, Finished, Spent, function_name, made_beside
from rushes.ledger import ON_HOSTS

if TYPE_CHECKING:
    from rushes.ledger import Entry, PastAttempt, Tally

__all__ = ["explained", "finished", "is_on_hosts", "standstill_of", "status_of", "with_next_steps"]

QUIET_S: Final = 10.0
"""After so long without anybody at work it is said that nobody is: a host that is free asks within a second,
a Lambda that has to start is there by then."""


def finished(seq: int, batch: str, spec: Mapping[str, Any], entry: Entry) -> Finished:
    """How an invocation ended, which has.

    Args:
        seq: its number among the ends.
        batch: what people call its batch.
        spec: what that was opened with.
        entry: the ledger's.
    """
    end = entry.end
    data = json.loads(end.data) if end is not None else {}
    error = data.get("error")
    if error is None and entry.state is State.cancelled:
        error = {"kind": "cancelled", "code": "cancelled", "message": "cancelled"}
    if error is not None:
        data = {**data, **made_beside(error)}
    return Finished(
        seq,
        batch,
        f"{batch}.{entry.work.n}",
        entry.work.source,
        function_name(str(spec["function"])),
        entry.state,
        tuple(data.get("outputs", ())),
        data.get("result"),
        error,
        (error or {}).get("attempts", entry.attempt),
        end.seconds if end is not None else 0.0,
        end.cost_nano if end is not None else 0,
        data.get("encoder"),
        bool(end and end.cached),
        data.get("receipt"),
        tuple(data.get("warnings", ())),
        end.media_s if end is not None else 0.0,
    )


def status_of(batch: str, tally: Tally, active: Sequence[Entry], now: float) -> BatchStatus:
    """Where a batch stands.

    Args:
        batch: what people call it.
        tally: how far it is.
        active: of what is claimed or waits for its next try, those that were looked at.
        now: UTC epoch seconds.
    """
    spec: Mapping[str, Any] = tally.spec
    ended = sum(tally.ended.values())
    held = sum(one.state is State.held for one in active)
    back = sum(one.state is State.queued for one in active)  # given back a moment ago
    over = sum(one.state.ended for one in active)
    running = max(tally.running - held - back - over, 0)
    counts = Counts(
        queued=max(tally.total - running - held - ended, 0),
        held=held,
        running=running,
        cached=tally.cached,
        **{state.value: count for state, count in tally.ended.items()},
    )
    runs = [one for one in active if one.state is State.running]
    return BatchStatus(
        batch,
        str(spec.get("title") or ""),
        function_name(str(spec["function"])),
        str(spec["priority"]),
        str(spec["show"]),
        spec.get("out"),
        counts,
        tally.sealed,
        tally.submitted,
        (tally.last or tally.submitted) if tally.complete else None,
        tally.seconds,
        tally.media_s,
        tuple(_running(batch, one, now) for one in runs),
        tags=spec.get("tags") or {},
        spent=Spent(tally.cost_nano),
        quote=spec.get("quote"),
    )


def standstill_of(found: BatchStatus, last: float | None, now: float) -> str:
    """That nobody works on what waits, and what says why; "" while somebody does, or may be about to.

    In few words: it is a line of a terminal.

    Args:
        found: where the batch stands.
        last: when the latest end was.
        now: UTC epoch seconds.
    """
    counts = found.counts
    if not counts.queued or counts.running or counts.held:
        return ""
    if now - max(found.submitted, last or 0.0) < QUIET_S:
        return ""
    if not counts.ended:
        return f"nobody has taken any of it: `rushes why {found.batch}.1` says who is to"
    where = found.batch.partition("@")[2]
    return f"nobody works on the rest: `rushes pool --engine aws:{where}` says what rests"


def _running(batch: str, entry: Entry, now: float) -> dict[str, Any]:
    return {
        "invocation": f"{batch}.{entry.work.n}",
        "asset": entry.work.source,
        "fraction": None,
        "note": f"on {entry.holder}",
        "seconds": max(now - entry.since, 0.0) if entry.since is not None else 0.0,
    }


def _history(one: PastAttempt) -> dict[str, Any]:
    """An attempt as the embedded engine tells of it, and who it was and what it cost."""
    return {
        "attempt": one.attempt,
        "ended": one.ended,
        "seconds": max(one.ended - one.began, 0.0),
        "outcome": one.outcome,
        "error": dict(one.error),
        "holder": one.holder,
        "cost_nano": one.cost_nano,
    }


def explained(batch: str, spec: Mapping[str, Any], entry: Entry) -> dict[str, Any]:
    """Everything known of one invocation."""
    data = json.loads(entry.end.data) if entry.end is not None else None
    reason = entry.reason if entry.state in {State.queued, State.held} else ""
    if entry.state is State.queued:
        waits = f"for who works in class {spec['priority']} to take it from its queue"
        reason = f"{waits}; it was given back: {reason}" if reason else waits
    return {
        "invocation": f"{batch}.{entry.work.n}",
        "asset": entry.work.source,
        "function": spec["function"],
        "state": entry.state.value,
        "attempts": entry.attempt,
        "losses": entry.losses,
        "reason": reason,
        "slot": entry.holder,
        "routed": None if entry.work.routed is None else entry.work.routed._asdict(),
        "since": entry.since,
        "until": entry.until,
        "priority": spec["priority"],
        "show": spec["show"],
        "history": [_history(one) for one in entry.tried],
        "result": data,
        "seconds": entry.end.seconds if entry.end is not None else None,
        "cost_nano": entry.end.cost_nano if entry.end is not None else 0,
        "log": None,
        "spec": {key: value for key, value in spec.items() if key != "environment"},
    }


def is_on_hosts(found: Mapping[str, Any], *, is_for_hosts: bool) -> bool:
    """Whether hosts take an invocation: its queue is theirs, or it was sent to them.

    Args:
        found: what is known of it.
        is_for_hosts: whether hosts take what its function and class are told by.
    """
    return is_for_hosts or (found["routed"] or {}).get("tier") == ON_HOSTS


def with_next_steps(
    found: Mapping[str, Any], environment: str, *, is_for_hosts: bool, hosts: Sequence[str] = ()
) -> dict[str, Any]:
    """What is known of an invocation, whether its attempts logged, and what to do where it waits for hosts.

    Args:
        found: what is known.
        environment: its name; "" where variables tell of it.
        is_for_hosts: whether hosts take what its function and class are told by.
        hosts: what they say of themselves, a line each.
    """
    on_hosts = is_on_hosts(found, is_for_hosts=is_for_hosts)
    told = dict(found)
    told["logs_kept"] = bool(found["attempts"] and environment)
    if found["state"] == State.queued.value and on_hosts:
        where = f"aws:{environment}" if environment else "aws"
        told["next"] = (
            f"Hosts take it. Where none runs, any machine is one: rushes worker --engine {where}. "
            f"What is to be done for those that take nothing: rushes pool --engine {where}"
        )
        told["hosts"] = [*hosts]
    return told
