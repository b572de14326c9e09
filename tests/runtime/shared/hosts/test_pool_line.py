"""Work that comes one by one to a pool: one batch takes it, and who waits hears of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from waiting import until

from rushes.core.states import State
from rushes.errors import CallerError, PlatformError
from rushes.invocation import BatchSpec, Finished, Invocation
from rushes.runtime.shared.hosts import pool_line
from rushes.runtime.shared.hosts.pool_line import PoolLine, run_alone

SPEC = BatchSpec("m:f", "1")


class Pool:
    """Ends what it is given when it is let; remembers what it was asked."""

    def __init__(self) -> None:
        self.batches: dict[str, list[Invocation]] = {}
        self.sealed: set[str] = set()
        self.classes: dict[str, str] = {}
        self.ends: dict[str, list[Finished]] = {}
        self.requests: list[str] = []
        self.lost: list[Exception] = []
        self._changed = threading.Condition()

    def open(self, spec: BatchSpec) -> str:
        name = f"b{len(self.batches)}"
        self.batches[name], self.ends[name] = [], []
        return name

    def submit(self, batch: str, invocations: Iterable[Invocation], *, after: int = 0) -> int:
        self.requests.append("submit")
        if batch in self.sealed:
            raise CallerError("it is not open.", code="not-open")
        assert after == len(self.batches[batch])
        self.batches[batch] += invocations
        if self.lost:
            raise self.lost.pop()
        return len(self.batches[batch])

    def seal(self, batch: str) -> None:
        self.sealed.add(batch)

    def results(
        self, batch: str, *, after: int = 0, limit: int = 1000, wait_s: float = 0.0
    ) -> Sequence[Finished]:
        self.requests.append("results")
        with self._changed:
            self._changed.wait_for(lambda: len(self.ends[batch]) > after, min(wait_s, 0.05))
            return self.ends[batch][after : after + limit]

    def set_priority(self, batch: str, priority: str) -> None:
        self.classes[batch] = priority

    def withdraw(self, batch: str, numbers: Sequence[int]) -> None:
        for number in numbers:
            self.end(batch, number, State.cancelled)

    def end(self, batch: str, number: int, state: State = State.succeeded) -> None:
        one = self.batches[batch][number - 1]
        with self._changed:
            seq = len(self.ends[batch]) + 1
            done = Finished(seq, batch, f"{batch}.{number}", one.source, "f", state, (), None, None, 1, 0.0)
            self.ends[batch].append(done)
            self._changed.notify_all()

    @property
    def taken(self) -> int:
        return sum(map(len, self.batches.values()))


@pytest.fixture
def pool() -> Pool:
    return Pool()


@pytest.fixture
def start() -> Iterator[Callable[..., object]]:
    with ThreadPoolExecutor(64) as threads:
        yield threads.submit


def never() -> bool:
    return False


def test_each_hears_of_its_own_end_in_whatever_order_they_come(
    pool: Pool, start: Callable[..., object]
) -> None:
    line = PoolLine(pool, SPEC)
    found = [start(line.run, Invocation(f"{n}.mov", ""), never) for n in range(40)]
    until(lambda: pool.taken == 40)
    assert (list(pool.batches), line.here) == (["b0"], 40)
    assert pool.requests.count("submit") <= 40
    for number in reversed(range(1, 41)):
        pool.end("b0", number)
    ends = [one.result() for one in found]  # type: ignore[attr-defined]
    assert [one.asset for one in ends] == [f"{n}.mov" for n in range(40)]
    assert line.here == 0
    line.close()
    assert pool.sealed == {"b0"}


def test_one_that_is_stopped_is_withdrawn_and_the_others_go_on(
    pool: Pool, start: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_line, "LOOKS_EVERY_S", 0.01)
    line, stop = PoolLine(pool, SPEC), threading.Event()
    first = start(line.run, Invocation("a.mov", ""), never)
    until(lambda: pool.taken == 1)
    second = start(line.run, Invocation("b.mov", ""), stop.is_set)
    until(lambda: pool.taken == 2)
    stop.set()
    assert second.result().state is State.cancelled  # type: ignore[attr-defined]
    assert line.here == 1
    pool.end("b0", 1)
    assert first.result().state is State.succeeded  # type: ignore[attr-defined]


def run_one(pool: Pool, line: PoolLine, start: Callable[..., object], batch: str, number: int) -> None:
    found = start(line.run, Invocation("a.mov", ""), never)
    until(lambda: len(pool.batches.get(batch, ())) == number)
    pool.end(batch, number)
    assert found.result().invocation == f"{batch}.{number}"  # type: ignore[attr-defined]


def test_a_batch_that_was_taken_to_be_complete_is_followed_by_another(
    pool: Pool, start: Callable[..., object]
) -> None:
    line = PoolLine(pool, SPEC)
    run_one(pool, line, start, "b0", 1)
    pool.seal("b0")
    run_one(pool, line, start, "b1", 1)


def test_a_batch_ends_though_there_is_always_more(
    pool: Pool, start: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_line, "MOST", 2)
    line = PoolLine(pool, SPEC)
    for batch, number in (("b0", 1), ("b0", 2), ("b1", 1)):
        run_one(pool, line, start, batch, number)
    assert pool.sealed == {"b0"}


def test_what_may_have_been_added_is_never_taken_for_another(
    pool: Pool, start: Callable[..., object]
) -> None:
    line = PoolLine(pool, SPEC)
    run_one(pool, line, start, "b0", 1)
    pool.lost.append(PlatformError("it does not answer.", code="worker-silent"))
    with pytest.raises(PlatformError):
        line.run(Invocation("lost.mov", ""), never)
    assert pool.sealed == {"b0"}
    run_one(pool, line, start, "b1", 1)


def test_what_is_alone_has_a_batch_that_ends_with_it(pool: Pool, start: Callable[..., object]) -> None:
    found = start(run_alone, pool, SPEC, Invocation("a.mov", ""), never)
    until(lambda: "b0" in pool.sealed)
    pool.end("b0", 1)
    assert found.result().state is State.succeeded  # type: ignore[attr-defined]


def test_a_batch_has_the_class_that_it_has_where_it_came_from(
    pool: Pool, start: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_line, "LOOKS_EVERY_S", 0.01)
    classes = ["standard"]
    found = [
        start(line.run, Invocation("a.mov", ""), never, lambda: classes[0])
        for line in (PoolLine(pool, SPEC), PoolLine(pool, SPEC, follows=False))
    ]
    until(lambda: pool.taken == 2)
    classes[0] = "urgent"
    until(lambda: pool.classes)
    assert list(pool.classes.values()) == ["urgent"]
    for batch in ("b0", "b1"):
        pool.end(batch, 1)
    assert [one.result().state for one in found] == [State.succeeded] * 2  # type: ignore[attr-defined]


def test_what_can_be_followed_no_more_is_withdrawn(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> Sequence[Finished]:
        raise PlatformError("it does not answer.", code="worker-silent")

    monkeypatch.setattr(pool, "results", silent)
    with pytest.raises(PlatformError):
        PoolLine(pool, SPEC).run(Invocation("a.mov", ""), never)
    assert [one.state for one in pool.ends["b0"]] == [State.cancelled]
