"""Calls that several threads make at the same moment, as one: nobody waits for others to come.

Who calls while nobody else does acts at once, alone. Those who come meanwhile wait for that, and are then
acted for together by one of them. So what is called seldom is as quick as ever, and what is called often
takes fewer requests the busier it is. This module must not know what is called.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

__all__ = ["Together"]

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class _Call(Generic[T, R]):
    asked: T
    done: bool = False
    answer: list[R] = field(default_factory=list)
    error: BaseException | None = None


class Together(Generic[T, R]):
    """One call for all that are made at the same moment.

    Args:
        act: does what several ask, and gives an answer to each; what it raises, all of these callers raise.
        most: that one call takes.
    """

    def __init__(self, act: Callable[[Sequence[T]], Sequence[R]], most: int) -> None:
        self._act = act
        self._most = most
        self._changed = threading.Condition()
        self._waiting: list[_Call[T, R]] = []
        self._acting = False

    def __call__(self, asked: T) -> R:
        """The answer to this one."""
        mine = _Call[T, R](asked)
        with self._changed:
            self._waiting.append(mine)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: mine.done or not self._acting)
                if mine.done:
                    break
                self._acting = True
                some, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            self._do(some)
        if mine.error is not None:
            raise mine.error
        return mine.answer[0]

    def _do(self, some: Sequence[_Call[T, R]]) -> None:
        error, answers = None, list[R]()
        try:
            answers = list(self._act([one.asked for one in some]))
        except BaseException as raised:  # noqa: BLE001 - each of those who asked raises it
            error = raised
        with self._changed:
            for number, one in enumerate(some):
                one.done, one.error = True, error
                one.answer = answers[number : number + 1]
            self._acting = False
            self._changed.notify_all()
