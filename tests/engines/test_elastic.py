"""A real pool that grows and shrinks: what runs is never stopped, what waits starts when there is room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from rushes.engines.local import LocalEngine

Find = Callable[[str], Any]


def _lingering(plain: Find, clip: str, folder: Path, count: int) -> Any:
    return plain("linger").starmap((clip, {"n": n, "gate": str(folder / f"gate{n}")}) for n in range(count))


def _running(engine: LocalEngine, batch: str) -> set[int]:
    return {int(one["invocation"].rpartition(".")[2]) for one in engine.status(batch).running}


def test_a_pool_that_shrinks_lets_what_runs_end_and_starts_the_rest_in_what_is_left(
    engine: LocalEngine, plain: Find, clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_CPU", "4")
    wide = LocalEngine()
    batch = _lingering(plain, clip, tmp_path, 6)
    until(lambda: len(_running(wide, batch.id)) == 4)

    wide.control("resize", slots=1)
    first = _running(wide, batch.id)
    for n in sorted(first)[:3]:
        (tmp_path / f"gate{n - 1}").touch()
    until(lambda: wide.status(batch.id).counts.succeeded == 3)
    assert _running(wide, batch.id) == {max(first)}

    wide.control("resize", slots=0)
    assert wide.status(batch.id).standstill == "the pool has no cores at the moment; `rushes pool` says why"
    wide.control("resize", slots=1)

    for n in range(6):
        (tmp_path / f"gate{n}").touch()
    assert sum(outcome.ok for outcome in batch) == 6
    wide.close()


def test_a_pool_grows_with_its_work_and_shrinks_when_there_is_none(
    engine: LocalEngine, plain: Find, clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "capacity.yaml"
    file.write_text(
        "tiers: {here: {cpu: 1, memory: 1GiB, purchase: owned, region: here}}\n"
        "fleets: {here: {minimum: 1, maximum: 3, idle: 1s, calm: 0s, steps: [{from: 1, hosts: 3}]}}\n"
    )
    monkeypatch.setenv("RUSHES_CPU", "4")
    monkeypatch.setenv("RUSHES_CAPACITY", str(file))
    grown = LocalEngine()
    batch = _lingering(plain, clip, tmp_path, 5)

    until(lambda: len(_running(grown, batch.id)) == 3)
    for n in range(5):
        (tmp_path / f"gate{n}").touch()
    assert sum(outcome.ok for outcome in batch) == 5
    until(lambda: grown.pool()["capacity"]["cpu"] == 1.0)

    (tier,) = grown.pool()["elastic"]["tiers"]
    assert (tier["hosts"], tier["least"], tier["most"]) == (1, 1, 3)
    grown.close()
