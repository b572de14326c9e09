"""What unfinished work is worth to a fleet whose hosts lend one another what they have."""

from __future__ import annotations

import pytest

from rushes.core.capacity.backlog import Unfinished, backlog_of, hosts_taken, share_of_host
from rushes.core.capacity.elastic import Backlog
from rushes.core.events import Capacity, Shape

GIB = float(1 << 30)
HOST = Capacity(cpu=1.0, memory=4 * GIB)


def shape(cpu: float = 1.0, memory: float = 0.0, max_slots: int | None = None) -> Shape:
    return Shape("b", "e", "f", cpu=cpu, memory=memory, max_slots=max_slots)


@pytest.mark.parametrize(
    ("cpu", "memory", "hosts"), [(1, 0, 1.0), (0.5, 0, 0.5), (4, 0, 4.0), (1, 8 * GIB, 2.0), (0, 0, 0.0)]
)
def test_an_invocation_takes_as_many_hosts_as_what_it_takes_most_of(
    cpu: float, memory: float, hosts: float
) -> None:
    assert share_of_host(shape(cpu, memory), HOST) == hosts


def test_a_host_without_a_limit_on_something_is_not_short_of_it() -> None:
    assert share_of_host(Shape("b", "e", "f", scratch=1e12), HOST) == 1.0


def test_the_batches_of_a_class_are_added_up() -> None:
    work = [
        Unfinished("urgent", shape(2.0), 10, 2, 30.0),
        Unfinished("urgent", shape(), 5, 0, None),
        Unfinished("background", shape(), 0, 1, 4.0),
        Unfinished("standard", shape(), 0, 0, 9.0),
    ]

    assert backlog_of("here", HOST, work) == (
        Backlog("here", "urgent", 15, 2, 12 * 30.0 * 2, 2),
        Backlog("here", "background", 0, 1, 4.0, 1),
    )


def test_a_batch_that_may_have_so_many_slots_is_worth_no_more_hosts() -> None:
    (row,) = backlog_of("here", HOST, [Unfinished("standard", shape(max_slots=3), 100, 2, 10.0)])

    assert (row.waiting, row.running, row.work_s) == (1, 2, 30.0)


@pytest.mark.parametrize(("cpu", "memory", "hosts"), [(0, 0, 0), (1.5, 0, 2), (2, 13 * GIB, 4), (3, 0, 3)])
def test_what_runs_fills_so_many_hosts(cpu: float, memory: float, hosts: int) -> None:
    assert hosts_taken(Capacity(cpu, memory), HOST) == hosts
