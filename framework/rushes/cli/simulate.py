"""`simulate`: what becomes of a load on a pool of some size, on a virtual clock.

This module must not know how the pool is simulated.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rushes.errors import CallerError
from rushes.units import parse_duration

if TYPE_CHECKING:
    from rushes.simulator.load import Scenario
    from rushes.simulator.study import Finding, Growth

__all__ = ["simulate"]

_SCENARIOS = ("quiet-day", "turnover", "many-shows", "viral-spike", "spot-reclaim", "device-loss")
_WHAT_IF = re.compile(r"(streams|duration|codecs|regions)\s*[*×x]\s*([0-9.]+)")
_DAY_S = 86_400.0
_MOST_CORES = 1e6
_MOST_TIMES = 1e4
"""What is imagined is played invocation by invocation: what is beyond these is a slip of the finger."""


class Finite(click.FloatRange):
    """A number that can be counted with: click lets nan pass any bounds, for it compares with nothing."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value!r} is no number that can be counted with.", param, ctx)
        return number


class _Days(click.ParamType[float]):
    """A length of time in days: ``7``, ``7d``, ``12h``."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        try:
            seconds = parse_duration(f"{text}d" if text[-1:].isdecimal() else text)
        except CallerError as error:
            self.fail(error.message, param, ctx)
        return seconds / _DAY_S


@click.command()
@click.argument("scenario", type=click.Choice(_SCENARIOS), required=False)
@click.option(
    "--cores", type=Finite(min=0.1, max=_MOST_CORES), help="[default: 32; with --replay, this machine's]"
)
@click.option("--memory", help="[default: 128GiB; with --replay, this machine's]")
@click.option(
    "--devices", type=Finite(min=0.0, max=_MOST_CORES), help="[default: 4; with --replay, this machine's]"
)
@click.option(
    "--policy",
    "policies",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help="A capacity file: the pool grows and shrinks by it. Several stand side by side.",
)
@click.option("--tier", help="What a pool of one size is made of: an entry of the price book.")
@click.option("--replay", is_flag=True, help="What has run here, from the ledger, instead of a scenario.")
@click.option("--since", metavar="7d", type=_Days(), help="Of the ledger, what ran in so long; 7 is days.")
@click.option("--what-if", "what_if", metavar="DIM*N", help="What breaks first as streams, … grow.")
@click.option(
    "--scale",
    type=Finite(min=0.0, min_open=True, max=_MOST_TIMES),
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
        USUAL_TIER,
        cases_of,
        charged_here,
        growth_of,
        limited,
        made_up,
        replayed_here,
        size_of,
    )
    from rushes.cli.simulated_text import answer_lines  # noqa: PLC0415 - as above
    from rushes.simulator.assumptions import assumptions_of  # noqa: PLC0415 - as above
    from rushes.simulator.study import tried  # noqa: PLC0415 - as above

    if (scenario is None) is not replay:
        raise click.UsageError(f"name one scenario ({', '.join(_SCENARIOS)}), or --replay what has run.")
    if since is not None and not replay:
        raise click.UsageError("--since is for --replay: of the ledger, so many of the last days.")
    sizes = {"--cores": cores, "--memory": memory, "--devices": devices, "--tier": tier}
    named = [name for name, value in sizes.items() if value is not None]
    if policies and named:
        raise click.UsageError(
            f"{named[0]} is of a pool of one size: with --policy the file says what hosts have, and how many "
            "there may be."
        )
    dimension, factor = _asked(what_if, replay=replay)
    load = replayed_here(since) if scenario is None else made_up(scenario, scale, seed)
    load = limited(load, cap, soft)
    whole = size_of(cores, memory, devices, replay=replay)
    # A cap is of money: where nobody says what a core costs, it costs as usual, and the answer says so.
    usual = charged_here() if replay else USUAL_TIER
    cases = cases_of(policies, whole, tier or (usual if load.limits else None))
    findings = [tried(load, case, seed) for case in cases]
    growth = growth_of(scenario or "", dimension, factor, scale, cases[0], seed, load) if dimension else None
    title = scenario or "what has run here"
    assumed = assumptions_of(load, findings, growth)
    if report is not None:
        _write(report, title, load, findings, growth)
    if as_json:
        _say_json(title, None if policies else whole.cpu, findings, growth, assumed)
        return
    for line in answer_lines(title, findings, growth, assumed):
        click.echo(line)
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
    if found is None or not 1 < factor <= _MOST_TIMES:
        raise click.BadParameter(
            f"{what_if!r} is not streams, duration, codecs or regions times a number above 1, "
            f"{_MOST_TIMES:,.0f} at most: write --what-if 'streams*2'.",
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


def _say_json(
    title: str,
    cores: float | None,
    findings: Sequence[Finding],
    growth: Growth | None,
    assumed: Sequence[str],
) -> None:
    first = findings[0]
    said: dict[str, Any] = {"schema": 1, "scenario": title, "cores": cores, **first.outcome.to_dict()}
    said["bill"] = first.bill.to_dict()
    said["assumed"] = list(assumed)
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
