"""Which turns of a worker hold only what hosts have lent its pool."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rushes.core.syncing import SYNC_S
from rushes.invocation import OWNER
from rushes.runtime.worker.lent_turns import LentTurns

LENT, OWN = SimpleNamespace(lent=True), SimpleNamespace(lent=False)
OPEN_LENT = {"verb": "open", "batch": "b", "spec": {"tags": {OWNER: "/run/host"}}}


def pool(*batches: Any, watches: bool = False, outlet: object = None) -> Any:
    scheduler = SimpleNamespace(purse=SimpleNamespace(watches=watches))
    numbered = dict(enumerate(batches, start=1))
    return SimpleNamespace(batches=numbered, outlet=outlet, scheduler=scheduler, monotonic_ns=0)


def turn(turns: LentTurns, *asked: Any) -> tuple[bool, bool]:
    """How a turn begins and ends in which this is asked."""
    begins = turns.begins()
    for one in asked:
        turns.hear(one)
    return begins, turns.ends()


def test_a_turn_is_lent_where_all_its_batches_are() -> None:
    assert turn(LentTurns(pool(LENT, LENT))) == (True, True)
    assert turn(LentTurns(pool(LENT, OWN))) == (False, False)


def test_a_pool_without_a_batch_is_its_peoples_until_a_host_has_lent_it_one() -> None:
    its = pool()
    turns = LentTurns(its)
    assert turn(turns, OPEN_LENT) == (False, False)
    its.batches[1] = LENT
    assert turn(turns) == (True, True)
    its.batches.clear()
    assert turn(turns, OPEN_LENT) == (True, True)


@pytest.mark.parametrize(
    "asked",
    [
        {"verb": "open", "spec": {"tags": {}}},
        {"verb": "open", "spec": {"tags": {"reel": "A001"}}},
        {"verb": "open"},
        {"verb": "open", "spec": ["tags"]},
        {"verb": "retry", "batch": "b"},
        {"verb": "set", "batch": "b", "limits": {"cap": 1}},
        {"verb": "budget", "action": "set"},
        {"verb": "journal", "action": "prune"},
        {"verb": ["open"]},
        {},
    ],
)
def test_a_turn_in_which_people_ask_for_something_is_theirs_and_the_next_is_not(asked: Any) -> None:
    turns = LentTurns(pool(LENT))
    assert turn(turns, asked) == (True, False)
    hosts = ({"verb": "submit", "batch": "b"}, {"verb": "set", "priority": "urgent"})
    assert turn(turns, *hosts) == (True, True)


def test_a_batch_of_people_that_comes_in_a_lent_turn_makes_it_theirs() -> None:
    its = pool(LENT)
    turns = LentTurns(its)
    assert turns.begins()
    its.batches[2] = OWN
    assert not turns.ends()


def test_where_a_limit_or_a_listener_counts_on_what_is_written_every_turn_waits() -> None:
    assert turn(LentTurns(pool(LENT, watches=True))) == (False, False)
    assert turn(LentTurns(pool(LENT, outlet=object()))) == (False, False)


def test_lent_turns_wait_for_the_disk_every_few_seconds() -> None:
    its = pool(LENT)
    turns = LentTurns(its)
    its.monotonic_ns = int(SYNC_S * 1e9)
    assert turn(turns) == (False, False)
    its.monotonic_ns += 1
    assert turn(turns) == (True, True)
    its.monotonic_ns += int(SYNC_S * 1e9)
    assert turn(turns) == (False, False)
