"""Several tools side by side under one supervision: their progress is one, and one cancel ends them all.

The caller's thread waits, reports and asks whether to go on; a thread each runs the jobs. This module must
not know what the jobs are.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Final, TypeVar

from rushes.errors import Cancelled
from rushes.media.running.process import Supervision
from rushes.media.running.progress import Progress
from rushes.media.running.watchdog import TICK_S

__all__ = ["run_together"]

T = TypeVar("T")

# Less than this, and an encoder cannot open at all.
_LEAST_MEMORY_BYTES: Final = 256 * 1024**2


def run_together(
    jobs: Sequence[Callable[[Supervision], T]],
    *,
    parallel: int,
    supervision: Supervision,
    frames: int,
) -> list[T]:
    """What each of `jobs` gives, in their order; at most `parallel` run at once, begun in that order.

    Each job is handed a supervision of its own: what the attempt may use of memory is shared out among those
    that run at once, and its progress is added to that of the others.

    Args:
        jobs: each runs its tools to the end with the supervision that it is given.
        parallel: how many at once.
        supervision: of all together; `on_progress` is called in the caller's thread.
        frames: that all will have made in the end.

    Raises:
        Cancelled: `supervision.cancelled` said so.
        RushesError: what the first job that failed raised; all others have been ended.
    """
    stop = threading.Event()
    reports: queue.SimpleQueue[tuple[int, Progress]] = queue.SimpleQueue()
    parallel = max(1, min(parallel, len(jobs)))
    memory = supervision.limits.memory_bytes
    shared = None if memory is None else max(memory // parallel, min(memory, _LEAST_MEMORY_BYTES))

    def own(number: int) -> Supervision:
        return replace(
            supervision,
            limits=replace(supervision.limits, memory_bytes=shared),
            on_progress=lambda progress: reports.put((number, progress)),
            cancelled=stop.is_set,
        )

    total = _Total(frames)
    with ThreadPoolExecutor(parallel, thread_name_prefix="crew") as pool:
        futures = [pool.submit(_begin, job, own(number), stop) for number, job in enumerate(jobs)]
        try:
            _follow(futures, reports, total, supervision)
        except BaseException:
            # Whatever passes through here does so after every tool is dead: leaving the pool waits for them.
            stop.set()
            for future in futures:
                future.cancel()
            raise
    return [future.result() for future in futures]


def _begin(job: Callable[[Supervision], T], supervision: Supervision, stop: threading.Event) -> T:
    if stop.is_set():
        raise Cancelled
    return job(supervision)


def _follow(
    futures: Sequence[Future[T]],
    reports: queue.SimpleQueue[tuple[int, Progress]],
    total: _Total,
    supervision: Supervision,
) -> None:
    pending: set[Future[T]] = set(futures)
    while pending:
        done, pending = wait(pending, timeout=TICK_S, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        news = False
        while not reports.empty():
            total.add(*reports.get())
            news = True
        if news and supervision.on_progress is not None:
            supervision.on_progress(total.progress())
        if pending and supervision.cancelled():
            raise Cancelled


class _Total:
    """The progress of all jobs as that of one."""

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._of: dict[int, Progress] = {}

    def add(self, number: int, progress: Progress) -> None:
        before = self._of.get(number)
        # A job that begins again does not run the bar backwards.
        if before is None or progress.frames >= before.frames:
            self._of[number] = progress

    def progress(self) -> Progress:
        parts = self._of.values()
        frames = sum(part.frames for part in parts)
        share = min(1.0, frames / self._frames) if self._frames else None
        return Progress(
            frames=frames,
            size_bytes=sum(part.size_bytes or 0 for part in parts),
            fps=sum(part.fps for part in parts if not part.ended),
            share=share,
        )
