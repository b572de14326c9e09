"""What every queue promises, as tests: mix `QueueContract` into a pytest class and say how one is built.

This module must not know which queue it examines.
"""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from rushes.notices import Notice
from rushes.ports import Queue

__all__ = ["QueueContract"]


class QueueContract:
    """Tests that every queue passes."""

    lacks: ClassVar[frozenset[str]] = frozenset()
    """Of ``time`` (a test can let it pass)."""
    wait_s: ClassVar[float] = 0.0
    """How long to wait for what is there: a queue of many servers may need a moment."""

    @pytest.fixture
    def queue(self) -> Queue:
        """A queue that keeps what was received from others for a minute."""
        raise NotImplementedError

    @pytest.fixture
    def pass_s(self) -> Callable[[float], None]:
        """Lets time pass for the queue."""
        if "time" in self.lacks:
            pytest.skip("not supported: time")
        raise NotImplementedError

    def all_of(self, queue: Queue) -> list[Any]:
        found: list[Any] = []
        while got := queue.receive(10, self.wait_s):
            found += got
        return found

    def test_what_was_sent_is_received_once_while_it_is_worked_on(self, queue: Queue) -> None:
        notices = [Notice(f"k7m2qx.{n}", "urgent", "dune") for n in range(1, 26)]
        queue.send(notices)
        found = self.all_of(queue)
        assert sorted(one.notice for one in found) == sorted(notices)
        assert {one.times for one in found} == {1}

    def test_what_is_done_does_not_come_again(self, queue: Queue, pass_s: Callable[[float], None]) -> None:
        queue.send([Notice(f"k7m2qx.{n}", "urgent", "dune") for n in range(1, 13)])
        queue.done(self.all_of(queue))
        pass_s(61)
        assert self.all_of(queue) == []

    def test_what_is_not_done_comes_again(self, queue: Queue, pass_s: Callable[[float], None]) -> None:
        queue.send([Notice("k7m2qx.1", "urgent", "dune")])
        assert [one.times for one in self.all_of(queue)] == [1]
        pass_s(61)
        assert [one.times for one in self.all_of(queue)] == [2]

    def test_what_is_given_back_comes_at_once(self, queue: Queue) -> None:
        queue.send([Notice("k7m2qx.1", "urgent", "dune")])
        queue.extend(self.all_of(queue), 0)
        assert len(self.all_of(queue)) == 1

    def test_what_is_extended_does_not_come_meanwhile(
        self, queue: Queue, pass_s: Callable[[float], None]
    ) -> None:
        queue.send([Notice("k7m2qx.1", "urgent", "dune")])
        queue.extend(self.all_of(queue), 600)
        pass_s(61)
        assert self.all_of(queue) == []

    def test_what_waits_is_counted(self, queue: Queue) -> None:
        queue.send([Notice(f"k7m2qx.{n}", "urgent", "dune") for n in (1, 2, 3)])
        assert queue.waiting() == 3
        queue.done(self.all_of(queue))
        assert queue.waiting() == 0

    def test_what_is_delayed_comes_later(self, queue: Queue, pass_s: Callable[[float], None]) -> None:
        queue.send([Notice("k7m2qx.1", "urgent", "dune")], delay_s=5)
        assert self.all_of(queue) == []
        pass_s(6)
        assert len(self.all_of(queue)) == 1
