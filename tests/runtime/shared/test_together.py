"""Calls of several threads at the same moment become one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from waiting import until

from rushes.runtime.shared.together import Together


class Slow:
    """Doubles numbers; the first call lasts until it is let go."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.go = threading.Event()

    def __call__(self, some: Sequence[int]) -> Sequence[int]:
        self.calls.append(list(some))
        if len(self.calls) == 1:
            assert self.go.wait(60)
        if 13 in some:
            raise ValueError("thirteen")
        return [2 * one for one in some]


def ask(together: Together[int, int], slow: Slow, numbers: Sequence[int]) -> list[int | str]:
    def one(number: int) -> int | str:
        try:
            return together(number)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(len(numbers)) as threads:
        first = threads.submit(one, numbers[0])
        until(lambda: len(slow.calls) == 1)
        others = [threads.submit(one, number) for number in numbers[1:]]
        until(lambda: len(together._waiting) == len(numbers) - 1)
        slow.go.set()
        return [found.result() for found in (first, *others)]


def test_who_is_alone_is_acted_for_at_once() -> None:
    slow = Slow()
    slow.go.set()
    together = Together(slow, 10)
    assert [together(1), together(2)] == [2, 4]
    assert slow.calls == [[1], [2]]


@pytest.mark.parametrize(("most", "sizes"), [(10, [1, 6]), (4, [1, 4, 2])])
def test_those_who_come_meanwhile_are_acted_for_together(most: int, sizes: list[int]) -> None:
    slow = Slow()
    assert ask(Together(slow, most), slow, range(1, 8)) == [2, 4, 6, 8, 10, 12, 14]
    assert [len(one) for one in slow.calls] == sizes


def test_what_goes_wrong_is_heard_by_those_whom_it_concerns() -> None:
    slow = Slow()
    assert ask(Together(slow, 10), slow, [1, 13, 3]) == [2, "thirteen", "thirteen"]
