"""The engine in memory keeps every promise of an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes import catalog
from rushes.asset import Asset
from rushes.core.states import State
from rushes.function import Options
from rushes.ports import Engine
from rushes.testing import FakeClock, StubEngine
from rushes.testing.engine_contract import EngineContract


class TestStubEngine(EngineContract):
    lacks = frozenset({"running-cancel"})

    @pytest.fixture
    def engine(self) -> StubEngine:
        return StubEngine()

    def test_it_is_an_engine(self, engine: StubEngine) -> None:
        assert isinstance(engine, Engine)

    def test_a_held_one_runs_when_it_is_told_to(self, clips: Path) -> None:
        engine = StubEngine(held=True)
        batch = self._send(engine, clips, "measure", ["a.mov", "b.mov"])
        assert engine.status(batch).counts.queued == 2

        assert engine.run_next(5) == 2

        assert engine.status(batch).counts.succeeded == 2

    def test_its_time_is_the_clock_that_it_was_given(self, clips: Path) -> None:
        clock = FakeClock(1000.0)
        engine = StubEngine(clock, held=True)
        batch = self._send(engine, clips, "measure", ["a.mov"])
        clock.advance(5.0)
        engine.run_next()

        status = engine.status(batch)

        assert (status.submitted, status.ended) == (1000.0, 1005.0)

    def test_launch_is_what_a_function_asks(self, engine: StubEngine, clips: Path) -> None:
        function = catalog.find(f"{clips / 'bodies.py'}:measure")

        batch, total = engine.launch(
            function, Options(), [(Asset(str(clips / "a.mov")), {"times": 3})], function.params(None)
        )

        assert total == 1
        (end,) = engine.results(batch)
        assert (end.state, end.result) == (State.succeeded, {"size": 30, "times": 3})


def test_a_fake_clock_does_not_go_back() -> None:
    clock = FakeClock(10.0)

    assert clock.advance(2.5) == clock.now() == 12.5
    with pytest.raises(ValueError, match="go back"):
        clock.advance(-1)
