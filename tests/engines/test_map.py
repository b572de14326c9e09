"""`ctx.map` on the embedded engine: parts run in the pool, and whoever waits for them lends its slot."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from rushes import CallerError, MediaError, PolicyError, RushesError, catalog
from rushes.core.states import State
from rushes.engines.local import LocalEngine
from rushes.runtime.dispatch.families import PARTS_SHARE

FANS = Path(__file__).with_name("fans.py")
Find = Callable[[str], Any]


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool with one core and memory for one attempt, for whatever is started after this."""
    monkeypatch.setenv("RUSHES_CPU", "1")
    monkeypatch.setenv("RUSHES_MEMORY", "1GiB")


@pytest.fixture
def engine(one_core: None, rushes_home: Path) -> Any:
    made = LocalEngine()
    yield made
    made.control("stop")
    made.close()


@pytest.fixture
def fans(engine: LocalEngine) -> Find:
    return lambda name: catalog.find(f"{FANS}:{name}")


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """Where parts leave a mark each time that they run."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def runs(marks: Path) -> dict[int, int]:
    """How often each part's body ran."""
    return dict(Counter(int(mark.name.partition("-")[0]) for mark in marks.iterdir()))


def waiting(engine: LocalEngine) -> list[Any]:
    return [slot for slot in engine.pool()["slots"] if slot["waits"]]


def parts_of(engine: LocalEngine, batch: str) -> list[Any]:
    """The batches that the invocations of a batch mapped, newest first."""
    return [one for one in engine.batches(parts=True) if one.parent.startswith(f"{batch}.")]


# -- one slot ---------------------------------------------------------------------------------------------


def test_a_body_that_waits_lends_the_one_core_to_its_parts(fans: Find, clip: str) -> None:
    made = fans("fan").remote(clip, parts=4)

    assert made.total == 0 + 1 + 4 + 9


def test_maps_within_maps_end_on_one_core(engine: LocalEngine, fans: Find, clip: str) -> None:
    batch = fans("nested").map([clip], deep=4)

    assert [outcome.result.total for outcome in batch] == [4 * (0 + (0 + 1))]
    assert engine.pool()["batches"] == []


def test_many_bodies_that_all_wait_end_on_one_core(fans: Find, clip: str) -> None:
    batch = fans("fan").starmap((clip, {"parts": 2, "gate": "", "lost": -n}) for n in range(12))

    assert [outcome.result.total for outcome in batch] == [1] * 12


def test_progress_never_falls_back_and_says_what_is_going_on(
    engine: LocalEngine, fans: Find, clip: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    batch = fans("staged").map([clip], gate=str(gate), parts=2)
    until(lambda: [run for run in batch.progress.running if run["fraction"] > 0.2])
    (waiting_,) = batch.progress.running
    gate.touch()
    until(lambda: [run for run in batch.progress.running if run["note"] == "adding up"])
    (after,) = batch.progress.running
    Path(f"{gate}.2").touch()

    assert next(iter(batch)).result.total == 1
    assert waiting_["note"] == "squares: 0 of 2 done"
    assert waiting_["fraction"] == pytest.approx(0.2 + 0.8 * PARTS_SHARE * 0.25)
    assert after["fraction"] == pytest.approx(0.2 + 0.8 * PARTS_SHARE)
    (parts,) = engine.explain(f"{batch.id}.1")["parts"]
    assert (parts["function"], parts["invocations"]) == ("square", 2)


def test_the_whole_is_shown_as_running_while_it_waits_with_what_for(
    engine: LocalEngine, fans: Find, clip: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    batch = fans("fan").map([clip], gate=str(gate), parts=2)
    until(lambda: waiting(engine))
    until(lambda: [run for run in batch.progress.running if run["fraction"] > 0])
    (whole,) = batch.progress.running
    said = engine.explain(f"{batch.id}.1")
    (parts,) = parts_of(engine, batch.id)

    assert whole["note"] == said["reason"] == "waits for 2 of 2 parts"
    assert whole["fraction"] == pytest.approx(0.25 * PARTS_SHARE)
    assert said["state"] == "running"
    assert (parts.parent, parts.tags["parent"]) == (f"{batch.id}.1", f"{batch.id}.1")
    assert engine.explain(f"{parts.batch}.1")["parent"] == f"{batch.id}.1"
    assert [one.batch for one in engine.batches()] == [batch.id]
    gate.touch()
    assert next(iter(batch)).result.total == 1


def test_parts_have_the_class_the_show_and_the_deadline_of_the_whole(
    engine: LocalEngine, fans: Find, clip: str
) -> None:
    whole = fans("fan").with_options(priority="urgent", show="dune", deadline=4e9)
    batch = whole.map([clip])
    batch.wait()
    (parts,) = parts_of(engine, batch.id)

    assert (parts.priority, parts.show) == ("urgent", "dune")
    assert engine.explain(f"{parts.batch}.1")["spec"]["deadline"] == 4e9


def test_parts_run_in_the_same_warm_slots_as_other_work(fans: Find, clip: str) -> None:
    first, second = (fans("pids").remote(clip, n=n).pids for n in range(2))

    assert first == second


# -- failures ---------------------------------------------------------------------------------------------


def test_a_failed_part_is_an_outcome_that_names_itself(engine: LocalEngine, fans: Find, clip: str) -> None:
    batch = fans("tolerant").map([clip], bad=1)
    (made,) = batch.results()
    (parts,) = parts_of(engine, batch.id)

    assert made.total == 4
    assert made.errors == (f"number 1 is damaged (square of clip.bin, {parts.batch}.2).",)


def test_a_failed_part_that_is_let_through_fails_the_whole_by_its_own_kind(fans: Find, clip: str) -> None:
    with pytest.raises(MediaError, match=r"number 2 .*\(square of clip\.bin, .*\.3\)"):
        fans("fan").remote(clip, bad=2)


def test_a_part_that_somebody_cancels_fails_the_whole_and_says_so(
    engine: LocalEngine, fans: Find, clip: str, tmp_path: Path
) -> None:
    batch = fans("fan").map([clip], gate=str(tmp_path / "never"))
    until(lambda: waiting(engine))
    (parts,) = parts_of(engine, batch.id)

    engine.cancel(parts.batch)

    (outcome,) = batch
    assert outcome.state is State.failed
    with pytest.raises(PolicyError, match=r"it was cancelled \(square of clip\.bin, "):
        _ = outcome.result


def test_parts_cannot_be_retried_without_the_whole(engine: LocalEngine, fans: Find, clip: str) -> None:
    batch = fans("tolerant").map([clip], bad=1)
    batch.wait()
    (parts,) = parts_of(engine, batch.id)

    with pytest.raises(CallerError, match=f"parts of {batch.id}.1"):
        engine.retry(parts.batch)


def test_a_function_that_maps_itself_for_ever_is_stopped(fans: Find, clip: str) -> None:
    with pytest.raises(RushesError, match="8 deep"):
        fans("endless").remote(clip)


# -- what ends early ----------------------------------------------------------------------------------------


def test_a_cancelled_whole_cancels_its_parts_and_leaves_nothing(
    engine: LocalEngine, fans: Find, clip: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    batch = fans("joins").with_options(out=str(out)).map([clip], gate=str(tmp_path / "never"))
    until(lambda: waiting(engine))
    until(lambda: list(out.rglob("*.keep")))

    batch.cancel()

    assert [outcome.state for outcome in batch] == [State.cancelled]
    until(lambda: not engine.pool()["batches"])
    (parts,) = parts_of(engine, batch.id)
    assert parts.counts.cancelled == parts.counts.total == 3
    until(lambda: not list(out.iterdir()))
    assert not any(slot["running"] for slot in engine.pool()["slots"])


def test_the_time_that_it_waits_is_not_of_its_limits_nor_of_what_it_took(
    engine: LocalEngine, fans: Find, clip: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    batch = fans("fan").map([clip], gate=str(gate))
    until(lambda: waiting(engine))
    until(lambda: waiting(engine)[0]["seconds"] > 1.0)
    gate.touch()

    assert next(iter(batch)).finished.seconds < 1.0


def test_a_killed_slot_s_parts_go_on_and_none_is_made_again(
    engine: LocalEngine, fans: Find, clip: str, tmp_path: Path, marks: Path
) -> None:
    gate = tmp_path / "gate"
    out = tmp_path / "out"
    batch = fans("joins").with_options(out=str(out)).map([clip], gate=str(gate), marks=str(marks))
    (slot,) = until(lambda: waiting(engine))
    until(lambda: runs(marks))

    os.kill(slot["pid"], signal.SIGKILL)
    until(lambda: engine.explain(f"{batch.id}.1")["losses"] == 1)
    gate.touch()

    (outcome,) = batch
    assert Path(outcome.result.file).read_text() == "0\n1\n2\n"
    assert outcome.finished.attempts == 2
    assert runs(marks) == {0: 1, 1: 1, 2: 1}
    until(lambda: sorted(path.name for path in out.iterdir()) == ["joined.txt", "joined.txt.rushes.json"])


def test_an_attempt_lost_after_its_parts_finds_them_done(
    engine: LocalEngine, fans: Find, clip: str, tmp_path: Path, marks: Path
) -> None:
    out = tmp_path / "out"
    batch = fans("joins").with_options(out=str(out)).map([clip], marks=str(marks), lost=1)

    (outcome,) = batch

    assert outcome.finished.attempts == 2
    assert runs(marks) == {0: 1, 1: 1, 2: 1}
    assert Path(outcome.result.file).read_text() == "0\n1\n2\n"


def test_a_killed_worker_s_successor_makes_only_what_was_not_done(
    engine: LocalEngine, fans: Find, clip: str, tmp_path: Path, marks: Path
) -> None:
    gate = tmp_path / "gate"
    out = tmp_path / "out"
    batch = fans("half_open").with_options(out=str(out)).map([clip], gate=str(gate), marks=str(marks))
    until(lambda: runs(marks) == {0: 1, 1: 1})
    (parts,) = parts_of(engine, batch.id)
    until(lambda: engine.status(parts.batch).counts.succeeded == 1)

    os.kill(engine.pool()["worker"]["pid"], signal.SIGKILL)
    (waits,) = until(lambda: engine.status(batch.id).waits)
    assert waits["why"] == "its attempt was lost, and its parts go on: 1 of 3 done"
    gate.touch()

    (outcome,) = batch
    assert Path(outcome.result.file).read_text() == "0\n1\n2\n"
    assert runs(marks)[0] == 1
    until(lambda: not engine.pool()["batches"])
    until(lambda: sorted(path.name for path in out.iterdir()) == ["joined.txt", "joined.txt.rushes.json"])


def test_a_drained_worker_does_not_wait_for_who_waits(
    engine: LocalEngine, fans: Find, clip: str, tmp_path: Path, marks: Path
) -> None:
    gate = tmp_path / "gate"
    batch = fans("fan").map([clip], gate=str(gate), marks=str(marks))
    until(lambda: runs(marks))

    engine.control("drain")
    gate.touch()
    until(lambda: not engine.running())

    assert next(iter(batch)).result.total == 5
    assert runs(marks)[0] == 1


# -- work that is the same ----------------------------------------------------------------------------------


def test_a_part_that_is_under_way_for_somebody_else_is_waited_for(
    engine: LocalEngine, fans: Find, clip: str, tmp_path: Path, marks: Path
) -> None:
    gate = tmp_path / "gate"
    alone = fans("square").map([clip], gate=str(gate), marks=str(marks))
    until(lambda: runs(marks))
    whole = fans("fan").map([clip], parts=1, gate=str(gate), marks=str(marks))
    gate.touch()

    assert [outcome.ok for outcome in (*alone, *whole)] == [True, True]
    assert runs(marks) == {0: 1}


def test_a_part_does_not_wait_for_what_waits_for_the_whole(
    engine: LocalEngine, fans: Find, clip: str, tmp_path: Path
) -> None:
    engine.control("pause")
    whole = fans("fan").map([clip], parts=1)
    after = fans("square").with_options(after=whole).map([clip])
    engine.control("resume")

    assert [outcome.ok for outcome in (*whole, *after)] == [True, True]


def test_a_part_that_always_loses_its_slot_fails_the_whole_in_the_end(fans: Find, clip: str) -> None:
    (outcome,) = fans("fan_of_deadly").map([clip])

    error = outcome.error or {}
    assert outcome.finished.attempts <= 3
    assert error["code"] == "slot-lost"
    assert "deadly" in error["message"]
