"""Start-up: what a person waits for before anything happens, against the imports that cannot be avoided."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import clips
import measure
from measure import Series
from report import AT_MOST, Goal, Options, Row, Section

_EACH = 7
"""Runs of a method in a round; the median of them is the round's figure."""
_IMPORTS = "`python -c 'import pydantic, click'`"
_HELP = "`rushes --help`"
_INSPECT = "`rushes run inspect one.mp4`"


def run(options: Options) -> Section:
    section = Section(
        "Start-up of the command line",
        f"Whole processes, byte code and page cache warm; {_INSPECT} on a warm worker, each time a file that "
        f"it has not seen. In milliseconds; the median of {_EACH} runs is a round's figure.",
    )
    home = options.folder / "startup"
    home.mkdir(parents=True, exist_ok=True)
    environment = measure.clean_environment(RUSHES_HOME=str(home / "state"), RUSHES_CPU="2")
    program = str(Path(sys.executable).parent / "rushes")
    source = clips.one_clip(options.folder / "clips")
    copies = 0

    def fresh() -> str:
        nonlocal copies
        copies += 1
        target = home / "one.mp4"
        shutil.copyfile(source, target)
        os.utime(target, ns=(copies, copies * 1_000_003))
        return str(target)

    def median_ms(argv: Callable[[], Sequence[str]]) -> Callable[[], float]:
        def measured() -> float:
            return 1000 * sorted(_timed(list(argv()), environment) for _ in range(_EACH))[_EACH // 2]

        return measured

    inspect = [program, "run", "inspect"]
    try:
        for _ in range(3):  # the worker, its slots, all byte code
            _timed([*inspect, fresh()], environment)
            _timed([program, "--help"], environment)
        series, section.left_out = measure.interleave(
            {
                _IMPORTS: median_ms(lambda: [sys.executable, "-c", "import pydantic, click"]),
                _HELP: median_ms(lambda: [program, "--help"]),
                _INSPECT: median_ms(lambda: [*inspect, fresh()]),
            },
            options.rounds,
        )
    except measure.Failed as reason:
        section.left_out["all"] = str(reason)
        return section
    finally:
        measure.end_worker(home / "state")
    below = series[_IMPORTS]
    for name, most in ((_HELP, 2.0), (_INSPECT, 3.0)):
        if name in series:
            ours: Series = series[name]
            ratio = measure.ratios(ours, below)
            section.rows.append(
                Row(f"{name} against {_IMPORTS}", ratio, Goal(AT_MOST, most), ours, below, "ms")
            )
    return section


def _timed(argv: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0 or (argv[1] != "-c" and not done.stdout.strip()):
        raise measure.Failed(f"{argv[-2:]} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return seconds
