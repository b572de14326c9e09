"""A batch beside what was quoted for it before it was sent.

This module must not know how a quote is worked out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rushes.invocation import BatchStatus
from rushes.units import format_duration

__all__ = ["quoted_lines"]


def quoted_lines(found: BatchStatus) -> Iterator[str]:
    """What was quoted and what came of it, in a line each; nothing where nobody asked for a quote."""
    if found.quote is None:
        return
    quoted = found.quote
    yield f"quoted {_span(quoted['seconds'])}; {_span(quoted['work_s'])} of slots"
    if found.ended is not None:
        elapsed = format_duration(found.ended - found.submitted)
        yield f"took   {elapsed}; {format_duration(found.seconds)} of slots"


def _span(bounds: Mapping[str, float]) -> str:
    low, likely, high = (format_duration(bounds[name]) for name in ("low", "likely", "high"))
    return f"{likely} ({low} to {high})"
