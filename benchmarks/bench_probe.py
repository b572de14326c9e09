"""Probing a host without devices: what the first `rushes encoders` costs, and each later one, in encodes."""

from __future__ import annotations

import statistics

import measure
from measure import Series
from report import AT_MOST, Goal, Options, Row, Section

_EACH = 5
"""Processes in a round; the medians of what they measured are the round's figures."""
_MEASURED = ("cold", "cached", "encode")
_ENCODE = "a one-frame encode with libx264"


def run(options: Options) -> Section:
    section = Section(
        "Probing what encodes on a host without devices",
        "Every software encoder at 8 and at 10 bits, a real frame each, in a fresh process; the same asked "
        f"again, answered from the cache; and {_ENCODE}, supervised and boxed alike. In milliseconds; "
        f"the median of {_EACH} processes is a round's figure.",
    )
    rounds: list[dict[str, float]] = []
    try:
        for number in range(options.rounds):
            found = [measure.script("probe_ours.py", options.folder / "probe") for _ in range(_EACH)]
            rounds.append({name: statistics.median(one[name] for one in found) for name in found[0]})
            said = ", ".join(f"{name} {rounds[-1][f'{name}_s'] * 1000:.3g} ms" for name in _MEASURED)
            print(f"  round {number + 1}: {said}")
    except measure.Failed as reason:
        section.left_out["all"] = str(reason)
        return section
    cold, cached, encode = (_ms(rounds, name) for name in _MEASURED)
    section.rows = [
        Row(f"cold, against {_ENCODE}", measure.ratios(cold, encode), Goal(AT_MOST, 5.0), cold, encode, "ms"),
        Row("cached, against cold", measure.ratios(cached, cold), Goal(AT_MOST, 0.1), cached, cold, "ms"),
    ]
    section.facts.append(f"The cold probe tried {rounds[0]['encoders']:.0f} encoders, all of which worked.")
    return section


def _ms(rounds: list[dict[str, float]], name: str) -> Series:
    return Series(tuple(1000 * one[f"{name}_s"] for one in rounds))
