"""Some invocations of a batch end, and the batch goes on; a batch takes more as it comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from rushes import Asset, CallerError
from rushes.core.states import State
from rushes.engines.local import LocalEngine
from rushes.invocation import Finished, Invocation
from rushes.runtime.sending.submission import batch_spec, invocations
from rushes.runtime.shared.hosts.pool_line import PoolLine
from rushes.runtime.sources.inputs import Found

Find = Callable[[str], Any]


def rows(function: Any, clip: str, numbers: Iterable[int], gate: Path) -> list[Invocation]:
    """Invocations that wait for a gate."""
    options = function.options
    found = (Found(Asset(clip), params={"n": n, "gate": str(gate)}) for n in numbers)
    return list(invocations(function, options, function.params(None, n=0, gate=str(gate)), found))


def opened(engine: LocalEngine, function: Any, gate: Path) -> str:
    return engine.open(batch_spec(function, function.options, function.params(None, n=0, gate=str(gate))))


def ends(engine: LocalEngine, batch: str, count: int) -> dict[int, Finished]:
    found: dict[int, Finished] = {}
    seen = 0
    while len(found) < count:
        for one in engine.results(batch, after=seen, wait_s=5):
            found[int(one.invocation.rpartition(".")[2])] = one
            seen = one.seq
    return found


@pytest.mark.parametrize("function", ["linger", "mostly_short"])
def test_what_waits_and_what_runs_of_a_batch_ends_and_the_others_go_on(
    engine: LocalEngine, plain: Find, clip: str, tmp_path: Path, function: str
) -> None:
    gate, its = tmp_path / "gate", plain(function)
    if function == "mostly_short":  # known as short, many of them lie with a slot behind the one that runs
        assert its.starmap([(clip, {"n": n}) for n in range(50)]).wait().counts.succeeded == 50
    batch = opened(engine, its, gate)
    assert engine.submit(batch, rows(its, clip, [1000] * 20, gate)) == 20
    until(lambda: engine.status(batch).counts.running)
    running = [int(one["invocation"].rpartition(".")[2]) for one in engine.status(batch).running][:1]
    gone = [*running, 19, 20]

    engine.withdraw(batch, gone)
    found = ends(engine, batch, 3)
    assert {n for n, one in found.items() if one.state is State.cancelled} == set(gone)

    gate.touch()
    assert engine.submit(batch, rows(its, clip, range(20, 22), gate), after=20) == 22
    found = ends(engine, batch, 22)
    assert {n for n, one in found.items() if one.state is not State.succeeded} == set(gone)
    assert {n: one.result["n"] for n, one in found.items() if n > 20} == {21: 20, 22: 21}
    engine.withdraw(batch, [1, 2])  # they have ended
    engine.seal(batch)
    until(lambda: engine.status(batch).ended is not None)
    engine.withdraw(batch, [1])
    with pytest.raises(CallerError) as caught:
        engine.submit(batch, rows(its, clip, range(1), gate), after=22)
    assert caught.value.code == "not-open"


@pytest.mark.parametrize("numbers", [None, 7, ["1"], [0], [-1], [2**40], [True], {}])
def test_what_is_no_number_of_an_invocation_is_refused(
    engine: LocalEngine, plain: Find, clip: str, tmp_path: Path, numbers: Any
) -> None:
    its = plain("echo")
    batch = its.map([clip], n=1).id
    with pytest.raises(CallerError):
        engine._client.request({"verb": "withdraw", "batch": batch, "numbers": numbers})


def test_threads_that_bring_work_one_by_one_share_a_batch_of_the_pool(
    engine: LocalEngine, plain: Find, clip: str, tmp_path: Path
) -> None:
    its = plain("echo")
    params = its.params(None, n=0)
    line = PoolLine(engine, batch_spec(its, its.options, params))
    found: list[Finished] = []

    def bring(numbers: range) -> None:
        for n in numbers:
            (one,) = invocations(its, its.options, params, [Found(Asset(clip), params={"n": n})])
            found.append(line.run(one, lambda: False))
        engine.close()

    threads = [threading.Thread(target=bring, args=(range(start, start + 25),)) for start in (0, 25, 50, 75)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    line.close()
    assert sorted(one.result["n"] for one in found) == list(range(100))
    (batch,) = engine.batches()
    assert (batch.counts.succeeded, batch.counts.queued) == (100, 0)
