"""Measuring: processes run in turn, round by round, and what is told of them are ratios with their spread.

A machine that others share is now fast and now slow. Methods that take turns see the same weather, so the
ratio of two of them within one round holds where seconds do not. This module must not know what is measured.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

__all__ = [
    "Cost",
    "Failed",
    "Series",
    "clean_environment",
    "cost_of",
    "end_worker",
    "interleave",
    "peak_bytes",
    "ratios",
    "script",
]

HERE = Path(__file__).parent
SAMPLE_EVERY_S = 0.05


class Failed(Exception):  # noqa: N818 - a verdict on a method, raised by name
    """A method did not do what it is measured at: its figure would be false."""


@dataclass(frozen=True, slots=True)
class Series:
    """What the rounds gave, in order; its median, least and most."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        return f"{short(self.median)} [{short(min(self.values))}–{short(max(self.values))}]"


def short(value: float) -> str:
    """Three digits, and no exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}" if value >= 1 else f"{value:.2g}"


def interleave(
    methods: Mapping[str, Callable[[], float]], rounds: int, say: Callable[[str], None] = print
) -> tuple[dict[str, Series], dict[str, str]]:
    """Run every method once a round; gives the series of each, and why a method was left out.

    A method that raises `Failed` is left out from then on, by name and reason: it has no figure at all.
    The order turns by one each round, so that none always follows the same other.
    """
    values: dict[str, list[float]] = {name: [] for name in methods}
    left_out: dict[str, str] = {}
    names = list(methods)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            if name in left_out:
                continue
            try:
                values[name].append(methods[name]())
            except Failed as reason:
                left_out[name] = str(reason)
                say(f"  round {number + 1}: {name}: left out: {reason}")
                continue
            say(f"  round {number + 1}: {name}: {short(values[name][-1])}")
    return {n: Series(tuple(v)) for n, v in values.items() if n not in left_out}, left_out


def ratios(above: Series, below: Series) -> Series:
    """Round by round, `above` over `below`."""
    return Series(tuple(a / b for a, b in zip(above.values, below.values, strict=True)))


# -- processes ----------------------------------------------------------------------------------------------


def clean_environment(**more: str) -> dict[str, str]:
    """This environment, with byte code written and read as an installed program's is."""
    kept = {k: v for k, v in os.environ.items() if k not in {"PYTHONDONTWRITEBYTECODE", "RUSHES_HOME"}}
    return {**kept, **more}


def script(
    name: str, *arguments: object, python: str = sys.executable, timeout_s: float = 1800, **more: str
) -> dict[str, Any]:
    """Run one of the scripts here and give what its last line says.

    Raises:
        Failed: it ended otherwise than with 0, or said nothing.
    """
    argv = [python, str(HERE / name), *map(str, arguments)]
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(argv, env=clean_environment(**more), stdout=pipe, stderr=pipe, text=True)
    except OSError as error:
        raise Failed(str(error)) from error
    try:
        out, err = process.communicate(timeout=timeout_s)
    except BaseException as error:
        process.terminate()  # it ends what it has started, and then itself
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
        if isinstance(error, subprocess.TimeoutExpired):
            raise Failed(f"{name} took more than {timeout_s:.0f} s") from error
        raise
    lines = out.strip().splitlines()
    if process.returncode != 0 or not lines:
        said = (err.strip() or out.strip()).splitlines()
        raise Failed(f"{name} ended with {process.returncode}: {said[-1] if said else 'it said nothing'}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def peak_bytes(pid: int) -> int:
    """The most resident memory that a process has had (Linux), or has now."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return int(psutil.Process(pid).memory_info().rss)


@dataclass(slots=True)
class Cost:
    """What a stretch of work took, the processes that it started included."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int = 0
    _cpu: dict[int, float] = field(default_factory=dict)


class cost_of:  # noqa: N801 - it reads as one: `with cost_of(pids) as cost`
    """Wall-clock, processor time and peak memory of processes and all that they start meanwhile.

    A process that has ended is counted in its parent's `children_user`, once it was waited for; so the sum
    is of the roots, with their children, and of what still runs below them.
    """

    def __init__(self, roots: Sequence[int]) -> None:
        self._roots = list(roots)
        self._cost = Cost()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Cost:
        self._before = self._cpu()
        self._thread.start()
        self._began = time.perf_counter()
        return self._cost

    def __exit__(self, *_: object) -> None:
        self._cost.wall_s = time.perf_counter() - self._began
        self._cost.cpu_s = self._cpu() - self._before
        self._stop.set()
        self._thread.join()

    def _family(self) -> list[psutil.Process]:
        family: dict[int, psutil.Process] = {}
        for pid in self._roots:
            with suppress(psutil.Error):
                root = psutil.Process(pid)
                family[pid] = root
                family.update({child.pid: child for child in root.children(recursive=True)})
        return list(family.values())

    def _cpu(self) -> float:
        total = 0.0
        for process in self._family():
            with suppress(psutil.Error):
                total += sum(process.cpu_times()[:4])
        return total

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_EVERY_S):
            size = 0
            for process in self._family():
                with suppress(psutil.Error):
                    size += process.memory_info().rss
            self._cost.peak_bytes = max(self._cost.peak_bytes, size)


def end_worker(home: Path) -> None:
    """End the worker of a state folder, if one runs."""
    from rushes.engines.local import LocalEngine  # noqa: PLC0415 - the rest of this module needs no engine

    LocalEngine(clean_environment(RUSHES_HOME=str(home))).control("stop")
