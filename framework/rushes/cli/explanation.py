"""What is known of one invocation, for a person. Pure: what an engine's `explain` says in, lines out.

This module must not print, and must not know how the invocation was named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from rushes.cli.show import counted, fields, one_line
from rushes.cli.values import TABLE, in_short, of_member, text_of
from rushes.core.retry import LOSS_CODES
from rushes.core.states import State
from rushes.invocation import Finished, function_name
from rushes.printing import printable
from rushes.units import format_duration

if TYPE_CHECKING:
    from rushes.function import Function

__all__ = ["end_of", "error_of", "explanation", "state_said", "values"]

_MESSAGE_LINES = 12
"""Of an author's exception, say; its log has all of them."""


def explanation(found: Mapping[str, Any]) -> list[str]:
    """What an engine's `explain` says, for a person."""
    state = str(found["state"])
    error = error_of(found)
    clip = printable(str(found.get("asset") or "no source"))
    lines = [
        f"{found['invocation']}: {state_said(found)}",
        f"  {one_line(function_name(str(found.get('function', ''))))} of {clip}",
        f"  class {found.get('priority', '?')}, show {printable(str(found.get('show', '?')))}",
    ]
    if found.get("parent"):
        lines.append(f"  a part of {printable(str(found['parent']))}")
    if state in {"queued", "held", "paused"} and found.get("reason"):
        lines.append(f"  waits: {printable(str(found['reason']))}")
    lines.append(f"  {_routed(found.get('routed') or {})}")
    lines += [f"  {printable(str(one))}" for one in found.get("hosts") or ()]
    if found.get("next"):
        lines.append(f"  next: {printable(str(found['next']))}")
    if state == "running":
        fraction = found.get("fraction")
        part = f", {fraction:.0%} done" if isinstance(fraction, float) and fraction >= 0 else ""
        lines.append(f"  runs on slot {found.get('slot', '?')}{part}")
        if found.get("reason"):
            lines.append(f"  has lent its slot: {printable(str(found['reason']))}")
    lines += [_parts(one) for one in found.get("parts") or ()]
    history = list(found.get("history") or ())
    # What the last attempt failed of stands below, in full: it is not said twice.
    lines += [_tried(one, told=bool(error) and one is history[-1]) for one in history]
    lost = sum(one.get("outcome") in LOSS_CODES for one in history)
    losses = max(int(found.get("losses") or 0), lost)
    if losses:
        lines.append(
            f"  {losses} of its attempts were lost with their slot or tool: that used up none of its retries"
        )
    if error:
        first, *rest = str(error.get("message", "")).strip().split("\n")[:_MESSAGE_LINES]
        lines.append(f"  {error.get('kind')} · {error.get('code')}: {one_line(first, 2000)}")
        lines += [f"    {one_line(line, 2000)}" for line in rest]
        if error.get("fix"):
            lines.append(f"  next: {printable(str(error['fix']))}")
        verdict = str(error.get("verdict") or "") if error.get("code") in LOSS_CODES else ""
        again = f"{verdict[:1].upper()}{verdict[1:]}: `rushes retry` tries again." if verdict else ""
        which = "time-limit" if error.get("code") == "time-limit" else str(error.get("kind"))
        lines.append(f"  {again or _WHO.get(which, '')}".rstrip())
    end = end_of(found)
    lines += list(_members(end)) or [f"  made {printable(path)}" for path in end.outputs]
    lines += [f"  {click.style('!', fg='yellow')} {one_line(text, 2000)}" for text in end.warnings]
    if found.get("log") or found.get("logs_kept"):
        lines.append(f"  log: rushes logs {found['invocation']}")
    return [line for line in lines if line.strip()]


def _routed(said: Mapping[str, Any]) -> str:
    """Where it was sent, and why, with what was expected of it."""
    if not said.get("reason"):
        return f"for {printable(str(said['tier']))}: nothing like it was seen before" if said else ""
    expected, late, limit = (said.get(name) for name in ("expected_s", "late_s", "limit_s"))
    figures = [
        f"{name} {format_duration(float(value))}"
        for name, value in (("expected", expected), ("at the latest", late), ("limit", limit))
        if value is not None
    ]
    text = f"for {printable(str(said['reason']))}"
    return f"{text.rstrip('.')} ({', '.join(figures)})" if figures else text.rstrip(".")


def end_of(found: Mapping[str, Any]) -> Finished:
    """What `explain` knows of an end, as followers see it; of what has not ended, without a result."""
    row, error = dict(found.get("result") or {}), error_of(found)
    functions = (error.get("details") or {}).get("functions")
    result = {"functions": functions} if functions else row.get("result")
    invocation = str(found["invocation"])
    return Finished(
        0,
        invocation.partition(".")[0],
        invocation,
        str(found.get("asset") or ""),
        function_name(str(found.get("function") or "")),
        State(str(found["state"])),
        tuple(row.get("outputs") or ()),
        result,
        error or None,
        warnings=tuple(row.get("warnings") or ()),
    )


def values(found: Mapping[str, Any], function: Function[Any, Any] | None) -> str:
    """What an invocation returned, as tables; empty where it returned nothing.

    Args:
        found: what `explain` says of it.
        function: whose result it is, or None where that cannot be loaded here.
    """
    end = end_of(found)
    if end.result is None:
        return ""
    if isinstance(end.result, Mapping) and list(end.result.get("notes") or ()) == list(end.warnings):
        end = end._replace(result={k: v for k, v in end.result.items() if k != "notes"})  # said above
    if function is None:
        return fields(end.result)
    return text_of(function, [end], TABLE, files=True).rstrip("\n")


def _members(end: Finished) -> Iterator[str]:
    """How each function ended that ran together with others."""
    for name in (end.result or {}).get("functions", {}) if isinstance(end.result, Mapping) else ():
        own = of_member(end, name)
        if own is None:
            continue
        error = own.error or {}
        said = f"[{error.get('kind')}] {one_line(str(error.get('message', '')))}" if error else in_short(own)
        yield f"  {name}: {own.state.value}{' (known already)' if own.cached else ''}, {printable(said)}"


def error_of(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """What went wrong at last, if it ended badly; else an empty mapping."""
    if found["state"] not in {"failed", "cancelled"}:
        return {}
    row = found.get("result") or {}
    error = row.get("error") or found.get("error")
    if error:
        return dict(error)
    history = [one for one in found.get("history") or () if one.get("error")]
    return dict(history[-1]["error"]) if history else {}


_WHO = {
    "caller": "It is not tried again by itself: the call has to change.",
    "media": "It is not tried again by itself: the media is at fault.",
    "platform": "It was tried as often as its function allows: `rushes retry` tries again.",
    "time-limit": "It is not tried again by itself: it would reach the same limit.",
    "policy": "It was refused on purpose.",
}


def _parts(one: Mapping[str, Any]) -> str:
    made = f"{counted(int(one['invocations']), 'part')} by {printable(str(one['function']))}"
    took = format_duration(float(one["seconds"]))
    return f"  {made}, {took} of slots: rushes results {one['batch']}"


def _tried(one: Mapping[str, Any], *, told: bool) -> str:
    error = one.get("error") or {}
    said = f": {one_line(str(error['message']))}" if error.get("message") and not told else ""
    took = format_duration(float(one.get("seconds") or 0.0))
    where = f" on {printable(str(one['holder']))}" if one.get("holder") else ""
    cost = ""
    if one.get("cost_nano"):
        from rushes.core.money import format_dollars  # noqa: PLC0415 - only where there is a price

        cost = f", for {format_dollars(int(one['cost_nano']))}"
    return f"  attempt {one.get('attempt')}: {one.get('outcome')} after {took}{where}{cost}{said}"


def state_said(found: Mapping[str, Any]) -> str:
    """Where it stands, in a few words."""
    state, attempts = str(found["state"]), int(found.get("attempts") or 0)
    said = {"queued": "waits in its queue", "held": "is held", "running": "runs", "paused": "is paused"}
    text = said.get(state, state)
    if state == "failed" and attempts:
        text += f" after {attempts} attempt{'s' if attempts > 1 else ''}"
    if state == "succeeded" and found.get("seconds"):
        own = " of its own, and its parts" if found.get("parts") else ""
        text += f" in {format_duration(float(found['seconds']))}{own}"
    if found.get("cost_nano"):
        from rushes.core.money import format_dollars  # noqa: PLC0415 - only where there is a price

        text += f", for {format_dollars(int(found['cost_nano']))}"
    return text
