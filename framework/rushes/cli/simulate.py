"""`simulate`: what becomes of a load on a pool of some size, on a virtual clock.

This module must not know how the pool is simulated.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rushes.cli.show import counted, displacement_lines, table
from rushes.units import format_duration, format_size, parse_size

if TYPE_CHECKING:
    from rushes.simulator.outcome import Outcome

__all__ = ["simulate"]

_SCENARIOS = ("quiet-day", "turnover", "many-shows")


@click.command()
@click.argument("scenario", type=click.Choice(_SCENARIOS))
@click.option("--cores", type=click.FloatRange(min=0.1), default=32.0, show_default=True)
@click.option("--memory", default="128GiB", show_default=True)
@click.option(
    "--scale",
    type=click.FloatRange(min=0.0, min_open=True),
    default=1.0,
    show_default=True,
    help="How much arrives, as a multiple.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the run times.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def simulate(*, scenario: str, cores: float, memory: str, scale: float, seed: int, as_json: bool) -> None:
    """Say what becomes of a load on a pool of some size.

    The scheduler is the one that runs the real pool; the clock is virtual, and a day takes a moment.
    """
    from rushes.core.events import Capacity  # noqa: PLC0415 - only when something is simulated
    from rushes.simulator.outcome import outcome_of  # noqa: PLC0415
    from rushes.simulator.pool import simulate as run  # noqa: PLC0415
    from rushes.simulator.scenarios import SCENARIOS  # noqa: PLC0415

    bytes_ = parse_size(memory)
    load = SCENARIOS[scenario](scale, seed)
    found = outcome_of(run(load, Capacity(cpu=cores, memory=float(bytes_)), seed=seed))
    if as_json:
        click.echo(json.dumps({"schema": 1, "scenario": scenario, "cores": cores, **found.to_dict()}))
        return
    count = sum(group.invocations for group in found.groups)
    click.echo(
        f"{click.style(scenario, bold=True)}: {counted(count, 'invocation')} on {cores:g} cores and "
        f"{format_size(bytes_)}, over after {format_duration(found.until_s)}; "
        f"{found.utilisation:.0%} of the cores' time was used\n"
    )
    click.echo(_table(found))
    for batch, share in found.displacement:
        (line,) = displacement_lines([asdict(share)])
        click.echo(f"\nfor {batch}: {line}")
    click.echo("\nwait: until it starts; done: from submission until it has ended, clip and whole batch")


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
            format_duration(group.done_s),
        ]
        for group in found.groups
    ]
    return table(head, rows, right=frozenset(range(2, len(head))))
