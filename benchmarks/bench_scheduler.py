"""What the scheduler costs an invocation: `Leased`, `Start` and `AttemptFinished`, with nothing else around.

The pool is driven as a worker drives it: it answers each `Lease` from a deep backlog, opens slots, and
reports each finished invocation by an event. Making the events is the driver's cost and is measured alone,
so that the scheduler's own share is the difference.

    python benchmarks/bench_scheduler.py [--count 200000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import deque
from collections.abc import Iterator

from rushes.core.commands import Command, Lease, OpenSlot, Start
from rushes.core.events import Ask, AttemptFinished, Capacity, Leased, Queued, QueueKey, Shape, SlotReady
from rushes.core.scheduler import Scheduler
from rushes.core.states import State

CLASSES = ("interactive", "urgent", "standard", "background")


def asks_of(shows: int, classes: int, count: int) -> dict[QueueKey, list[Ask]]:
    """`count` asks over `shows` x `classes` queues, one batch (one shape) each."""
    keys = [QueueKey(priority, f"show{n}") for priority in CLASSES[-classes:] for n in range(shows)]
    waiting: dict[QueueKey, list[Ask]] = {}
    each, next_id = count // len(keys), 1
    for key in keys:
        shape = Shape(f"batch-{key.priority}-{key.show}", "env", "noop")
        waiting[key] = [Ask(next_id + i, 1000 + i, 0.0, shape) for i in range(each)]
        next_id += each
    return waiting


def drive(  # noqa: C901 - one closure for each thing that the pool does
    waiting: dict[QueueKey, list[Ask]], seconds: float, cpu: int
) -> tuple[int, float, float]:
    """Run everything; how many finished, the scheduler's seconds, the seconds of making events."""
    scheduler = Scheduler(Capacity(cpu=cpu, memory=1e12))
    taken = dict.fromkeys(waiting, 0)
    slots: dict[int, deque[int]] = {}
    now, finished, inside, making = 1.0, 0, 0.0, 0.0
    clock = time.perf_counter

    def act(commands: list[Command]) -> Iterator[Leased | SlotReady]:
        for command in commands:
            if type(command) is Start:
                slots[command.slot].extend(command.ids)
            elif type(command) is Lease:
                start = taken[command.queue]
                asks = waiting[command.queue][start : start + command.count]
                taken[command.queue] = start + len(asks)
                yield Leased(command.queue, asks, len(waiting[command.queue]) - start - len(asks))
            elif type(command) is OpenSlot:
                slots[command.slot] = deque()
                yield SlotReady(command.slot)

    def settle(commands: list[Command]) -> None:
        nonlocal inside
        todo = deque(act(commands))
        while todo:
            event = todo.popleft()
            begun = clock()
            commands = scheduler.handle(event, now)
            inside += clock() - begun
            todo.extend(act(commands))

    for key, asks in waiting.items():
        begun = clock()
        commands = scheduler.handle(Queued(key, len(asks)), now)
        inside += clock() - begun
        settle(commands)
    handle, done = scheduler.handle, State.succeeded
    while any(slots.values()):
        for number, backlog in list(slots.items()):
            # A worker reads what a slot has reported in chunks; so the clock is read once a chunk too.
            chunk = min(16, len(backlog))
            now += seconds * chunk
            begun = clock()
            events = [AttemptFinished(number, backlog.popleft(), done, seconds) for _ in range(chunk)]
            between = clock()
            answers = [commands for event in events if (commands := handle(event, now))]
            inside += clock() - between
            making += between - begun
            finished += chunk
            for commands in answers:
                settle(commands)
    return finished, inside, making


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    cases = {
        "one batch, short runs": (1, 1, 20e-6),
        "50 shows x 4 classes, short runs": (50, 4, 20e-6),
        "one batch, long runs (one a slot)": (1, 1, 5.0),
        "50 shows x 4 classes, long runs": (50, 4, 5.0),
    }
    print(f"{'case':36} {'inv/s':>10} {'us/inv: median [min-max]':>28} {'events us':>10}")
    for name, (shows, classes, seconds) in cases.items():
        costs, makings = [], []
        for _ in range(chosen.rounds):
            waiting = asks_of(shows, classes, chosen.count)
            finished, inside, making = drive(waiting, seconds, cpu=2)
            assert finished == sum(map(len, waiting.values())), "not everything ran"
            costs.append(inside / finished * 1e6)
            makings.append(making / finished * 1e6)
        median = statistics.median(costs)
        spread = f"{median:.2f} [{min(costs):.2f}-{max(costs):.2f}]"
        print(f"{name:36} {1e6 / median:>10,.0f} {spread:>28} {statistics.median(makings):>10.2f}")


if __name__ == "__main__":
    main()
