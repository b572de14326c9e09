"""Bodies in turns: one at a time, served together, ended together."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rushes import Cancelled
from rushes.media.running.company import COMPANY, aside, here, keep_pace
from rushes.runtime.attempts.gathering import Body, Gathering


class Pass:
    """A gathering whose tools are words, answered by `run`, with a record of what happened in what order."""

    def __init__(self, run: Callable[[list[Any]], list[Any]] | None = None) -> None:
        self.served: list[list[Any]] = []
        self.ended: list[Body] = []
        self._run = run or (lambda calls: [f"made {call}" for call in calls])
        self.gathering = Gathering(self._serve, self.ended.append, lambda: None)

    def _serve(self, calls: Sequence[Any]) -> list[Any]:
        self.served.append(list(calls))
        return self._run(list(calls))

    def go(self, *works: Callable[[Body], None]) -> list[Body]:
        bodies = [self.gathering.body(work) for work in works]
        self.gathering.run(bodies)
        return bodies


def wants(*tools: str) -> Callable[[Body], None]:
    def work(body: Body) -> None:
        company: Any = COMPANY.get()
        body.value = [company.run(tool) for tool in tools]

    return work


def test_what_bodies_want_at_the_same_time_is_run_as_one() -> None:
    together = Pass()

    one, two, three = together.go(wants("a1", "a2"), wants("b1"), wants())

    assert together.served == [["a1", "b1"], ["a2"]]
    assert (one.value, two.value, three.value) == (["made a1", "made a2"], ["made b1"], [])
    assert [body.error for body in together.ended] == [None] * 3


def test_no_two_bodies_run_at_the_same_time() -> None:
    together, inside, most = Pass(), 0, []

    def work(_: Body) -> None:
        nonlocal inside
        for _turn in range(50):
            inside += 1
            most.append(inside)
            threading.Event().wait(0)  # another thread would have its chance here
            inside -= 1
            COMPANY.get().run("x")  # type: ignore[union-attr, arg-type]

    together.go(work, work, work)

    assert set(most) == {1}


def test_an_answer_that_is_an_error_is_raised_in_the_body_that_asked() -> None:
    together = Pass(run=lambda calls: [ValueError("no") if c == "bad" else c for c in calls])

    bad, good = together.go(wants("bad"), wants("good"))

    assert isinstance(bad.error, ValueError)
    assert good.value == ["good"]


def test_a_body_that_went_aside_holds_nobody_up_and_comes_back_in_its_turn() -> None:
    together, may_end = Pass(), threading.Event()

    def read(body: Body) -> None:
        body.value = aside(lambda: may_end.wait(60))

    def tool(body: Body) -> None:
        wants("a")(body)
        may_end.set()

    reader, other = together.go(read, tool)

    assert together.served == [["a"]]
    assert (reader.value, other.value) == (True, ["made a"])
    assert together.ended == [other, reader]


def test_a_reading_waits_while_it_is_far_ahead_of_the_tools() -> None:
    total, begun, asked = 10 * 1024**3, threading.Event(), threading.Semaphore(0)

    def run(calls: list[Any]) -> list[Any]:
        begun.set()
        assert all(asked.acquire(timeout=60) for _ in range(3)), "it did not wait"
        return calls

    def fraction() -> float:
        asked.release()
        return 0.5

    def read(body: Body) -> None:
        def work() -> str:
            begun.wait(60)
            keep_pace(total // 2, total)
            keep_pace(total, total)
            return "read"

        body.value = aside(work)

    serve: Any = run
    gathering = Gathering(serve, lambda _: None, fraction)
    reader, tool = gathering.body(read), gathering.body(wants("a"))
    gathering.run([reader, tool])

    assert reader.value == "read"
    assert not gathering.is_behind(total, total)


def test_an_errand_is_done_in_the_thread_that_gives_turns() -> None:
    together = Pass()

    def work(body: Body) -> None:
        body.value = here(threading.get_ident)

    def failing(_: Body) -> None:
        here(lambda: 1 // 0)

    done, failed = together.go(work, failing)

    assert done.value == threading.get_ident()
    assert isinstance(failed.error, ZeroDivisionError)


def test_alone_everything_is_done_where_it_is_asked_for() -> None:
    keep_pace(1, 2)

    assert aside(threading.get_ident) == here(threading.get_ident) == threading.get_ident()


def test_an_interruption_of_the_tools_ends_all_bodies_before_it_goes_on() -> None:
    def interrupted(_: list[Any]) -> list[Any]:
        raise KeyboardInterrupt

    together, cleaned = Pass(run=interrupted), []

    def work(body: Body) -> None:
        try:
            wants("a")(body)
        finally:
            cleaned.append(body)

    def read(_: Body) -> None:
        def reading() -> None:
            while True:
                keep_pace(0, 1)

        aside(reading)

    bodies = [together.gathering.body(one) for one in (work, read, work)]
    with pytest.raises(KeyboardInterrupt):
        together.gathering.run(bodies)

    assert cleaned == [bodies[0], bodies[2]] or cleaned == [bodies[2], bodies[0]]
    assert not any(body.thread.is_alive() for body in bodies)
    assert all(isinstance(body.error, Cancelled) for body in bodies)


def test_a_body_that_computes_is_interrupted_between_two_steps() -> None:
    together = Pass()

    def busy(body: Body) -> None:
        threading.Thread(target=body.interrupt, args=(Cancelled,)).start()
        while True:
            pass

    (body,) = together.go(busy)

    assert isinstance(body.error, Cancelled)


def test_a_body_that_publishes_is_not_interrupted() -> None:
    together = Pass()

    def publishing(body: Body) -> None:
        body.publishing = True
        body.interrupt(Cancelled)
        body.value = sum(range(1000))

    (body,) = together.go(publishing)

    assert (body.value, body.error) == (499500, None)


def test_a_body_that_ends_while_the_gathering_looks_for_the_dead_has_ended_and_was_not_cancelled() -> None:
    together = Pass()
    heard = together.gathering._heard
    bodies = [together.gathering.body(wants())]

    class Late:
        """Finds nothing in time; when it has said so, the body has spoken and its thread is dead."""

        def __init__(self) -> None:
            self.is_first = True

        def get(self, timeout: float) -> Any:
            if self.is_first:
                self.is_first = False
                bodies[0].thread.join()
                raise queue.Empty
            return heard.get(timeout=timeout)

        def __getattr__(self, name: str) -> Any:
            return getattr(heard, name)

    together.gathering._heard = Late()  # type: ignore[assignment]
    together.gathering.run(bodies)

    assert bodies[0].error is None
    assert together.ended == bodies
