"""Names of hosts and the tasks that they are, whatever a service does in between."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushes.core.hosts import HostState
from rushes.engines.aws.fleet.fleet_book import FleetBook, SeenTask

ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.integers(1, 3)),
        st.tuples(st.just("let go"), st.integers(0, 5)),
        st.tuples(st.just("drain"), st.integers(0, 5)),
        st.tuples(st.just("settle"), st.integers(0, 1)),
        st.tuples(st.just("die"), st.integers(0, 5)),
        st.tuples(st.just("busy"), st.integers(0, 5)),
        st.tuples(st.just("free"), st.integers(0, 5)),
        st.tuples(st.just("look"), st.just(0)),
        st.tuples(st.just("keep"), st.just(0)),
    ),
    max_size=40,
)


class _Service:
    """What a service does: as many tasks as it is told, and none that is busy is stopped."""

    def __init__(self) -> None:
        self.tasks: dict[str, bool] = {}
        self.stopped_busy = 0
        self.number = 0

    def settle(self, wanted: int, *, newest: bool) -> None:
        while len(self.tasks) < wanted:
            self.number += 1
            self.tasks[f"t{self.number}"] = False
        free = [task for task, busy in self.tasks.items() if not busy]
        for task in free[:: -1 if newest else 1][: max(len(self.tasks) - wanted, 0)]:
            del self.tasks[task]

    def seen(self) -> list[SeenTask]:
        return [
            SeenTask(task, HostState.busy if busy else HostState.idle) for task, busy in self.tasks.items()
        ]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(acts=ACTS)
def test_names_are_never_given_twice_and_in_the_end_there_is_what_was_ordered(
    acts: list[tuple[str, int]],
) -> None:
    book, service, names, now = FleetBook(), _Service(), [], 0.0
    for number, (act, value) in enumerate(acts):
        now += 1.0
        tasks, known = list(service.tasks), [host.id for host in book.seen()]
        if act == "order":
            names += book.order("cpu", value, f"token {number}", now)
        elif act in {"let go", "drain"}:
            book.let_go(known[value : value + 1], busy=act == "drain")
        elif act == "settle":
            service.settle(book.wanted("cpu"), newest=bool(value))
        elif act == "die" and value < len(tasks):
            del service.tasks[tasks[value]]
        elif act in {"busy", "free"} and value < len(tasks):
            service.tasks[tasks[value]] = act == "busy"
        elif act == "look":
            book.look("cpu", service.seen(), now)
        elif act == "keep":
            book = FleetBook.of(json.loads(json.dumps(book.kept())))
        book.keep()
        assert len(names) == len(set(names))
        bound = [one.task for one in book.hosts.values() if one.task]
        assert len(bound) == len(set(bound))

    service.tasks = dict.fromkeys(service.tasks, False)
    for newest in (False, True):  # everything ends: after two looks book and service say the same
        book.look("cpu", service.seen(), now)
        book.keep()
        service.settle(book.wanted("cpu"), newest=newest)
    book.look("cpu", service.seen(), now)
    assert len(book.seen()) == len(service.tasks) == book.wanted("cpu")
    assert all(host.state is HostState.idle for host in book.seen())


def test_a_host_that_is_ordered_again_under_its_token_is_the_same() -> None:
    book = FleetBook()
    assert book.order("cpu", 2, "a", 1.0) == book.order("cpu", 2, "a", 2.0)
    assert book.wanted("cpu") == 2


def test_tokens_that_nobody_repeats_are_forgotten() -> None:
    book = FleetBook()
    for number in range(200):
        book.order("cpu", 0, f"{number}", 1.0)
    assert len(book.orders) == 64
    assert "199" in book.orders
