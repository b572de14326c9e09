"""The states of an invocation: which may follow which, and that an invocation ends once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.states import ENDED, TRANSITIONS, IllegalTransition, State, transition


def test_every_state_has_its_row_and_an_ended_one_leads_nowhere() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {state for state, after in TRANSITIONS.items() if not after} == ENDED


def test_every_state_can_be_reached_and_every_open_one_can_end() -> None:
    reached = {State.queued, State.held}
    while more := {after for state in reached for after in TRANSITIONS[state]} - reached:
        reached |= more

    assert reached == set(State)
    assert all(TRANSITIONS[state] & ENDED for state in set(State) - ENDED)


def test_a_refusal_names_both_states_and_what_may_follow() -> None:
    with pytest.raises(IllegalTransition, match=r"held cannot become running; after it comes: .*queued"):
        transition(State.held, State.running)


@given(st.lists(st.sampled_from(State), max_size=30))
def test_whatever_is_asked_an_invocation_ends_at_most_once(asked: list[State]) -> None:
    now, ends = State.queued, 0
    for then in asked:
        before = now
        try:
            now = transition(now, then)
        except IllegalTransition:
            assert now is before
        else:
            ends += now.ended

    assert ends == now.ended
