"""What every engine promises, as tests: mix `EngineContract` into a pytest class and say how one is built.

    class TestMyEngine(EngineContract):
        @pytest.fixture
        def engine(self) -> Engine: ...

What an engine cannot do is declared in `lacks`, and its tests are skipped by that name. This module must not
know which engine it examines.
"""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from rushes.core.states import State
from rushes.errors import CallerError
from rushes.function import Options
from rushes.ports import Engine
from rushes.testing.engine_results import ResultsContract
from rushes.testing.engine_suite import PATIENCE_S

__all__ = ["EngineContract"]


class EngineContract(ResultsContract):
    """Tests that every engine passes: of results, and of how work is ordered, steered and explained."""

    # -- dependencies -------------------------------------------------------------------------------------

    def test_work_that_waits_for_a_failure_is_cancelled_or_run_as_it_asked(
        self, engine: Engine, clips: Path
    ) -> None:
        self.needs("after")
        first = self._send(engine, clips, "measure", ["bad.mov"])
        waits = Options(after=(f"{first}.1",))
        cancelled = self._send(engine, clips, "measure", ["a.mov"], options=waits)
        run = self._send(engine, clips, "measure", ["b.mov"], options=replace(waits, on_failure="run"))

        assert self._ended(engine, cancelled, 1)[0].state is State.cancelled
        assert self._ended(engine, run, 1)[0].state is State.succeeded

    def test_work_is_held_until_what_it_waits_for_has_ended(self, engine: Engine, clips: Path) -> None:
        self.needs("after")
        engine.control("pause")
        first = self._send(engine, clips, "measure", ["a.mov"])
        second = self._send(engine, clips, "measure", ["b.mov"], options=Options(after=(f"{first}.1",)))
        assert engine.status(first).counts.queued == engine.status(second).counts.held == 1

        engine.control("resume")

        assert self._ended(engine, second, 1)[0].state is State.succeeded
        assert engine.status(first).counts.succeeded == 1

    def test_work_that_waits_for_a_batch_is_held_until_that_is_sealed_and_has_ended(
        self, engine: Engine, clips: Path
    ) -> None:
        self.needs("after")
        first = self._send(engine, clips, "measure", ["a.mov"], seal=False)
        self._ended(engine, first, 1)
        second = self._send(engine, clips, "measure", ["b.mov"], options=Options(after=(first,)))
        assert engine.status(second).counts.held == 1

        engine.seal(first)

        assert self._ended(engine, second, 1)[0].state is State.succeeded

    # -- cancel, retry, explain ---------------------------------------------------------------------------

    @pytest.mark.usefixtures("held")
    def test_cancel_ends_what_has_not_ended(self, engine: Engine, clips: Path) -> None:
        batch = self._send(engine, clips, "measure", ["a.mov", "b.mov"], seal=False)

        engine.cancel(batch)

        status = self._settled(engine, batch)
        assert (status.counts.cancelled, status.counts.total) == (2, 2)
        assert {one.state for one in self._ended(engine, batch, 2)} == {State.cancelled}

    def test_cancel_stops_a_body_that_runs(self, engine: Engine, clips: Path) -> None:
        self.needs("running-cancel")
        batch = self._send(engine, clips, "waits", ["a.mov"])
        until = time.monotonic() + PATIENCE_S
        while not engine.status(batch).counts.running and time.monotonic() < until:
            time.sleep(0.01)
        assert engine.status(batch).counts.running == 1

        engine.cancel(batch)

        assert self._settled(engine, batch).counts.cancelled == 1

    def test_retry_makes_the_failed_ones_again(self, engine: Engine, clips: Path) -> None:
        batch = self._send(engine, clips, "measure", ["bad.mov", "a.mov"])
        self._settled(engine, batch)

        assert engine.retry(batch) == 1

        status = self._settled(engine, batch)
        assert (status.counts.failed, status.counts.succeeded) == (1, 1)
        assert engine.retry(batch) == 1

    def test_explain_says_what_failed(self, engine: Engine, clips: Path) -> None:
        batch = self._send(engine, clips, "measure", ["bad.mov"])
        self._settled(engine, batch)

        found = engine.explain(f"{batch}.1")

        assert found["state"] == "failed"
        assert found["asset"] == self.place(clips, "bad.mov")
        assert found["result"]["error"]["code"] == "damaged"

    @pytest.mark.parametrize("name", ["{batch}.99", "{batch}", "nobatch.1"])
    def test_an_unknown_invocation_is_the_callers_mistake(
        self, engine: Engine, clips: Path, name: str
    ) -> None:
        batch = self._send(engine, clips, "measure", ["a.mov"])

        with pytest.raises(CallerError):
            engine.explain(name.format(batch=batch))

    # -- another class ------------------------------------------------------------------------------------

    def test_a_batch_that_waits_can_be_given_another_class(self, engine: Engine, clips: Path) -> None:
        self.needs("pool")
        engine.control("pause")
        first = self._send(engine, clips, "measure", ["a.mov"])
        second = self._send(engine, clips, "measure", ["b.mov"])

        engine.set_priority(second, "urgent")

        assert engine.status(second).priority == "urgent"
        assert engine.explain(f"{second}.1")["priority"] == "urgent"
        assert engine.status(first).priority == "standard"
        engine.control("resume")
        assert self._settled(engine, first).counts.succeeded == 1
        assert self._settled(engine, second).counts.succeeded == 1

    def test_a_class_that_is_none_and_a_batch_that_has_ended_are_refused(
        self, engine: Engine, clips: Path
    ) -> None:
        batch = self._send(engine, clips, "measure", ["a.mov"])
        self._settled(engine, batch)

        with pytest.raises(CallerError, match="no class"):
            engine.set_priority(batch, "asap")
        with pytest.raises(CallerError, match="has ended"):
            engine.set_priority(batch, "urgent")
        with pytest.raises(CallerError, match="no batch"):
            engine.set_priority("nobatch", "urgent")

    # -- the pool -----------------------------------------------------------------------------------------

    def test_a_paused_pool_starts_nothing_until_it_resumes(self, engine: Engine, clips: Path) -> None:
        self.needs("pool")
        engine.control("pause")
        batch = self._send(engine, clips, "measure", ["a.mov"])
        assert engine.pool()["paused"]
        assert engine.status(batch).counts.queued == 1

        engine.control("resume")

        assert self._ended(engine, batch, 1)[0].state is State.succeeded
        assert not engine.pool()["paused"]

    def test_a_pool_says_who_answers(self, engine: Engine, clips: Path) -> None:
        self.needs("pool")
        self._settled(engine, self._send(engine, clips, "measure", ["a.mov"]))

        assert engine.running()
        assert {"pid", "version"} <= engine.pool()["worker"].keys()

    def test_a_pool_is_asked_for_what_it_can_do_only(self, engine: Engine) -> None:
        with pytest.raises(CallerError):
            engine.control("explode")

    def test_a_pool_has_the_slots_that_it_is_given_until_it_is_given_back(self, engine: Engine) -> None:
        self.needs("pool")
        before = engine.pool()["capacity"]["cpu"]

        engine.control("resize", slots=0)
        small = engine.pool()["capacity"]["cpu"]
        engine.control("resize")

        assert small == 0.0
        assert engine.pool()["capacity"]["cpu"] == before
