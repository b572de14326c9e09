"""Charts as SVG text: areas over time, bars of spreads, a stacked bar. Pure: values in, text out.

Colours are CSS variables (`--c0` …), so that a page decides about light and dark. This module must not know
what is charted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Final

__all__ = ["areas", "bars", "stacked"]

WIDTH: Final = 560
HEIGHT: Final = 190
LEFT: Final = 46
BOTTOM: Final = 22
TOP: Final = 8
MOST_POINTS: Final = 280
"""A chart is no wider: of more samples, each stretch is shown by its fullest moment."""


def areas(
    times: Sequence[float],
    stacks: Mapping[str, Sequence[float]],
    line: Sequence[float] = (),
    *,
    most: float | None = None,
    label: str = "",
) -> str:
    """Values over time, one upon another, under a line.

    Args:
        times: in seconds, rising.
        stacks: by name, a value for each time.
        line: a value for each time, drawn over them.
        most: the top of the scale; the largest value, if None.
        label: what the chart shows, for whoever hears it read.
    """
    names = [name for name, values in stacks.items() if any(values)]
    times, columns, line = _thinned(times, [stacks[name] for name in names], line)
    sums = [sum(column[at] for column in columns) for at in range(len(times))]
    top = _round_up(most or max([*sums, *line], default=1.0))
    x, y = _scales(times, top)
    parts = [_grid(times, top)]
    below = [0.0] * len(times)
    for number, (name, column) in enumerate(zip(names, columns, strict=True)):
        above = [low + value for low, value in zip(below, column, strict=True)]
        points = [f"{x(t)},{y(v)}" for t, v in zip(times, above, strict=True)]
        points += [f"{x(t)},{y(v)}" for t, v in zip(reversed(times), reversed(below), strict=True)]
        parts.append(
            f'<polygon class="a{number % 6}" points="{" ".join(points)}">'
            f"<title>{escape(name)}</title></polygon>"
        )
        below = above
    if line:
        points = [f"{x(t)},{y(v)}" for t, v in zip(times, line, strict=True)]
        parts.append(f'<polyline class="line" points="{" ".join(points)}"/>')
    return _svg("".join(parts), label)


def bars(rows: Sequence[tuple[str, Sequence[float]]], shown: Sequence[Sequence[str]], label: str = "") -> str:
    """A row for each name: nested bars, the longest value the palest, each value written at its end.

    Args:
        rows: a name and its rising values.
        shown: the values in words, in the same order.
        label: as in `areas`.
    """
    top = max((values[-1] for _, values in rows), default=1.0) or 1.0
    step, name_at, start, wide = 30, 0, 150, 180  # the rest is for three durations such as 45 m 36 s
    parts = []
    for at, ((name, values), words) in enumerate(zip(rows, shown, strict=True)):
        y = at * step + 6
        parts.append(f'<text x="{name_at}" y="{y + 14}">{escape(name)}</text>')
        for number, value in reversed(list(enumerate(values))):
            width = max(wide * (value / top) ** 0.5, 1.0)  # short and long on one scale
            parts.append(
                f'<rect class="s{number}" x="{start}" y="{y}" width="{width:.1f}" height="18" rx="2"/>'
            )
        end = start + max(wide * (values[-1] / top) ** 0.5, 1.0)
        parts.append(f'<text class="v" x="{end + 6:.1f}" y="{y + 13}">{escape(" · ".join(words))}</text>')
    return _svg("".join(parts), label, height=len(rows) * step + 8)


def stacked(parts: Mapping[str, float], shown: Mapping[str, str], label: str = "") -> str:
    """One bar in parts, with its legend below it.

    Args:
        parts: the size of each.
        shown: each in words.
        label: as in `areas`.
    """
    whole = sum(parts.values()) or 1.0
    x, drawn = 0.0, []
    for number, (name, value) in enumerate(parts.items()):
        width = WIDTH * value / whole
        drawn.append(
            f'<rect class="a{number % 6}" x="{x:.1f}" y="4" width="{max(width - 1, 0):.1f}" height="26">'
            f"<title>{escape(name)}: {escape(shown[name])}</title></rect>"
        )
        x += width
    bar = _svg("".join(drawn), label, height=34)
    return bar + legend({name: f"{name} {shown[name]}" for name in parts})


def legend(names: Mapping[str, str]) -> str:
    """What the colours mean, in the order of the areas."""
    items = "".join(
        f'<li><i class="k{number % 6}"></i>{escape(text)}</li>' for number, text in enumerate(names.values())
    )
    return f'<ul class="legend">{items}</ul>'


def _svg(body: str, label: str, height: int = HEIGHT) -> str:
    told = escape(label, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{told}">{body}</svg>'


def _scales(times: Sequence[float], top: float) -> tuple[Callable[[float], str], Callable[[float], str]]:
    first, last = (times[0], times[-1]) if times else (0.0, 1.0)
    wide, high = WIDTH - LEFT - 6, HEIGHT - TOP - BOTTOM
    span = (last - first) or 1.0

    def x(at: float) -> str:
        return f"{LEFT + wide * (at - first) / span:.1f}"

    def y(value: float) -> str:
        return f"{TOP + high * (1 - min(value / top, 1.0)):.1f}"

    return x, y


def _grid(times: Sequence[float], top: float) -> str:
    """Lines and numbers: four heights, and the hours."""
    x, y = _scales(times, top)
    drawn = []
    for part in (0.0, 0.5, 1.0):
        value = top * part
        drawn.append(f'<line class="g" x1="{LEFT}" x2="{WIDTH - 6}" y1="{y(value)}" y2="{y(value)}"/>')
        drawn.append(
            f'<text class="v" text-anchor="end" x="{LEFT - 6}" y="{float(y(value)) + 4}">'
            f"{_number(value)}</text>"
        )
    if times:
        step_s = _step_s(times[-1] - times[0])
        at = (times[0] // step_s + (times[0] % step_s > 0)) * step_s
        while at <= times[-1]:
            drawn.append(
                f'<text class="v" text-anchor="middle" x="{x(at)}" y="{HEIGHT - 6}">'
                f"{_clock(at, step_s)}</text>"
            )
            at += step_s
    return "".join(drawn)


def _step_s(span_s: float) -> float:
    for step_s in (10, 60, 300, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400):
        if span_s / step_s <= 7:
            return float(step_s)
    return 604_800.0


def _clock(at: float, step_s: float) -> str:
    if step_s < 60:
        return f"{at:.0f} s"
    days, seconds = divmod(round(at), 86_400)
    clock = f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"
    return f"day {days + 1} {clock}" if days and not seconds else clock


def _number(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _round_up(value: float) -> float:
    """The next round number."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(power * part for part in (1, 2, 4, 5, 8, 10) if power * part >= value)


def _thinned(
    times: Sequence[float], columns: Sequence[Sequence[float]], line: Sequence[float]
) -> tuple[list[float], list[list[float]], list[float]]:
    """As many points as can be seen: of each stretch its first time, and the moment at which most was there.

    All values of a stretch are of one moment: the largest of each would stand on one another higher than
    anything ever did.
    """
    step = max(-(-len(times) // MOST_POINTS), 1)
    stretches = [range(at, min(at + step, len(times))) for at in range(0, len(times), step)]
    fullest = [max(one, key=lambda at: sum(column[at] for column in columns)) for one in stretches]
    return (
        [times[one.start] for one in stretches],
        [[column[at] for at in fullest] for column in columns],
        [line[at] for at in fullest] if line else [],
    )
