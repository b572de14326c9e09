"""What every engine promises of results: each invocation ends once, its outputs whole; what is known is kept.

This module must not know which engine it examines.
"""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from rushes.core.states import State
from rushes.errors import CallerError
from rushes.function import Options
from rushes.invocation import Invocation
from rushes.keepers import ObjectKeeper
from rushes.ports import Engine
from rushes.runtime.sending.submission import batch_spec
from rushes.testing.engine_suite import PATIENCE_S, EngineSuite

__all__ = ["ResultsContract"]


class ResultsContract(EngineSuite):
    """Results, parts, batches, and what is known already."""

    # -- results ------------------------------------------------------------------------------------------

    def test_every_invocation_ends_once_with_its_result(self, engine: Engine, clips: Path) -> None:
        batch = self._send(engine, clips, "measure", ["a.mov", "b.mov"])

        ends = self._ended(engine, batch, 2)

        assert {one.invocation: one.result for one in ends} == {
            f"{batch}.1": {"size": 10, "times": 1},
            f"{batch}.2": {"size": 20, "times": 1},
        }
        assert [one.seq for one in ends] == [1, 2]
        assert {one.asset for one in ends} == {self.place(clips, "a.mov"), self.place(clips, "b.mov")}
        assert {one.function for one in ends} == {"measure"}

    def test_results_go_on_from_a_sequence_number(self, engine: Engine, clips: Path) -> None:
        batch = self._send(engine, clips, "measure", ["a.mov", "b.mov"])
        ends = self._ended(engine, batch, 2)

        assert engine.results(batch, after=1) == ends[1:]
        assert engine.results(batch, after=0, limit=1) == ends[:1]
        assert list(engine.results(batch, after=2)) == []

    def test_a_body_that_refuses_its_clip_fails_alone_and_says_whose_fault_it_is(
        self, engine: Engine, clips: Path
    ) -> None:
        batch = self._send(engine, clips, "measure", ["bad.mov", "a.mov"])

        ends = {Path(one.asset).name: one for one in self._ended(engine, batch, 2)}

        assert ends["a.mov"].state is State.succeeded
        assert ends["bad.mov"].state is State.failed
        error = ends["bad.mov"].error or {}
        assert (error["kind"], error["code"], error["fix"]) == ("media", "damaged", "Bring another copy.")

    def test_an_exception_of_the_authors_is_the_callers_mistake(self, engine: Engine, clips: Path) -> None:
        batch = self._send(engine, clips, "raises", ["a.mov"])

        (end,) = self._ended(engine, batch, 1)

        assert (end.error or {})["kind"] == "caller"
        assert "ZeroDivisionError" in str((end.error or {})["message"])

    def test_a_problem_found_before_submission_fails_as_such(self, engine: Engine, clips: Path) -> None:
        function = self.function(clips, "measure")
        spec_of = engine.spec_of if isinstance(engine, ObjectKeeper) else batch_spec
        batch = engine.open(spec_of(function, Options(), function.params(None)))
        problem = CallerError("line 3 is missing.", code="not-found").to_dict()
        engine.submit(batch, [Invocation("/nowhere.mov", "", problem=problem)])
        engine.seal(batch)

        (end,) = self._ended(engine, batch, 1)

        assert end.state is State.failed
        assert (end.error or {})["message"] == "line 3 is missing."

    def test_outputs_appear_whole_and_a_failure_leaves_none(self, engine: Engine, clips: Path) -> None:
        out = self.place(clips, "out")
        batch = self._send(engine, clips, "copy", ["a.mov", "bad.mov"], options=Options(out=out))

        ends = {Path(one.asset).name: one for one in self._ended(engine, batch, 2)}

        assert ends["a.mov"].outputs == (f"{out}/a.mov",)
        made = self.below(clips, "out")
        assert made["a.mov"] == (clips / "a.mov").read_bytes()
        assert sorted(made) == ["a.mov", "a.mov.rushes.json"]

    def test_a_name_that_is_no_utf8_is_only_a_name(self, engine: Engine, clips: Path) -> None:
        self.needs("odd-names")
        name = os.fsdecode(b"caf\xe9.mov")
        (clips / name).write_bytes(bytes(7))
        batch = self._send(engine, clips, "copy", [name], options=Options(out=str(clips / "out")))

        (end,) = self._ended(engine, batch, 1)

        assert (end.asset, end.outputs) == (str(clips / name), (str(clips / "out" / name),))
        assert (clips / "out" / name).read_bytes() == bytes(7)
        assert engine.explain(f"{batch}.1")["asset"] == str(clips / name)

    # -- parts --------------------------------------------------------------------------------------------

    def test_a_body_maps_another_and_has_its_outcomes_in_order(self, engine: Engine, clips: Path) -> None:
        self.needs("parts")
        (end,) = self._ended(engine, self._send(engine, clips, "total", ["a.mov"]), 1)

        assert end.result == {"sizes": [20, 10], "problem": "damaged"}

    def test_files_of_parts_vanish_when_the_whole_has_ended(self, engine: Engine, clips: Path) -> None:
        self.needs("parts")
        out = clips / "out"
        batch = self._send(engine, clips, "copies", ["a.mov"], options=Options(out=str(out)))

        (end,) = self._ended(engine, batch, 1)

        assert end.outputs == (str(out / "twice.mov"),)
        assert (out / "twice.mov").read_bytes() == (clips / "a.mov").read_bytes()
        self._settled(engine, batch)
        until = time.monotonic() + PATIENCE_S
        while len(list(out.iterdir())) > 2 and time.monotonic() < until:
            time.sleep(0.01)
        assert sorted(path.name for path in out.iterdir()) == ["twice.mov", "twice.mov.rushes.json"]

    # -- batches ------------------------------------------------------------------------------------------

    def test_a_batch_ends_when_it_is_sealed_and_all_have_ended(self, engine: Engine, clips: Path) -> None:
        batch = self._send(engine, clips, "measure", ["a.mov", "bad.mov"], seal=False)
        self._ended(engine, batch, 2)
        assert engine.status(batch).ended is None

        engine.seal(batch)

        status = self._settled(engine, batch)
        assert (status.counts.succeeded, status.counts.failed, status.counts.total) == (1, 1, 2)
        assert status.sealed

    def test_an_empty_batch_ends_when_it_is_sealed(self, engine: Engine, clips: Path) -> None:
        batch = self._send(engine, clips, "measure", [])

        assert self._settled(engine, batch).counts.total == 0

    def test_batches_are_listed_newest_first(self, engine: Engine, clips: Path) -> None:
        first = self._send(engine, clips, "measure", ["a.mov"])
        self._settled(engine, first)
        second = self._send(engine, clips, "measure", ["b.mov"])
        self._settled(engine, second)

        assert [one.batch for one in engine.batches(limit=2)] == [second, first]
        assert [one.batch for one in engine.batches(limit=1)] == [second]

    def test_what_the_submitter_said_is_in_the_status(self, engine: Engine, clips: Path) -> None:
        options = Options(priority="urgent", show="dune", tags={"reel": "A001"})
        batch = self._send(engine, clips, "measure", ["a.mov"], options=options)

        status = self._settled(engine, batch)

        assert (status.title, status.priority, status.show) == ("measure", "urgent", "dune")
        assert status.function == "measure"
        assert dict(status.tags) == {"reel": "A001"}

    @pytest.mark.parametrize("ask", ["status", "results", "cancel", "retry"])
    def test_an_unknown_batch_is_the_callers_mistake(self, engine: Engine, ask: str) -> None:
        with pytest.raises(CallerError) as caught:
            getattr(engine, ask)("nobatch")

        assert caught.value.code == "not-found"

    # -- known results ------------------------------------------------------------------------------------

    def test_a_known_result_is_not_made_again(self, engine: Engine, clips: Path) -> None:
        self._settled(engine, self._send(engine, clips, "measure", ["a.mov"]))

        (end,) = self._ended(engine, self._send(engine, clips, "measure", ["a.mov"]), 1)

        assert end.cached
        assert end.result == {"size": 10, "times": 1}

    def test_force_makes_a_known_result_again(self, engine: Engine, clips: Path) -> None:
        self._settled(engine, self._send(engine, clips, "measure", ["a.mov"]))

        batch = self._send(engine, clips, "measure", ["a.mov"], options=Options(force=True))

        assert not self._ended(engine, batch, 1)[0].cached

    def test_a_result_is_not_known_to_another_show(self, engine: Engine, clips: Path) -> None:
        self._settled(engine, self._send(engine, clips, "measure", ["a.mov"]))

        batch = self._send(engine, clips, "measure", ["a.mov"], options=Options(show="dune"))

        assert not self._ended(engine, batch, 1)[0].cached
