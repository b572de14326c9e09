"""Bodies that fork, print, close what they were given or leave processes behind: one clear end each."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import until

from rushes import catalog
from rushes.engines.local import LocalEngine

HERE = Path(__file__).parent


@pytest.fixture
def rough(engine: LocalEngine) -> Any:
    return catalog.find(f"{HERE / 'bodies.py'}:rough")


def only(batch: Any) -> Any:
    """The one outcome of a batch."""
    (outcome,) = batch
    return outcome


@pytest.mark.parametrize("how", ["fork", "fork and raise"])
def test_a_child_that_a_body_forked_answers_nothing_and_takes_no_work(
    rough: Any, clip: str, how: str
) -> None:
    forked = only(rough.map([clip], how=how))
    after = [only(rough.map([clip], how=f"nothing {n}")) for n in range(6)]

    assert forked.ok, forked.error
    assert forked.result.text == "the parent"
    assert [outcome.ok for outcome in after] == [True] * 6


def test_what_a_body_printed_is_in_the_log_of_its_own_invocation(
    engine: LocalEngine, rough: Any, clip: str
) -> None:
    batch = rough.starmap((clip, {"how": how}) for how in ("print", "nothing"))
    assert all(outcome.ok for outcome in batch)

    logs = until(lambda: engine.explain(f"{batch.id}.1")["log"])
    assert Path(logs).read_text() == "printed by this one\n"
    assert engine.explain(f"{batch.id}.2")["log"] is None


@pytest.mark.parametrize("how", ["close", "no stdout"])
def test_a_body_without_standard_output_succeeds_in_one_attempt(rough: Any, clip: str, how: str) -> None:
    outcome = only(rough.map([clip], how=how))

    assert outcome.ok, outcome.error
    assert outcome.finished.attempts == 1
    assert only(rough.map([clip], how="print")).ok


@pytest.mark.parametrize(
    ("how", "said"), [("speechless", "Speechless"), ("verbose", "eeee"), ("large", "at most")]
)
def test_a_body_that_says_nothing_or_too_much_fails_once_with_a_sentence(
    rough: Any, clip: str, how: str, said: str
) -> None:
    outcome = only(rough.map([clip], how=how))

    assert said in outcome.error["message"]
    assert len(outcome.error["message"]) < 5000
    assert outcome.error["kind"] == "caller"
    assert outcome.finished.attempts == 1


def test_a_module_that_ends_its_slot_fails_its_batch_with_the_reason(
    engine: LocalEngine, rough: Any, clip: str
) -> None:
    batch = catalog.find(f"{HERE / 'fatal_import.py'}:fatal").map([clip, clip])

    outcomes = list(batch)

    assert len(outcomes) == 2
    for outcome in outcomes:
        error = outcome.error or {}
        assert error["code"] == "slot-lost"
        assert "could not be loaded" in error["message"]
        assert "status 7" in error["message"]
    assert only(rough.map([clip], how="nothing")).ok


@pytest.mark.skipif(not Path("/proc").exists(), reason="left out: orphans are found through /proc")
def test_what_a_body_left_behind_ends_with_its_slot(
    engine: LocalEngine, rough: Any, clip: str, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    batch = rough.map([clip], how="daemon", pids=str(pids))
    orphan = psutil.Process(int(until(lambda: pids.exists() and pids.read_text())))
    slot = until(lambda: [s for s in engine.pool()["slots"] if s["running"]])[0]["pid"]
    assert orphan.parent() is not None

    batch.cancel()
    os.kill(slot, signal.SIGKILL) if psutil.pid_exists(slot) else None

    until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)
    assert engine.status(batch.id).counts.cancelled == 1
