"""What stands behind the figures of a simulation, a sentence each: no answer is shown without it.

Pure. This module must not know how anything is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rushes.core.money import format_dollars
from rushes.simulator.load import Loss, Scenario
from rushes.simulator.study import Finding, Growth

__all__ = ["assumptions_of"]


def assumptions_of(
    scenario: Scenario, findings: Sequence[Finding], growth: Growth | None = None
) -> list[str]:
    """All that is assumed: of the load, of what befalls the pool, of machines and money."""
    said = [*scenario.assumed, *(growth.assumed if growth else ())]
    said += [_loss(one) for one in scenario.losses]
    said += _machines(findings)
    fillers = dict.fromkeys(one.case.filler for one in findings if one.case.filler)
    said += [f"Headroom: what {name} work holds counts as free, for it gives way." for name in fillers]
    said.append("Invocations that run side by side do not slow each other down, and transfers take no time.")
    if any(finding.case.plan is not None for finding in findings):
        said.append(
            "All hosts are one pool: work is packed over their sum. An order of hosts is filled after the "
            "start-up time of their tier, always."
        )
    if not any(finding.bill.total for finding in findings):
        said.append("Nothing costs money here: no tier with a price was named.")
    return list(dict.fromkeys(said))


def _loss(loss: Loss) -> str:
    what = " and ".join(
        f"{share:.0%} of {of}"
        for share, of in ((loss.share, "cores, memory and scratch"), (loss.gpu, "the devices"))
        if share
    )
    return f"From {_clock(loss.at)} to {_clock(loss.until)} {what} are gone: {loss.why}."


def _machines(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        machines = finding.case.machines
        if machines is not None:
            hourly = format_dollars(machines.price.hour_nano)
            yield (
                f"{finding.case.capacity.cpu:g} cores are {machines.count:g} × {machines.price.name}, "
                f"{hourly} an hour each, and are paid for until all is done."
            )


def _clock(at_s: float) -> str:
    minutes = round(at_s / 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
