"""A real transcode: ours, verification included, beside the very ffmpeg command that it ran, run bare."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from pathlib import Path
from typing import Any

import clips
import measure
from measure import Series
from report import AT_MOST, Goal, Options, Row, Section

_OURS, _BARE = "Rushes", "the same ffmpeg command, run bare"


def run(options: Options) -> Section:
    section = Section(
        f"A transcode: {options.clip_s} s of 1080p25, H.264, preset medium",
        "Submit → published, verified result on a warm pool, against the command of its receipt run alone. "
        "CPU is that of the client, the worker, its slots and all that they start.",
    )
    folder = options.folder / "transcode"
    source = clips.long_clip(options.folder / "clips", options.clip_s)
    found: dict[str, list[dict[str, float]]] = {_OURS: [], _BARE: []}
    argv: list[str] = []

    def ours() -> float:
        said: dict[str, Any] = measure.script("transcode_ours.py", folder, source)
        argv[:] = said.pop("argv")
        found[_OURS].append(said)
        return float(said["wall_s"])

    def bare() -> float:
        if not argv:
            ours()
            found[_OURS].pop()
        said = _bare(argv, folder / "bare")
        found[_BARE].append(said)
        return said["wall_s"]

    series, section.left_out = measure.interleave({_OURS: ours, _BARE: bare}, options.rounds)
    if len(series) < 2:
        return section
    for what, key, most in (("wall-clock", "wall_s", 1.02), ("CPU", "cpu_s", 1.03)):
        mine, other = (Series(tuple(run[key] for run in found[name])) for name in (_OURS, _BARE))
        ratio = measure.ratios(mine, other)
        section.rows.append(Row(f"{_BARE}: {what}", ratio, Goal(AT_MOST, most), mine, other, "s"))
    return section


def _bare(argv: list[str], folder: Path) -> dict[str, float]:
    """Run the command with its output in `folder`; wall-clock and CPU of ffmpeg alone."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / Path(argv[-1]).name
    target.unlink(missing_ok=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        [*argv[:-1], f"file:{target}"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        env=os.environ,
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0 or target.stat().st_size == 0:
        raise measure.Failed(f"{json.dumps(argv)} ended with {done.returncode}: {done.stderr[-300:]!r}")
    return {
        "wall_s": wall,
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    }
