"""Storms: slots and workers are killed at random while work with outputs goes through."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from rushes.engines.local import LocalEngine
from rushes.errors import RushesError

Find = Callable[[str], Any]


def stormy(batch: Any, victims: Callable[[], list[int]], every: int, killed: list[int]) -> Iterator[Any]:
    """The batch's outcomes; one of `victims` is killed -9 after about every so many of them."""
    chance = random.Random(7)  # noqa: S311 - a repeatable storm
    until_next = every // 4
    for outcome in batch:
        until_next -= 1
        if until_next <= 0:
            until_next = chance.randint(every // 2, every + every // 2)
            with suppress(RushesError, ProcessLookupError):
                victim = chance.choice(victims())
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)
        yield outcome


def clips(folder: Path, count: int) -> list[str]:
    paths = [folder / f"clip{n}.bin" for n in range(count)]
    for path in paths:
        path.write_bytes(path.name.encode())
    return [str(path) for path in paths]


def check_outputs(outcomes: Iterator[Any], out: Path, count: int) -> None:
    """Each ended once; each output is whole and is what its result says; nothing else is there."""
    seen: dict[str, str] = {}
    for outcome in outcomes:
        assert outcome.ok, outcome.error
        assert outcome.finished.invocation not in seen
        seen[outcome.finished.invocation] = str(outcome.result.file)
        assert Path(outcome.outputs[0]).read_text() == outcome.result.text
    assert len(seen) == count
    names = {path.name for path in out.iterdir()}
    assert names == {f"{n}.txt" for n in range(count)} | {f"{n}.txt.rushes.json" for n in range(count)}


@pytest.mark.parametrize(("count", "every"), [(800, 200), pytest.param(10_000, 200, marks=pytest.mark.soak)])
def test_killed_slots_lose_and_double_nothing(
    engine: LocalEngine, plain: Find, tmp_path: Path, count: int, every: int
) -> None:
    write = plain("write").with_options(out=str(tmp_path / "out"))
    batch = write.starmap((source, {"n": n}) for n, source in enumerate(clips(tmp_path, count)))

    killed: list[int] = []
    storm = stormy(batch, lambda: [slot["pid"] for slot in engine.pool()["slots"]], every, killed)
    check_outputs(storm, tmp_path / "out", count)
    assert killed


@pytest.mark.parametrize(("count", "every"), [(800, 300), pytest.param(10_000, 500, marks=pytest.mark.soak)])
def test_killed_workers_lose_and_double_nothing(
    engine: LocalEngine, plain: Find, tmp_path: Path, count: int, every: int
) -> None:
    write = plain("write").with_options(out=str(tmp_path / "out"))
    batch = write.starmap((source, {"n": n}) for n, source in enumerate(clips(tmp_path, count)))

    killed: list[int] = []
    storm = stormy(batch, lambda: [engine.pool()["worker"]["pid"]], every, killed)
    check_outputs(storm, tmp_path / "out", count)
    assert killed
    assert orphans() == []


def orphans() -> list[int]:
    """Slots of this test's state folder whose worker is gone."""
    home = os.environ["RUSHES_HOME"]
    found = []
    for process in psutil.process_iter(["cmdline", "ppid", "pid"]):
        words = process.info["cmdline"] or []
        if "rushes.runtime.slots.slot" in words and home in words and process.info["ppid"] == 1:
            found.append(process.info["pid"])
    return found
