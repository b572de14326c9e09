"""The digital twin held against the pool that it stands for: one run, recorded and replayed."""

from __future__ import annotations

from typing import Any

import clips
import measure
from measure import Series
from report import AT_MOST, Goal, Options, Row, Section

_COUNT = 80
_CLIP_S = 3


def run(options: Options) -> Section:
    section = Section(
        f"The digital twin: {_COUNT} real encodes, and the same run replayed from the ledger",
        "`transcode` of one clip in three classes, with an urgent burst, on a pool of two encodes at once. "
        "The ratio is how far the replay is from the real turnaround, as a share of it.",
    )
    clip = clips.long_clip(options.folder / "clips", _CLIP_S)
    found: list[dict[str, dict[str, float]]] = []

    def run_once() -> float:
        said: dict[str, Any] = measure.script("twin_ours.py", options.folder / "twin", clip, _COUNT)
        found.append(said)
        return max(abs(_off(of, percent)) for of in said.values() for percent in (50, 90))

    _, section.left_out = measure.interleave({"the twin": run_once}, min(options.rounds, 2))
    for name in found[0] if found else ():
        for percent in (50, 90):
            twin, real = (
                Series(tuple(run[name][f"{what}_{percent}"] for run in found)) for what in ("twin", "real")
            )
            off = Series(tuple(abs(_off(run[name], percent)) for run in found))
            section.rows.append(
                Row(f"{name}, p{percent}: the real pool", off, Goal(AT_MOST, 0.15), twin, real, "s")
            )
    return section


def _off(of: dict[str, float], percent: int) -> float:
    return of[f"twin_{percent}"] / of[f"real_{percent}"] - 1
