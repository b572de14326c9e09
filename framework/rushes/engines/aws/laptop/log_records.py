"""Records of CloudWatch as lines that people read, and which of them are about one attempt. Pure.

What a body prints, and what it and its tools logged, stands in records that name their invocation
(`rushes.engines.aws.called.prints`, `rushes.engines.aws.access.words`). Of Lambda's own words those alone
count that say how a call was ended that ended nothing itself
(https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html). This module must not know
requests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from rushes.engines.aws.access.words import OF_BODY, WORDS
from rushes.units import format_duration

__all__ = ["Asked", "asked_of", "attempt_line", "lambda_line", "part_line"]

LAMBDA: Final = "lambda:"
"""What the name of a holder begins with that is a call of a Lambda; the rest is the id of its request."""
BEFORE_S: Final = 60.0
"""The ledger's clock, and that of who logs, may differ so much."""
AFTER_S: Final = 120.0
_QUIET: Final = frozenset(
    {
        "level",
        "location",
        "message",
        "timestamp",
        "service",
        "request",
        "requestId",
        "logger",
        "sampling_rate",
    }
)
"""Fields of a record that say nothing to who reads its line."""


class Asked(NamedTuple):
    """What is asked of one log about an invocation.

    Args:
        groups: names of logs, of which one is there.
        begins: UTC epoch seconds.
        ends: likewise; None: it goes on.
        requests: ids of calls that ended without a word of their own.
    """

    groups: tuple[str, ...]
    begins: float
    ends: float | None
    requests: tuple[str, ...] = ()


def asked_of(found: Mapping[str, Any], lambdas: Sequence[str], hosts: str) -> list[Asked]:
    """What to ask so as to hear what the attempts of an invocation logged, the earliest first.

    Args:
        found: what is known of it.
        lambdas: the logs of Lambdas that may have worked on it.
        hosts: that of hosts.
    """
    ended = [(str(one.get("holder") or ""), one["ended"] - one["seconds"], one["ended"], one["outcome"])
             for one in found["history"]]  # fmt: skip
    runs = [(str(found["slot"] or ""), found["since"], None, "")] if found["state"] == "running" else []
    asked: dict[tuple[str, ...], Asked] = {}
    for holder, began, end, outcome in (*ended, *runs):
        at_lambda = holder.startswith(LAMBDA)
        groups = tuple(lambdas) if at_lambda else (hosts,)
        mute = at_lambda and outcome not in {"succeeded", "failed", "cancelled"}
        begins, until = (began or 0.0) - BEFORE_S, None if end is None else end + AFTER_S
        before = asked.get(groups)
        asked[groups] = Asked(
            groups,
            begins if before is None else min(before.begins, begins),
            None
            if until is None or (before and before.ends is None)
            else max(until, before.ends or until)
            if before
            else until,
            (*(before.requests if before else ()), *((holder.removeprefix(LAMBDA),) if mute else ())),
        )
    return list(asked.values())


def attempt_line(message: str, invocation: str) -> str:
    """What a record says for an invocation: words of its body or of its tools; "" for any other."""
    record = _record(message)
    if record.get("invocation") != invocation:
        return ""
    if record.get("message") == WORDS and isinstance(record.get("text"), str):
        return str(record["text"])
    if not record.get(OF_BODY):
        return ""
    text = record.get("message")
    return text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)


def lambda_line(message: str, request: str) -> str:
    """How Lambda ended a call that it ended itself: at its time limit, or because its process was gone."""
    record = _record(message)
    inner = record.get("record")
    if record.get("type") != "platform.report" or not isinstance(inner, Mapping):
        return ""
    status = inner.get("status")
    if inner.get("requestId") != request or status in {None, "success"}:
        return ""
    metrics = inner.get("metrics")
    figures = list(_figures(metrics)) if isinstance(metrics, Mapping) else []
    why = f" ({inner['errorType']})" if inner.get("errorType") else ""
    return f"Lambda ended this call: {status}{why}{', ' if figures else ''}{', '.join(figures)}"


def part_line(message: str) -> str:
    """A record of a part of an environment in one line: what happened, and to what."""
    record = _record(message)
    if not record:  # a log in text has lines of Lambda's own, too
        return "" if message.startswith(("START RequestId", "END RequestId")) else message.rstrip("\n")
    if str(record.get("type", "")).startswith("platform."):
        return _platform_line(record)
    if "_aws" in record:  # a metric
        return ""
    text = record.get("message")
    facts = [f"{name}={_short(value)}" for name, value in record.items() if name not in _QUIET and value]
    said = text if isinstance(text, str) else _short(text)
    return "  ".join([said, *facts])


def _platform_line(record: Mapping[str, Any]) -> str:
    inner = record.get("record")
    if record["type"] != "platform.report" or not isinstance(inner, Mapping):
        return ""
    metrics = inner.get("metrics")
    figures = list(_figures(metrics)) if isinstance(metrics, Mapping) else []
    return "  ".join(["call", str(inner.get("status", "")), *figures])


def _figures(metrics: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(took := metrics.get("durationMs"), int | float):
        yield f"after {format_duration(took / 1000)}"
    used, size = metrics.get("maxMemoryUsedMB"), metrics.get("memorySizeMB")
    if used is not None and size is not None:
        yield f"{used} of {size} MB of memory"


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _record(message: str) -> Mapping[str, Any]:
    """A record that is JSON; empty for any other."""
    if not message.startswith("{"):
        return {}
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
