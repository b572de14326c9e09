"""Quotes beside what then happens: 200 encodes of small clips, after others have been learnt from."""

from __future__ import annotations

import measure
from measure import Series
from report import AT_MOST, Goal, Options, Row, Section

_FULL = (400, 200)
_QUICK = (32, 16)
_GOALS = (("median", "median error", 0.10), ("p90", "90th percentile of errors", 0.25))
_HOW = {"wall": "seconds of the ledger", "cpu": "CPU of ffmpeg, by the receipts"}


def run(options: Options) -> Section:
    trained, tested = _FULL if options.clip_s >= 60 else _QUICK
    section = Section(
        f"Quotes against {tested} encodes, after {trained} others",
        "proxy, transcode, thumbnails and ladder in eight ways; cuts of four pieces of footage and two test "
        "pictures, a folder each, of 1.5 to 7 s, 192 to 854 wide, in five codecs. No clip is in both. Each "
        "is quoted alone, before any of them has run; they run one at a time. On a machine that others use, "
        "wall-clock is theirs as much as ours: then look at CPU.",
    )
    home = options.folder / "quote-home"
    try:
        told = measure.script(
            "quote_ours.py", options.folder / "quote", trained, tested, timeout_s=3600, RUSHES_HOME=str(home)
        )
    except measure.Failed as reason:
        section.left_out["all of it"] = str(reason)
        return section
    finally:
        measure.end_worker(home)
    for how, named in _HOW.items():
        says, took = Series((told[how]["says_s"],)), Series((told[how]["took_s"],))
        section.rows += [
            Row(f"{what}, {named}", Series((told[how][key],)), Goal(AT_MOST, goal), says, took, "s in all")
            for key, what, goal in _GOALS
        ]
    by_hand, elsewhere = told["one_ratio"], told["cpu_elsewhere"]
    section.facts += [
        f"One ratio by hand, CPU a megapixel: median {by_hand['median']:.2f}, p90 {by_hand['p90']:.2f}.",
        f"Of folders that nobody has run: CPU, median {elsewhere['median']:.2f}, p90 {elsewhere['p90']:.2f}.",
        f"Within the quoted bounds, which promise 0.9: {told['inside']:.2f} of the encodes, by wall-clock.",
    ]
    return section
