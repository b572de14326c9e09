"""Text for people: errors, tables, times, counts. Pure: values in, lines out.

This module must not print, and must not know which command it serves.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from rushes.printing import printable
from rushes.units import format_duration

if TYPE_CHECKING:
    from rushes.errors import RushesError
    from rushes.invocation import BatchStatus, Counts, Finished, Spent

__all__ = [
    "counted",
    "counts_line",
    "displacement_lines",
    "error_label",
    "error_lines",
    "failure_line",
    "figure",
    "held_lines",
    "one_line",
    "short_name",
    "spent_line",
    "summary_line",
    "table",
    "target_line",
    "waits_line",
]

_MESSAGE_MAX: Final = 400
_FIGURE_MAX: Final = 14


def one_line(text: str, limit: int = _MESSAGE_MAX) -> str:
    """The first line of `text`, printable and no longer than `limit`."""
    line = printable(text.strip().split("\n", 1)[0])
    return line if len(line) <= limit else line[: limit - 1] + "…"


def short_name(asset: str) -> str:
    """The last part of an asset's URI."""
    return printable(asset.rstrip("/").rsplit("/", 1)[-1] or asset)


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """``1 clip``, ``1,204 clips``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def error_label(kind: str = "") -> str:
    """What a line about an error begins with."""
    label = {"policy": "refused", "cancelled": "cancelled"}.get(kind, "error")
    return click.style(f"{label}:", fg="red", bold=True)


def error_lines(error: RushesError) -> list[str]:
    """An error for a person: what happened, then the next step."""
    lines = [f"{error_label(error.kind)} {one_line(error.message, 2000)}"]
    if error.fix:
        lines.append(f"  {printable(error.fix)}")
    return lines


def failure_line(finished: Finished) -> str:
    """One failed invocation in one line: which clip, what happened, the next step, where the log is."""
    error = finished.error or {}
    what = one_line(str(error.get("message") or "failed for an unknown reason"))
    fix = one_line(str(error.get("fix") or ""), 200)
    kind = str(error.get("kind") or "platform")
    parts = [f"{click.style('✗', fg='red')} {short_name(finished.asset)} [{kind}] {what}"]
    if fix:
        parts.append(f"→ {fix}")
    parts.append(f"(rushes why {finished.invocation})")
    return " ".join(parts)


def counts_line(counts: Counts) -> str:
    """``3 done (1 known already), 2 running, 7 waiting, 1 failed``."""
    known = f" ({counts.cached:,} known already)" if counts.cached else ""
    parts = [f"{counts.succeeded:,} done{known}"]
    waiting = counts.queued + counts.held
    for count, word in (
        (counts.running, "running"),
        (counts.paused, "paused"),
        (waiting, "waiting"),
        (counts.failed, "failed"),
        (counts.cancelled, "cancelled"),
    ):
        if count:
            parts.append(f"{count:,} {word}")
    return ", ".join(parts)


def summary_line(
    function: str, counts: Counts, elapsed_s: float, media_s: float, out: str | None, *, cost_nano: int = 0
) -> str:
    """What was made, how fast, what it cost where that is counted, and where it is."""
    fresh = counts.succeeded - counts.cached
    made = "made" if out else "done"
    parts = [f"{fresh:,} {made}"] if fresh or not counts.ended else []
    if counts.cached:
        parts.append(f"{counts.cached:,} known already")
    if counts.failed:
        parts.append(click.style(f"{counts.failed:,} failed", fg="red"))
    if counts.cancelled:
        parts.append(f"{counts.cancelled:,} cancelled")
    left = counts.total - counts.ended
    if left:
        parts.append(f"{left:,} not ended")
    line = f"{click.style(function, bold=True)}: {', '.join(parts)} in {format_duration(elapsed_s)}"
    pace = speed(fresh, elapsed_s, media_s)
    if pace:
        line += f" ({pace})"
    if cost_nano:
        line += f" for {_dollars(cost_nano)}"
    if out and counts.succeeded:
        line += f" → {printable(out)}"
    return line


def spent_line(spent: Spent, *, ended: bool) -> str:
    """``cost so far $0.31, $0.02 of it wasted; 4,210 J``; once it has ended, there is no "so far"."""
    line = f"cost {'' if ended else 'so far '}{_dollars(spent.nano)}"
    if spent.waste_nano:
        line += f", {_dollars(spent.waste_nano)} of it wasted"
    return f"{line}; {spent.joules:,.0f} J" if spent.joules else line


def held_lines(status: BatchStatus) -> list[str]:
    """Why a batch is held, and the command that lets it go on."""
    level, name = status.held_by
    lines = [click.style(printable(status.held), fg="yellow")]
    if level == "batch":
        lines.append(f"  rushes set {status.batch} --max-cost USD")
    elif level:
        payer = f"{level}:{shlex.quote(name)}" if name else level
        per_hour = "--per-hour " if status.frees_at is not None else ""
        lines.append(f"  rushes budget set {payer} {per_hour}USD")
    return lines


def target_line(status: BatchStatus, now: float) -> str:
    """How a batch stands to the target of its class: met, missed, or how much time is left."""
    target_s = status.target_s or 0.0
    took_s = (status.ended or now) - status.submitted
    text = f"target of {status.priority} {format_duration(target_s)}: "
    if took_s > target_s:
        return click.style(f"{text}missed by {format_duration(took_s - target_s)}", fg="yellow")
    return text + ("met" if status.ended is not None else f"{format_duration(target_s - took_s)} left")


def waits_line(one: Mapping[str, Any]) -> str:
    """Why some of a batch wait, and of which of them more is known."""
    wait = "waits" if one["count"] == 1 else "wait"
    text = f"{one['count']:,} {wait}: {one['why']} (rushes why {one['invocation']})"
    return click.style(printable(text), fg="yellow")


def displacement_lines(shares: Iterable[Mapping[str, Any]]) -> list[str]:
    """What others bore for one batch, such as ``4 of 38hxtv (show dune) stood aside for 1 m 22 s in all``."""
    lines = []
    for share in shares:
        whose = f"of {share['batch']} (show {printable(str(share['show']))})"
        if share.get("awaited"):
            waited = format_duration(float(share["awaited_s"]))
            lines.append(f"{share['awaited']:,} {whose} gave place at its end, waited for {waited}")
        if not share["invocations"]:
            continue
        who = f"{share['invocations']:,} {whose}"
        line = f"{who} stood aside for {format_duration(float(share['aside_s']))}"
        if share["invocations"] != 1:
            line += " in all"
        if share["redone_s"]:
            line += f", {format_duration(float(share['redone_s']))} of their work is done again"
            if share.get("redone_nano"):
                line += f" for {_dollars(int(share['redone_nano']))}"
        if share["standing"]:
            line += f"; {share['standing']:,} still {'does' if share['standing'] == 1 else 'do'}"
        lines.append(line)
    return lines


def _dollars(nano: int) -> str:
    from rushes.core.money import format_dollars  # noqa: PLC0415 - only where there is a price

    return format_dollars(nano)


def speed(count: int, elapsed_s: float, media_s: float) -> str:
    """``12.3/s, 4.1× real time``; empty when nothing can be said."""
    if elapsed_s <= 0 or not count:
        return ""
    rate = count / elapsed_s
    shown = f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s" if rate >= 1 else f"{rate * 60:.1f}/min"
    return f"{shown}, {media_s / elapsed_s:.1f}× real time" if media_s > 0 else shown


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    right: frozenset[int] = frozenset(),
    sparse: frozenset[int] = frozenset(),
) -> str:
    """Columns as wide as they need to be.

    Args:
        head: the titles.
        rows: one sequence of cells a row.
        right: columns that are aligned right, counted from 0.
        sparse: columns that are left out where no row has anything in them.
    """
    cells = [[printable("" if cell is None else _value(cell)) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in [list(head), *cells]) for n in range(len(head))]
    kept = [n for n in range(len(head)) if n not in sparse or any(row[n] for row in cells)]
    lines = []
    for number, row in enumerate([list(head), *cells]):
        padded = [row[n].rjust(widths[n]) if n in right else row[n].ljust(widths[n]) for n in kept]
        line = "  ".join(padded).rstrip()
        lines.append(click.style(line, bold=True) if number == 0 else line)
    return "\n".join(lines)


def fields(values: Mapping[str, Any]) -> str:
    """``name  value`` a line; what is empty is left out."""
    kept = {k: v for k, v in values.items() if v not in (None, "", [], {}, ())}
    width = max((len(k) for k in kept), default=0)
    return "\n".join(f"{k.ljust(width)}  {printable(_value(v))}" for k, v in kept.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={_value(v)}" for k, v in value.items() if v not in (None, "", [], {}))
    if isinstance(value, list | tuple):
        between = "; " if any(isinstance(one, Mapping) for one in value) else ", "
        return between.join(_value(one) for one in value)
    return figure(value) if isinstance(value, float) else str(value)


def figure(value: float) -> str:
    """A number for people: without the noise behind its twelfth digit, which JSON and CSV keep."""
    text = repr(value)
    return text if len(text) <= _FIGURE_MAX else f"{value:.12g}"
