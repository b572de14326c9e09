"""A batch beside what was quoted for it before it was sent.

This module must not know how a quote is worked out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from rushes.core.money import format_dollars
from rushes.invocation import BatchStatus
from rushes.units import format_duration

__all__ = ["quoted_lines"]


def quoted_lines(found: BatchStatus) -> Iterator[str]:
    """What was quoted and what came of it, in a line each; nothing where nobody asked for a quote."""
    if found.quote is None:
        return
    quoted = found.quote
    priced = quoted["cost_usd"]["high"] > 0
    cost = f", {_span(quoted['cost_usd'], _dollars)}" if priced else ""
    seconds, work_s = (_span(quoted[name], format_duration) for name in ("seconds", "work_s"))
    yield f"quoted {seconds}, {work_s} of slots{cost}"
    if found.ended is not None:
        cost = f", {_dollars(found.spent.usd)}" if priced else ""
        elapsed = format_duration(found.ended - found.submitted)
        yield f"took   {elapsed}, {format_duration(found.seconds)} of slots{cost}"


def _span(bounds: Mapping[str, float], shown: Callable[[float], str]) -> str:
    low, likely, high = (shown(bounds[name]) for name in ("low", "likely", "high"))
    return f"{likely} ({low} to {high})"


def _dollars(amount: float) -> str:
    return format_dollars(round(amount * 1e9))
