"""The drawing of a batch under way: a bar, the counts, the pace, and what runs now. Drawn with rich.

This module must not ask an engine for anything: it is handed where the batch stands.
"""

from __future__ import annotations

import shutil
from collections import deque
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from rushes.cli.show import counts_line, short_name
from rushes.printing import printable
from rushes.units import format_duration

if TYPE_CHECKING:
    from rushes.invocation import BatchStatus

__all__ = ["Pace", "ProgressDisplay", "lines_of"]

_RUNNING_SHOWN: Final = 8
_WINDOW_S: Final = 30.0
_BAR: Final = 28


class Pace:
    """How fast a batch ends, over the last half minute, so that an estimate follows what happens."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, float, float]] = deque()

    def add(self, now: float, done: float, media_s: float) -> None:
        """Note that `done` invocations, a running one counted by its fraction, had ended at `now`."""
        self._marks.append((now, done, media_s))
        while len(self._marks) > 2 and now - self._marks[0][0] > _WINDOW_S:
            self._marks.popleft()

    def per_second(self) -> float:
        """Invocations a second; 0 until something moved."""
        (then, before, _), (now, done, _) = self._marks[0], self._marks[-1]
        return max(done - before, 0.0) / (now - then) if now > then else 0.0

    def realtime(self) -> float:
        """Seconds of media a second; 0 until something moved."""
        (then, _, before), (now, _, media) = self._marks[0], self._marks[-1]
        return max(media - before, 0.0) / (now - then) if now > then else 0.0


def lines_of(status: BatchStatus, pace: Pace, width: int) -> list[Text]:
    """The drawing, one text a line."""
    counts = status.counts
    part = _done(status) / counts.total if counts.total else 0.0
    if counts.ended < counts.total:
        part = min(part, 0.99)  # what is read to its end is not verified and published yet
    filled = round(part * _BAR)
    more = "" if status.sealed else "+"
    bar = Text.assemble(
        ("━" * filled, "green"),
        ("━" * (_BAR - filled), "dim"),
        f" {counts.ended:,}/{counts.total:,}{more} ",
        (f"{part:4.0%}", "bold"),
    )
    facts = [counts_line(counts)]
    rate = pace.per_second()
    if rate > 0:
        left = (counts.total - _done(status)) / rate
        facts.append(
            f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s" if rate >= 1 else f"{rate * 60:.1f}/min"
        )
        if status.sealed and left >= 1:
            facts.append(f"{format_duration(left)} left")
    if pace.realtime() > 0:
        facts.append(f"{pace.realtime():.1f}× real time")
    head = Text.assemble(
        (printable(status.title or status.function), "bold"),
        (f"  {status.batch} · {status.priority} · show {printable(status.show)}", "dim"),
    )
    lines = [head, bar, Text(" · ".join(facts))]
    if status.standstill:
        lines.append(Text(status.standstill, style="yellow"))
    lines += [_running(one, width) for one in status.running[:_RUNNING_SHOWN]]
    return lines


def _running(one: object, width: int) -> Text:
    row = dict(one)  # type: ignore[call-overload]
    fraction = row.get("fraction")
    shown = f"{fraction:4.0%}" if isinstance(fraction, float) and fraction >= 0 else "  … "
    note = printable(str(row.get("note") or ""))
    since = format_duration(float(row.get("seconds") or 0.0))
    name = short_name(str(row.get("asset") or row.get("invocation") or ""))
    room = max(width - len(shown) - len(note) - len(since) - 9, 8)
    name = name if len(name) <= room else name[: room - 1] + "…"
    return Text.assemble(("  ▸ ", "cyan"), f"{shown} {name}  ", (f"{since}  {note}".rstrip(), "dim"))


def _done(status: BatchStatus) -> float:
    """Ended invocations, and the finished part of those that run."""
    part = sum(f for one in status.running if isinstance(f := one.get("fraction"), float) and 0 <= f <= 1)
    return status.counts.ended + part


class ProgressDisplay:
    """Draws on standard error, over itself; `hide` takes the drawing away until the next `show`."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._pace = Pace()

    def show(self, status: BatchStatus, now: float) -> None:
        """Draw where the batch stands."""
        self._pace.add(now, _done(status), status.media_s)
        width = shutil.get_terminal_size().columns
        lines = lines_of(status, self._pace, width)
        for line in lines:
            line.truncate(max(width - 1, 10), overflow="ellipsis")
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(Group(*lines), refresh=True)

    def hide(self) -> None:
        """Take the drawing away, and give the cursor back."""
        if self._live is not None:
            self._live.stop()
            self._live = None
