"""What became of a simulated load, for a terminal of 80 columns. Pure: findings in, lines out.

This module must not know how anything was simulated, nor how a page of it looks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import Final

import click

from rushes.cli.show import counted, displacement_lines, table
from rushes.core.money import format_dollars
from rushes.simulator.figures import beside, in_rank
from rushes.simulator.study import Finding, Growth, Threshold
from rushes.units import format_digits, format_duration, format_size

__all__ = ["answer_lines"]

_WIDTH: Final = 79
_IN_FIGURES: Final = re.compile(r"(?<=\d) (?=(?:[smh]|kWh?)\b)|(?<=\d [hm]) (?=\d\d [ms]\b)")


def answer_lines(
    title: str, findings: Sequence[Finding], growth: Growth | None, assumed: Sequence[str]
) -> Iterator[str]:
    """The whole answer: each policy, how they compare, what breaks first, and what all of it rests on."""
    several = len(findings) > 1
    for finding in findings:
        yield from _finding_lines(f"{title}, {finding.case.name}" if several else title, finding)
        yield ""
    if several:
        yield from _beside_lines(findings)
        yield ""
    if growth is not None:
        yield from _growth_lines(growth)
        yield ""
    yield from _folded(
        "wait: until it starts; done: from submission until it has ended, clip and whole batch"
    )
    for text in assumed:
        for line in _folded(f"assumed: {text}", "         "):
            yield click.style(line, dim=True)


def _finding_lines(name: str, finding: Finding) -> Iterator[str]:
    found, capacity = finding.outcome, finding.case.capacity
    count = sum(group.invocations for group in found.groups)
    where = f"{capacity.cpu:g} cores and {format_size(round(capacity.memory))}"
    if finding.case.plan is not None:
        where = f"up to {finding.bill.peak_hosts} hosts by {finding.case.name}"
    first, *more = _folded(
        f"{name}: {counted(count, 'invocation')} on {where}, over after {format_duration(found.until_s)}; "
        f"{finding.bill.utilisation:.0%} of the cores' time was used"
    )
    yield click.style(first[: len(name)], bold=True) + first[len(name) :]
    yield from [*more, ""]
    yield from _table(finding).splitlines()
    yield ""
    yield from _bill_lines(finding)
    for batch, share in found.displacement:
        (line,) = displacement_lines([asdict(share)])
        yield from _folded(f"for {batch}: {line}")


def _bill_lines(finding: Finding) -> Iterator[str]:
    bill = finding.bill
    if bill.total:
        minute = f"; {format_dollars(bill.minute_nano)} a minute of output" if bill.minute_nano else ""
        yield from _folded(
            f"cost: {format_dollars(bill.total)}, of it {format_dollars(bill.waste)} for work done again and "
            f"{format_dollars(bill.idle)} idle{minute}"
        )
    drawn = (
        f"; at most {format_digits(bill.peak_kw)} kW, {format_digits(bill.kwh, 3)} kWh in all"
        if bill.peak_kw and bill.kwh
        else ""
    )
    yield from _folded(f"headroom: {bill.headroom:.0%} of the cores in the busiest hour{drawn}")
    held = sum(group.held for group in finding.outcome.groups)
    if held:
        why = next(iter(finding.course.trace.held.values()), "")
        yield from _folded(f"{counted(held, 'invocation')} {why}")
    trace, targets = finding.course.trace, {one.name: one.target_s for one in finding.case.classes}
    for name, (met, count) in finding.in_time.items():
        within = format_duration(targets[name] or 0.0)
        yield f"target of {name}: {met:,} of {counted(count, 'batch', 'batches')} done within {within}"
    if trace.demoted:
        yield f"one class lower: {counted(len(trace.demoted), 'batch', 'batches')} beyond a limit"
    for name, alone in finding.course.alone.items():
        yield from _folded(
            f"{name}: {counted(alone.runs, 'run')} on machines of their own for "
            f"{format_dollars(alone.nano)}, {format_dollars(alone.wasted_nano)} of it for what was too long"
        )
    if trace.hedged:
        yield f"hedged: {counted(trace.hedged, 'second attempt')} at what crawled"
    if bill.lost:
        yield f"lost: {counted(bill.lost, 'attempt')} ended with their host or device, and ran again"


def _table(finding: Finding) -> str:
    head = ["class", "show", "clips", "wait p50", "p99", "done p50", "p90", "p99", "batch"]
    rows = [
        [
            group.priority,
            group.show,
            f"{group.invocations:,}",
            _time(group.wait.p50),
            _time(group.wait.p99),
            _time(group.turnaround.p50),
            _time(group.turnaround.p90),
            _time(group.turnaround.p99),
            _time(group.done_s) if group.done_s else "–",
        ]
        for group in in_rank(finding)
    ]
    return table(head, rows, right=frozenset(range(2, len(head))))


def _beside_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """How policies compare, figure by figure."""
    rows = [[row[0].name, *(one.shown or "–" for one in row)] for row in beside(findings)]
    head = ["side by side", *(finding.case.name for finding in findings)]
    yield from table(head, rows, right=frozenset(range(1, len(head)))).splitlines()


def _growth_lines(growth: Growth) -> Iterator[str]:
    rows = [
        [
            f"{growth.dimension} × {step.factor:g}",
            f"{step.finding.bill.headroom:.0%}",
            format_dollars(step.finding.bill.total) if step.finding.bill.total else "–",
            format_dollars(step.stream_nano) if step.stream_nano else "–",
            "breaks" if step.broken else "holds",
        ]
        for step in growth.steps
    ]
    head, *lines = table(
        ["", "headroom", "cost", "a stream", ""], rows, right=frozenset({1, 2, 3})
    ).splitlines()
    yield head
    for line, step in zip(lines, growth.steps, strict=True):
        yield line
        for threshold, value in step.broken:
            yield f"    {threshold.what}: {threshold.shown(value)}"
    yield ""
    for threshold, value in growth.already:
        yield from _folded(f"too much already, as it is now: {_broken(threshold, value)}")
    more = " more" if growth.already else ""
    first = growth.first
    if first is None:
        yield f"nothing{more} breaks up to {growth.steps[-1].factor:g} times"
        return
    breaks = "breaks next" if growth.already else "breaks first"
    yield from _folded(f"{breaks}, at {first.factor:g} times: {_broken(*growth.next_broken(first))}")


def _broken(threshold: Threshold, value: float) -> str:
    return f"{threshold.what}: {threshold.shown(value)}, where {threshold.shown(threshold.most)} is the most"


def _time(seconds: float) -> str:
    """A duration in a narrow column: ``35m55s``."""
    return format_duration(seconds).replace(" ", "")


def _folded(text: str, indent: str = "  ") -> list[str]:
    """Lines that fit; no line ends within a figure and its unit."""
    whole = _IN_FIGURES.sub("\xa0", text)
    return [line.replace("\xa0", " ") for line in wrap(whole, _WIDTH, subsequent_indent=indent)]
