"""`simulate`: what becomes of a load on a pool of some size, on a virtual clock.

This module must not know how the pool is simulated.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

from rushes.cli.show import counted, displacement_lines, table
from rushes.units import format_duration, format_size

if TYPE_CHECKING:
    from rushes.simulator.load import Scenario
    from rushes.simulator.outcome import Outcome
    from rushes.simulator.study import Finding, Growth

__all__ = ["simulate"]

_SCENARIOS = ("quiet-day", "turnover", "many-shows", "viral-spike", "spot-reclaim", "device-loss")
_WHAT_IF = re.compile(r"(streams|duration|codecs|regions)\s*[*×x]\s*([0-9.]+)")
_DAY_S = 86_400.0


class Finite(click.FloatRange):
    """A number that can be counted with: click lets nan pass any bounds, for it compares with nothing."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value!r} is no number that can be counted with.", param, ctx)
        return number


@click.command()
@click.argument("scenario", type=click.Choice(_SCENARIOS), required=False)
@click.option("--cores", type=Finite(min=0.1), help="[default: 32; with --replay, this machine's]")
@click.option("--memory", help="[default: 128GiB; with --replay, this machine's]")
@click.option("--devices", type=Finite(min=0.0), help="[default: 4; with --replay, this machine's]")
@click.option(
    "--policy",
    "policies",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help="A capacity file: the pool grows and shrinks by it. Several stand side by side.",
)
@click.option("--tier", help="What a pool of one size is made of: an entry of the price book.")
@click.option("--replay", is_flag=True, help="What has run here, from the ledger, instead of a scenario.")
@click.option("--since", metavar="DAYS", type=Finite(min=0.0), help="Of the ledger, the last days.")
@click.option("--what-if", "what_if", metavar="DIM*N", help="What breaks first as streams, … grow.")
@click.option(
    "--scale",
    type=Finite(min=0.0, min_open=True),
    default=1.0,
    show_default=True,
    help="How much arrives, as a multiple.",
)
@click.option("--cap", multiple=True, metavar="SHOW=USD", help="A show may spend so much.  [repeatable]")
@click.option(
    "--soft", multiple=True, metavar="SHOW=USD", help="Beyond it a show's work goes on one class lower."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the run times.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write an HTML page.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def simulate(
    *,
    scenario: str | None,
    cores: float | None,
    memory: str | None,
    devices: float | None,
    policies: tuple[Path, ...],
    tier: str | None,
    replay: bool,
    since: float | None,
    what_if: str | None,
    scale: float,
    cap: tuple[str, ...],
    soft: tuple[str, ...],
    seed: int,
    report: Path | None,
    as_json: bool,
) -> None:
    """Say what becomes of a load on a pool of some size.

    The scheduler is the one that runs the real pool; the clock is virtual, and a day takes a moment.
    """
    from rushes.cli.simulated import (  # noqa: PLC0415 - only when something is simulated
        cases_of,
        growth_of,
        limited,
        made_up,
        replayed_here,
        size_of,
    )
    from rushes.simulator.study import tried  # noqa: PLC0415 - as above

    if (scenario is None) is not replay:
        raise click.UsageError(f"name one scenario ({', '.join(_SCENARIOS)}), or --replay what has run.")
    if since is not None and not replay:
        raise click.UsageError("--since is for --replay: of the ledger, so many of the last days.")
    dimension, factor = _asked(what_if, replay=replay)
    load = replayed_here(since) if scenario is None else made_up(scenario, scale, seed)
    load = limited(load, cap, soft)
    whole = size_of(cores, memory, devices, replay=replay)
    cases = cases_of(policies, whole, tier)
    findings = [tried(load, case, seed) for case in cases]
    growth = growth_of(scenario or "", dimension, factor, scale, cases[0], seed, load) if dimension else None
    title = scenario or "what has run here"
    if report is not None:
        _write(report, title, load, findings, growth)
    if as_json:
        _say_json(title, whole.cpu, findings, growth)
        return
    for finding in findings:
        _say(title, finding, several=len(findings) > 1)
    if growth is not None:
        _say_growth(growth)
    click.echo("\nwait: until it starts; done: from submission until it has ended, clip and whole batch")
    for text in dict.fromkeys((*load.assumed, *(growth.assumed if growth else ()))):
        for line in wrap(f"assumed: {text}", 98, subsequent_indent="         "):
            click.echo(click.style(line, dim=True))
    if report is not None:
        click.echo(f"the report: {report}")


# -- what is asked for -------------------------------------------------------------------------------------


def _asked(what_if: str | None, *, replay: bool) -> tuple[str, float]:
    if what_if is None:
        return "", 1.0
    if replay:
        raise click.UsageError("--what-if is for scenarios: what has run cannot be asked for twice as much.")
    found = _WHAT_IF.fullmatch(what_if.strip())
    try:
        factor = float(found.group(2)) if found else 0.0
    except ValueError:
        factor = 0.0
    if found is None or not factor > 1:
        raise click.BadParameter(
            f"{what_if!r} is not streams, duration, codecs or regions times a number above 1: write "
            "--what-if 'streams*2'.",
            param_hint="--what-if",
        )
    return found.group(1), factor


# -- what is said ------------------------------------------------------------------------------------------


def _write(
    path: Path, title: str, load: Scenario, findings: Sequence[Finding], growth: Growth | None
) -> None:
    from rushes.simulator.report import page  # noqa: PLC0415

    command = " ".join(["rushes", *(_quoted(word) for word in sys.argv[1:])])
    try:
        path.write_text(page(title, load, findings, growth=growth, command=command), encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(
            f"{path} cannot be written: {error.strerror}.", param_hint="--report"
        ) from error


def _quoted(word: str) -> str:
    import shlex  # noqa: PLC0415

    return shlex.quote(word)


def _say_json(title: str, cores: float, findings: Sequence[Finding], growth: Growth | None) -> None:
    first = findings[0]
    said: dict[str, Any] = {"schema": 1, "scenario": title, "cores": cores, **first.outcome.to_dict()}
    said["bill"] = first.bill.to_dict()
    trace = first.course.trace
    said["in_time"] = {name: {"met": met, "of": of} for name, (met, of) in first.in_time.items()}
    said |= {"hedged": trace.hedged, "demoted": sorted(trace.demoted), "held": dict(trace.held)}
    said["alone"] = {
        name: {"runs": one.runs, "seconds": one.seconds, "nano": one.nano, "wasted_nano": one.wasted_nano}
        for name, one in first.course.alone.items()
    }
    if len(findings) > 1:
        said["policies"] = [
            {"name": one.case.name, "bill": one.bill.to_dict(), **one.outcome.to_dict()} for one in findings
        ]
    if growth is not None:
        said["what_if"] = {
            "dimension": growth.dimension,
            "streams": growth.streams,
            "steps": [
                {
                    "factor": step.factor,
                    "broken": {bound.what: value for bound, value in step.broken},
                    "bill": step.finding.bill.to_dict(),
                    "stream_nano": step.stream_nano,
                }
                for step in growth.steps
            ],
        }
    click.echo(json.dumps(said))


def _say(title: str, finding: Finding, *, several: bool) -> None:
    found, capacity = finding.outcome, finding.case.capacity
    count = sum(group.invocations for group in found.groups)
    where = f"{capacity.cpu:g} cores and {format_size(round(capacity.memory))}"
    if finding.case.plan is not None:
        where = f"up to {finding.bill.peak_hosts} hosts by {finding.case.name}"
    name = f"{title}, {finding.case.name}" if several else title
    click.echo(
        f"{click.style(name, bold=True)}: {counted(count, 'invocation')} on {where}, over after "
        f"{format_duration(found.until_s)}; {finding.bill.utilisation:.0%} of the cores' time was used\n"
    )
    click.echo(_table(found))
    for line in _bill_lines(finding):
        click.echo(line)
    for batch, share in found.displacement:
        (line,) = displacement_lines([asdict(share)])
        click.echo(f"\nfor {batch}: {line}")
    if several:
        click.echo("")


def _bill_lines(finding: Finding) -> list[str]:
    from rushes.core.money import format_dollars  # noqa: PLC0415

    bill, lines = finding.bill, [""]
    if bill.total:
        minute = f"; {format_dollars(bill.minute_nano)} a minute of output" if bill.minute_nano else ""
        lines.append(
            f"cost: {format_dollars(bill.total)}, of it {format_dollars(bill.waste)} for work done again and "
            f"{format_dollars(bill.idle)} idle{minute}"
        )
    drawn = f"; at most {bill.peak_kw:.2g} kW, {bill.kwh:.3g} kWh in all" if bill.peak_kw and bill.kwh else ""
    lines.append(f"headroom: {bill.headroom:.0%} of the cores in the busiest hour{drawn}")
    held = sum(group.held for group in finding.outcome.groups)
    if held:
        why = next(iter(finding.course.trace.held.values()), "")
        lines += wrap(f"{counted(held, 'invocation')} {why}", 98, subsequent_indent="  ")
    trace, targets = finding.course.trace, {one.name: one.target_s for one in finding.case.classes}
    for name, (met, count) in finding.in_time.items():
        within = format_duration(targets[name] or 0.0)
        lines.append(
            f"target of {name}: {met:,} of {counted(count, 'batch', 'batches')} done within {within}"
        )
    if trace.demoted:
        lines.append(f"one class lower: {counted(len(trace.demoted), 'batch', 'batches')} beyond a limit")
    for name, alone in finding.course.alone.items():
        lines.append(
            f"{name}: {counted(alone.runs, 'run')} on machines of their own for "
            f"{format_dollars(alone.nano)}, {format_dollars(alone.wasted_nano)} of it for what was too long"
        )
    if trace.hedged:
        lines.append(f"hedged: {counted(trace.hedged, 'second attempt')} at what crawled")
    if bill.lost:
        lines.append(f"lost: {counted(bill.lost, 'attempt')} ended with their host or device, and ran again")
    return lines


def _say_growth(growth: Growth) -> None:
    from rushes.core.money import format_dollars  # noqa: PLC0415

    rows = [
        [
            f"{growth.dimension} × {step.factor:g}",
            f"{step.finding.bill.headroom:.0%}",
            format_dollars(step.finding.bill.total) if step.finding.bill.total else "–",
            format_dollars(step.stream_nano) if step.stream_nano else "–",
            "; ".join(f"{bound.what}: {bound.shown(value)}" for bound, value in step.broken) or "holds",
        ]
        for step in growth.steps
    ]
    head = ["", "headroom", "cost", "a stream", "what breaks"]
    click.echo("\n" + table(head, rows, right=frozenset({1, 2, 3})))
    first = growth.first
    if first is None:
        click.echo(f"\nnothing breaks up to {growth.steps[-1].factor:g} times that held before")
        return
    before = {bound.what for bound, _ in growth.steps[0].broken}
    bound, value = next((b, v) for b, v in first.broken if b.what not in before)
    click.echo(
        f"\nbreaks first, at {first.factor:g} times: {bound.what}: {bound.shown(value)}, where "
        f"{bound.shown(bound.most)} is the most"
    )


def _table(found: Outcome) -> str:
    head = ["class", "show", "clips", "wait p50", "p99", "done p50", "p90", "p99", "batch"]
    rows = [
        [
            group.priority,
            group.show,
            f"{group.invocations:,}",
            format_duration(group.wait.p50),
            format_duration(group.wait.p99),
            format_duration(group.turnaround.p50),
            format_duration(group.turnaround.p90),
            format_duration(group.turnaround.p99),
            format_duration(group.done_s) if group.done_s else "–",
        ]
        for group in found.groups
    ]
    return table(head, rows, right=frozenset(range(2, len(head))))
