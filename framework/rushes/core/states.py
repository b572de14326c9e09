"""The states of an invocation, and the only ways between them.

An invocation is born `queued`, or `held` when it may not start yet (it waits for another invocation, for
its next try, or for budget). The scheduler starts it (`running`), may pause it in place (`paused`), gives
it back (`queued`) or holds it for a retry (`held`). It ends exactly once: `succeeded`, `failed` or
`cancelled`. Nothing leaves an ended state by itself. Only a person's `rushes retry` opens a batch again: its
failed and cancelled invocations start over under their ids, as if they had never been tried, which is no
transition but a new beginning. An illegal transition raises and changes nothing.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["ENDED", "TRANSITIONS", "IllegalTransition", "State", "transition"]


class State(Enum):
    """One enum everywhere: code, journal, CLI, docs."""

    queued = "queued"
    held = "held"
    running = "running"
    paused = "paused"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"

    @property
    def ended(self) -> bool:
        return self in ENDED


ENDED: Final = frozenset({State.succeeded, State.failed, State.cancelled})

TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.queued: frozenset({State.running, State.held, State.succeeded, State.failed, State.cancelled}),
    State.held: frozenset({State.queued, State.succeeded, State.failed, State.cancelled}),
    State.running: frozenset(
        {State.queued, State.held, State.paused, State.succeeded, State.failed, State.cancelled}
    ),
    State.paused: frozenset({State.running, State.queued, State.held, State.failed, State.cancelled}),
    State.succeeded: frozenset(),
    State.failed: frozenset(),
    State.cancelled: frozenset(),
}


class IllegalTransition(ValueError):  # noqa: N818 - the name of the event, as h11's LocalProtocolError
    """A state was asked to follow one that it cannot follow."""


def transition(now: State, then: State) -> State:
    """`then`, if it may follow `now`.

    Raises:
        IllegalTransition: it may not; nothing has changed.
    """
    if then not in TRANSITIONS[now]:
        allowed = ", ".join(sorted(s.value for s in TRANSITIONS[now])) or "nothing"
        raise IllegalTransition(f"{now.value} cannot become {then.value}; after it comes: {allowed}")
    return then
