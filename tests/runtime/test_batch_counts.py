"""A batch's counts in the worker's hands follow the table of states."""

from __future__ import annotations

import pytest

from rushes.core.events import QueueKey
from rushes.core.states import IllegalTransition, State
from rushes.runtime.records.batches import BatchState, shape_of, state_number

SPEC = {"function": "m:f", "version": "1", "priority": "standard", "show": "dune"}


@pytest.fixture
def batch() -> BatchState:
    made = BatchState(1, "abc", dict(SPEC), 0.0, QueueKey("standard", "dune"), 1, shape_of("abc", SPEC))
    made.counts[state_number(State.queued)] = 1
    return made


def test_a_move_is_counted_and_has_to_be_saved(batch: BatchState) -> None:
    batch.move(state_number(State.queued), state_number(State.running))

    assert (batch.counts[state_number(State.queued)], batch.counts[state_number(State.running)]) == (0, 1)
    assert batch.dirty


def test_an_illegal_move_is_refused_and_changes_nothing(batch: BatchState) -> None:
    before = list(batch.counts)

    with pytest.raises(IllegalTransition):
        batch.move(state_number(State.succeeded), state_number(State.running))

    assert batch.counts == before
    assert not batch.dirty


def test_the_numbers_of_states_are_those_that_journals_were_written_with() -> None:
    assert {state.value: state_number(state) for state in State} == {
        "queued": 0, "held": 1, "running": 2, "paused": 3, "succeeded": 4, "failed": 5, "cancelled": 6,
    }  # fmt: skip
