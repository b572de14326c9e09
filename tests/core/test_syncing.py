"""Which turns of a worker wait for the disk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.syncing import SYNC_S, must_sync


@pytest.mark.parametrize(
    ("own", "counted_on", "since_s", "waits"),
    [
        (False, False, 0.0, False),
        (False, False, SYNC_S - 0.1, False),
        (False, False, SYNC_S, True),
        (False, False, -1.0, True),
        (True, False, 0.0, True),
        (False, True, 0.0, True),
    ],
)
def test_only_what_is_lent_and_nobody_counts_on_goes_without_for_a_while(
    *, own: bool, counted_on: bool, since_s: float, waits: bool
) -> None:
    assert must_sync(own=own, counted_on=counted_on, since_s=since_s) is waits


@given(counted_on=st.booleans(), since_s=st.floats(allow_nan=True))
def test_what_is_of_this_machines_people_always_waits(*, counted_on: bool, since_s: float) -> None:
    assert must_sync(own=True, counted_on=counted_on, since_s=since_s)
