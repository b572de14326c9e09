"""Slots that die, hang or outgrow their memory; workers that die: only the attempt at fault is affected."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import until

from rushes import PlatformError
from rushes.engines.local import LocalEngine
from rushes.invocation import OWNER

Find = Callable[[str], Any]


def running(engine: LocalEngine) -> list[Any]:
    return [slot for slot in engine.pool()["slots"] if slot["running"]]


def test_a_poison_clip_is_set_aside_after_three_slots_and_the_others_are_unaffected(
    plain: Find, clip: str
) -> None:
    batch = plain("poison").starmap((clip, {"n": n}) for n in range(40))
    outcomes = {int(o.finished.invocation.split(".")[1]) - 1: o for o in batch}

    assert [n for n, o in outcomes.items() if not o.ok] == [5]
    error = outcomes[5].error or {}
    assert outcomes[5].finished.attempts == 3
    assert "SIGKILL" in error["message"]
    assert "set aside" in error["verdict"]


def test_what_is_set_aside_or_cancelled_leaves_no_scratch_behind(
    engine: LocalEngine, plain: Find, clip: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (outcome,) = plain("poison_writing").with_options(out=str(out)).map([clip])
    assert "set aside" in (outcome.error or {})["verdict"]
    until(lambda: not list(out.iterdir()))

    batch = plain("linger_writing").with_options(out=str(out)).map([clip], gate=str(tmp_path / "never"))
    until(lambda: list(out.rglob("*.txt")))
    os.kill(engine.pool()["worker"]["pid"], signal.SIGKILL)
    batch.cancel()

    assert [o.ok for o in batch] == [False]
    until(lambda: not list(out.iterdir()))


def test_attempts_without_outputs_leave_no_scratch_behind_either_when_their_slot_or_worker_is_killed(
    engine: LocalEngine, plain: Find, clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, gate = tmp_path / "temporary", tmp_path / "gate"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    assert not next(iter(plain("poison_scratch").map([clip]))).ok
    until(lambda: not list(temporary.iterdir()))

    batch = plain("linger_scratch").map([clip], gate=str(gate))
    until(lambda: list(temporary.rglob("half")))
    os.kill(engine.pool()["worker"]["pid"], signal.SIGKILL)
    gate.write_text("")

    assert [o.ok for o in batch] == [True]
    until(lambda: not list(temporary.iterdir()))


def test_an_attempt_that_outgrows_its_memory_is_stopped_and_says_so(plain: Find, clip: str) -> None:
    with pytest.raises(PlatformError, match=r"grew to .* MiB; its function declares 150"):
        plain("greedy").remote(clip)


def test_an_attempt_without_progress_is_stopped_and_says_so(
    plain: Find, clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = next(iter(plain("stuck").map([clip])))

    assert (outcome.error or {})["code"] == "slot-killed"
    assert "made no progress" in (outcome.error or {})["message"]


def test_a_killed_slot_loses_only_what_it_ran(
    engine: LocalEngine, plain: Find, clip: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    batch = plain("linger").starmap((clip, {"n": n, "gate": str(gate)}) for n in range(3))
    begun = until(lambda: [r for r in batch.progress.running if r["fraction"] > 0])[0]["invocation"]
    victim = next(slot for slot in running(engine) if slot["running"] == begun)
    os.kill(victim["pid"], signal.SIGKILL)
    gate.write_text("")

    attempts = sorted(outcome.finished.attempts for outcome in batch)
    assert batch.progress.counts.succeeded == 3
    assert attempts == [1, 1, 2]


def test_a_killed_worker_keeps_what_ended_of_a_hosts_work_though_nobody_waited_for_the_disk(
    engine: LocalEngine, plain: Find, clip: str, tmp_path: Path
) -> None:
    function = copy(plain("echo"))
    function.options = replace(function.options, tags={OWNER: str(tmp_path / "host")})
    batch = function.starmap((clip, {"n": n}) for n in range(50))
    assert len(list(batch)) == 50
    os.kill(engine.pool()["worker"]["pid"], signal.SIGKILL)

    assert sorted(o.result.n for o in batch) == list(range(50))
    assert engine.status(batch.id).counts.succeeded == 50


def test_a_killed_worker_takes_its_slots_along_and_the_next_client_carries_on(
    engine: LocalEngine, plain: Find, clip: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    batch = plain("linger").starmap((clip, {"n": n, "gate": str(gate)}) for n in range(5))
    slots = [slot["pid"] for slot in until(lambda: running(engine))]
    os.kill(engine.pool()["worker"]["pid"], signal.SIGKILL)
    until(lambda: not any(psutil.pid_exists(pid) for pid in slots))
    gate.write_text("")

    assert sorted(outcome.result.n for outcome in batch) == [0, 1, 2, 3, 4]
    assert {outcome.finished.attempts for outcome in batch} == {1}


def test_a_slot_is_the_submitter(
    engine: LocalEngine, plain: Find, clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_TEST_MARK", "first")
    first = plain("echo").remote(clip, n=1)
    monkeypatch.setenv("RUSHES_TEST_MARK", "second")
    second = plain("echo").remote(clip, n=2)

    assert (first.seen, second.seen) == ("first", "second")
    assert first.pid != second.pid


def test_a_slot_stays_warm_for_the_next_batch(plain: Find, clip: str) -> None:
    first = plain("echo").remote(clip, n=1)
    second = plain("echo").remote(clip, n=2)

    assert first.pid == second.pid


def test_work_whose_interpreter_is_gone_fails_and_says_so(
    engine: LocalEngine, plain: Find, clip: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "venv" / "python"
    engine.pool()
    monkeypatch.setattr("sys.executable", str(gone))
    outcome = next(iter(plain("echo").map([clip], n=1)))

    assert (outcome.error or {})["code"] == "slot-start"
    assert str(gone) in (outcome.error or {})["message"]


def test_an_urgent_batch_goes_before_a_standard_one_that_waits(
    engine: LocalEngine, plain: Find, clip: str, tmp_path: Path
) -> None:
    # One of the two slots is kept busy to the end: what the other does, it does in order.
    gate, last_gate = tmp_path / "gate", tmp_path / "last gate"
    keeper = plain("linger").map([clip], n=100, gate=str(last_gate))
    until(lambda: running(engine))
    blocker = plain("linger").starmap((clip, {"n": n, "gate": str(gate)}) for n in range(8))
    until(lambda: len(running(engine)) == 2)
    standard = plain("echo").starmap((clip, {"n": n}) for n in range(200))
    urgent = plain("echo").with_options(priority="urgent").starmap((clip, {"n": -n}) for n in range(1, 50))
    gate.write_text("")
    for batch in (blocker, standard, urgent):
        batch.wait()
    last_gate.write_text("")
    keeper.wait()

    assert (urgent.progress.ended or 0.0) <= (standard.progress.ended or 0.0)


def test_a_paused_pool_starts_nothing_and_goes_on_when_it_is_resumed(
    engine: LocalEngine, plain: Find, clip: str
) -> None:
    plain("echo").remote(clip, n=0)
    engine.control("pause")
    batch = plain("echo").map([clip], n=1)
    assert engine.results(batch.id, wait_s=0.3) == []
    assert engine.pool()["paused"]
    assert "rushes resume" in batch.progress.standstill
    engine.control("resume")

    assert next(iter(batch)).result.n == 1


def test_a_drained_worker_finishes_what_runs_and_ends(
    engine: LocalEngine, plain: Find, clip: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    batch = plain("linger").starmap((clip, {"n": n, "gate": str(gate)}) for n in range(9))
    until(lambda: running(engine))
    engine.control("drain")
    assert "draining: what runs ends" in batch.progress.standstill
    assert "draining" in engine.explain(f"{batch.id}.9")["reason"]
    engine.control("resume")
    assert not batch.progress.standstill
    engine.control("drain")
    gate.write_text("")
    until(lambda: not engine.running())

    assert 0 < sum(1 for o in batch if o.finished.attempts == 1) <= 9
    assert batch.progress.counts.succeeded == 9


def test_a_folder_that_is_removed_under_an_attempt_is_not_blamed_on_its_function(
    plain: Find, clip: str, tmp_path: Path
) -> None:
    (outcome,) = plain("robbed").with_options(out=str(tmp_path / "out")).map([clip])

    error = outcome.error or {}
    assert (error["kind"], error["code"]) == ("platform", "io-error")
    assert "was removed while it was worked in" in error["message"]


def test_a_tool_that_somebody_else_kills_uses_up_no_retry_of_the_function(plain: Find, clip: str) -> None:
    (outcome,) = plain("killed_once").map([clip])

    assert outcome.result.n == 2


def test_a_source_that_is_overwritten_is_told_at_once_and_not_what_that_led_to(
    plain: Find, tmp_path: Path
) -> None:
    clip = tmp_path / "own.bin"
    clip.write_bytes(b"as it was")

    (outcome,) = plain("misled").with_options(out=str(tmp_path / "out")).map([clip])

    error = outcome.error or {}
    assert (error["kind"], error["code"]) == ("media", "source-changed")
    assert outcome.finished.attempts == 1
