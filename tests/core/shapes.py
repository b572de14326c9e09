"""Shapes, and pools that are warm, for the scheduler by example."""

from __future__ import annotations

from typing import Any

from rushes.core.events import (
    Capacity,
    Shape,
)

__all__ = ["ONE", "TWO", "shape", "warm"]

ONE = Capacity(cpu=1, memory=100)
TWO = Capacity(cpu=2, memory=100)


def shape(batch: Any = "b", *, environment: Any = "env", function: Any = "f", **need: Any) -> Shape:
    return Shape(batch, environment, function, **need)


def warm(pool: Any, environment: Any = "env", count: Any = 1) -> None:
    """Open `count` slots of an environment by running something in each of them."""
    pool.submit("interactive", "warm-up", shape(f"warm-{environment}", environment=environment), count)
    pool.run()
    assert sum(slot.environment == environment for slot in pool.slots.values()) >= count
    pool.started.clear()
    pool.served.clear()
