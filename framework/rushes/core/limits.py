"""How many may run at once under one name: of a batch, of a function, of an exclusive key.

A shape brings the names that its invocations count under. What has begun and waits for parts of its own lends
its place under a function's name to others, as it lends its cores, else a function that maps another could
wait for itself; it keeps its place under a key, which is what keys are for. Pure; this module must not know
slots, nor who is parked for a name.
"""

from __future__ import annotations

from typing import Final

from rushes.core.events import QueueKey, Shape

__all__ = [
    "BOUNDLESS",
    "KEY",
    "NamedLimits",
    "batch_limit",
    "class_limit",
    "function_limit",
    "key_limit",
    "queue_limit",
]

BOUNDLESS: Final = 1 << 30
KEY: Final = "key "
_FUNCTION: Final = "function "
_BATCH: Final = "batch "


def batch_limit(batch: str) -> str:
    """The name under which the slots of a batch are counted."""
    return _BATCH + batch


def function_limit(function: str) -> str:
    """The name under which running invocations of a function are counted."""
    return _FUNCTION + function


def key_limit(key: str) -> str:
    """The name under which an exclusive key is held."""
    return KEY + key


def class_limit(name: str) -> str:
    """The name on which lanes wait whose class has its maximum."""
    return f"class {name}"


def queue_limit(queue: QueueKey) -> str:
    """The name on which the lanes of a barred queue wait."""
    return f"queue {queue.priority} {queue.show}"


class NamedLimits:
    """How many run under each name that somebody has limited."""

    __slots__ = ("_busy",)

    def __init__(self) -> None:
        self._busy: dict[str, int] = {}

    def busy(self, name: str) -> int:
        """How many run under a name."""
        return self._busy.get(name, 0)

    def allowed(self, shape: Shape) -> int:
        """How many more of a shape may start."""
        allowed = BOUNDLESS
        if shape.max_slots is not None:
            allowed = max(shape.max_slots, 1) - self._busy.get(_BATCH + shape.batch, 0)
        for name, most in shape.limits:
            allowed = min(allowed, most - self._busy.get(name, 0))
        return allowed

    def full(self, shape: Shape) -> str:
        """The name that keeps a shape from starting; "" when none does."""
        for name, most in shape.limits:
            if self._busy.get(name, 0) >= most:
                return name
        if shape.max_slots is not None and self._busy.get(_BATCH + shape.batch, 0) >= max(shape.max_slots, 1):
            return _BATCH + shape.batch
        return ""

    def take(self, shape: Shape) -> None:
        """One of a shape has a slot."""
        if shape.max_slots is not None:
            self._add(_BATCH + shape.batch, 1)
        for name, _ in shape.limits:
            self._add(name, 1)

    def give(self, shape: Shape) -> list[str]:
        """One of a shape has a slot no longer; the names under which another may start."""
        names = [name for name, _ in shape.limits]
        if shape.max_slots is not None:
            names.append(_BATCH + shape.batch)
        for name in names:
            self._add(name, -1)
        return names

    def lend(self, shape: Shape) -> list[str]:
        """One of a shape waits for parts of its own; the names under which another may start."""
        names = _lent(shape)
        for name in names:
            self._add(name, -1)
        return names

    def reclaim(self, shape: Shape) -> None:
        """It goes on, or ends: it has the places again that it lent."""
        for name in _lent(shape):
            self._add(name, 1)

    def may_go_on(self, shape: Shape) -> bool:
        """Whether one that waited may have its places again."""
        return all(self._busy.get(name, 0) < most for name, most in shape.limits if not name.startswith(KEY))

    def _add(self, name: str, count: int) -> None:
        left = self._busy.get(name, 0) + count
        if left:
            self._busy[name] = left
        else:
            self._busy.pop(name, None)


def _lent(shape: Shape) -> list[str]:
    return [name for name, _ in shape.limits if not name.startswith(KEY)]
