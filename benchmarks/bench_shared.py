"""Shared queues: small invocations over two hosts beside the server's ceiling; how soon a busy host hears."""

from __future__ import annotations

import json
import statistics

import measure
from measure import Series
from report import AT_LEAST, AT_MOST, Goal, Options, Row, Section

_WIDTH = 4
_THREADS = 2 * _WIDTH
"""As a host has while work is short: twice its width."""
_REACTIONS = 2
_PHASES = (0.0, 0.25, 0.5, 0.75)
_ABOUT = {
    "dynamodb:TransactWriteItems": 0.9,
    "dynamodb:Query": 0.01,
    "dynamodb:Query:index": 0.03,
    "dynamodb:BatchGetItem": 0.03,
}
_OURS = "Rushes"
_BARE = "the same requests by two processes of the bare SDK"
_POLL = "one long poll of the bare SDK + a displacement of the embedded engine"


def run(options: Options) -> Section:
    section = Section(
        f"Shared queues: {options.count:,} small invocations over two hosts",
        "A local server of AWS's interfaces (ministack) with ledger, queues and the clip; from the first "
        "request of the submission to the last result read, each result's value checked. The other side "
        "sends as many of the same requests, as large, from two processes with as many threads as a host has "
        "while work is short, twice its width, and does nothing else.",
    )
    requests: list[dict[str, float]] = []
    cpu: dict[str, list[float]] = {_OURS: [], _BARE: []}

    def ours() -> float:
        said = measure.script("shared_ours.py", "many", options.count, _WIDTH)
        requests.append(said["requests"])
        cpu[_OURS].append(said["cpu_ms"])
        return float(said["rate"])

    def bare() -> float:
        # As ours were, in the round before or, first of all, about: how often it was asked how far it is, and
        # in how many requests invocations ended.
        as_ours = json.dumps((requests or [_ABOUT])[-1])
        said = measure.script("shared_bare.py", options.count, _THREADS, as_ours)
        cpu[_BARE].append(said["cpu_ms"])
        return float(said["rate"])

    series, section.left_out = measure.interleave({_OURS: ours, _BARE: bare}, options.rounds)
    if len(series) == 2:
        mine, other = series[_OURS], series[_BARE]
        goal = Goal(AT_LEAST, 0.7)
        section.rows.append(Row(_BARE, measure.ratios(mine, other), goal, mine, other, "inv/s"))
        mine, other = (Series(tuple(cpu[name])) for name in (_OURS, _BARE))
        what = "the same: processor time of all processes, the server's among it"
        section.rows.append(Row(what, measure.ratios(mine, other), None, mine, other, "ms/inv"))
    if requests:
        _requests(section, requests)
    _reaction(section, options)
    return section


def _requests(section: Section, requests: list[dict[str, float]]) -> None:
    for service, most in (("sqs", 0.5), ("dynamodb", 3.0)):
        each = Series(
            tuple(sum(n for name, n in one.items() if name.startswith(service)) for one in requests)
        )
        allowed = Series((most,) * len(requests))
        ratio = measure.ratios(each, allowed)
        what = f"requests of {service.upper()} an invocation, beside {most:g}"
        section.rows.append(Row(what, ratio, Goal(AT_MOST, 1.0), each, allowed, "requests"))


def _reaction(section: Section, options: Options) -> None:
    """How soon an urgent message begins on a host that is busy, beside what it cannot do without."""

    def mean(what: str) -> float:
        found: list[float] = []
        for phase in _PHASES:
            found += measure.script("shared_ours.py", what, _REACTIONS, phase)["seconds"]
        return 1000.0 * statistics.fmean(found)

    def without() -> float:
        return mean("poll") + mean("displaced")

    series, left_out = measure.interleave({_OURS: lambda: mean("urgent"), _POLL: without}, options.rounds)
    section.left_out.update({f"reaction: {name}": why for name, why in left_out.items()})
    if len(series) == 2:
        mine, other = series[_OURS], series[_POLL]
        row = Row(
            f"a busy host's reaction: {_POLL}",
            measure.ratios(mine, other),
            Goal(AT_MOST, 1.0),
            mine,
            other,
            "ms",
        )
        section.rows.append(row)
