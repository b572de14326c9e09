"""What every engine promises, as tests: mix `EngineContract` into a pytest class and say how one is built.

    class TestMyEngine(EngineContract):
        @pytest.fixture
        def engine(self) -> Engine: ...

What an engine cannot do is declared in `lacks`, and its tests are skipped by that name. This module must not
know which engine it examines.
"""

# ruff: noqa: S101 - a suite of tests

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from rushes import catalog
from rushes.asset import Asset
from rushes.core.states import State
from rushes.errors import CallerError
from rushes.function import Options
from rushes.invocation import BatchStatus, Finished, Invocation
from rushes.ports import Engine
from rushes.runtime.inputs import Found
from rushes.runtime.submission import batch_spec, invocations

__all__ = ["EngineContract"]

_PATIENCE_S = 60.0

_BODIES = textwrap.dedent('''\
    """Functions that the contract suite sends."""

    import time

    from rushes import Asset, Context, MediaError, Output, Params, Result, function


    class Measured(Result):
        size: int
        times: int


    class Copied(Result):
        made: Output


    class Times(Params):
        times: int = 1


    @function(version="1", retries=0)
    def measure(clip: Asset, params: Times) -> Measured:
        """Count bytes; `bad` in the name is damaged media."""
        if "bad" in clip.name:
            raise MediaError(f"{clip.name} is damaged.", code="damaged", fix="Bring another copy.")
        return Measured(size=clip.path.stat().st_size * params.times, times=params.times)


    @function(version="1", retries=0)
    def copy(clip: Asset, ctx: Context) -> Copied:
        """Copy a clip."""
        out = ctx.output(clip.name)
        out.path.write_bytes(clip.path.read_bytes())
        if "bad" in clip.name:
            raise MediaError(f"{clip.name} is damaged.", code="damaged")
        return Copied(made=out)


    class Total(Result):
        sizes: tuple[int, ...]
        problem: str


    @function(version="1", retries=0)
    def total(clip: Asset, ctx: Context) -> Total:
        """Measure a clip twice, and one that is damaged."""
        bad = clip.path.with_name("bad.mov")
        parts = ctx.map(measure, [(clip, {"times": 2}), bad, clip], times=1)
        sizes = tuple(one.result.size for one in parts if one.ok)
        return Total(sizes=sizes, problem=parts[1].error["code"])


    @function(version="1", retries=0)
    def copies(clip: Asset, ctx: Context) -> Copied:
        """Copy a clip, and copy the copy."""
        (part,) = ctx.map(copy, [clip])
        out = ctx.output("twice.mov")
        with open(part.outputs[0], "rb") as made:
            out.path.write_bytes(made.read())
        return Copied(made=out)


    @function(version="1", retries=0)
    def raises(clip: Asset) -> Measured:
        """Stumble over the author's own mistake."""
        return Measured(size=1 // 0, times=1)


    @function(version="1", retries=0)
    def waits(clip: Asset, ctx: Context) -> Measured:
        """Run until it is cancelled."""
        while not ctx.cancelled:
            ctx.progress(0.5)
            time.sleep(0.01)
        return Measured(size=0, times=0)
''')


class EngineContract:
    """Tests that every engine passes."""

    lacks: ClassVar[frozenset[str]] = frozenset()
    """Of ``running-cancel`` (a body is stopped while it runs)."""

    @pytest.fixture
    def clips(self, tmp_path: Path) -> Path:
        """A folder with the bodies, two good clips and a bad one."""
        (tmp_path / "bodies.py").write_text(_BODIES)
        for name, size in (("a.mov", 10), ("b.mov", 20), ("bad.mov", 30)):
            (tmp_path / name).write_bytes(bytes(size))
        return tmp_path

    def _send(
        self,
        engine: Engine,
        clips: Path,
        name: str,
        files: Sequence[str],
        *,
        options: Options | None = None,
        seal: bool = True,
    ) -> str:
        function = catalog.find(f"{clips / 'bodies.py'}:{name}")
        options = options or Options()
        params = function.params(None)
        batch = engine.open(batch_spec(function, options, params, title=name))
        found = (Found(Asset(str(clips / file))) for file in files)
        engine.submit(batch, invocations(function, options, params, found))
        if seal:
            engine.seal(batch)
        return batch

    def _ended(self, engine: Engine, batch: str, count: int) -> list[Finished]:
        """All ends of a batch, waited for."""
        found: list[Finished] = []
        until = time.monotonic() + _PATIENCE_S
        while len(found) < count and time.monotonic() < until:
            found += engine.results(batch, after=found[-1].seq if found else 0, wait_s=1.0)
        assert len(found) == count
        return found

    def _settled(self, engine: Engine, batch: str) -> BatchStatus:
        """The status of a batch once it has ended."""
        until = time.monotonic() + _PATIENCE_S
        while (status := engine.status(batch)).ended is None and time.monotonic() < until:
            time.sleep(0.01)
        assert status.ended is not None
        return status

    # -- results ------------------------------------------------------------------------------------------

    def test_every_invocation_ends_once_with_its_result(self, engine: Engine, clips: Path) -> None:
        batch = self._send(engine, clips, "measure", ["a.mov", "b.mov"])

        ends = self._ended(engine, batch, 2)

        assert {one.invocation: one.result for one in ends} == {
            f"{batch}.1": {"size": 10, "times": 1},
            f"{batch}.2": {"size": 20, "times": 1},
        }
        assert [one.seq for one in ends] == [1, 2]
        assert {one.asset for one in ends} == {str(clips / "a.mov"), str(clips / "b.mov")}
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
        function = catalog.find(f"{clips / 'bodies.py'}:measure")
        batch = engine.open(batch_spec(function, Options(), function.params(None)))
        problem = CallerError("line 3 is missing.", code="not-found").to_dict()
        engine.submit(batch, [Invocation("/nowhere.mov", "", problem=problem)])
        engine.seal(batch)

        (end,) = self._ended(engine, batch, 1)

        assert end.state is State.failed
        assert (end.error or {})["message"] == "line 3 is missing."

    def test_outputs_appear_whole_and_a_failure_leaves_none(self, engine: Engine, clips: Path) -> None:
        out = clips / "out"
        batch = self._send(engine, clips, "copy", ["a.mov", "bad.mov"], options=Options(out=str(out)))

        ends = {Path(one.asset).name: one for one in self._ended(engine, batch, 2)}

        assert ends["a.mov"].outputs == (str(out / "a.mov"),)
        assert (out / "a.mov").read_bytes() == (clips / "a.mov").read_bytes()
        assert sorted(p.name for p in out.iterdir()) == ["a.mov", "a.mov.rushes.json"]

    def test_a_name_that_is_no_utf8_is_only_a_name(self, engine: Engine, clips: Path) -> None:
        name = os.fsdecode(b"caf\xe9.mov")
        (clips / name).write_bytes(bytes(7))
        batch = self._send(engine, clips, "copy", [name], options=Options(out=str(clips / "out")))

        (end,) = self._ended(engine, batch, 1)

        assert (end.asset, end.outputs) == (str(clips / name), (str(clips / "out" / name),))
        assert (clips / "out" / name).read_bytes() == bytes(7)
        assert engine.explain(f"{batch}.1")["asset"] == str(clips / name)

    # -- parts --------------------------------------------------------------------------------------------

    def test_a_body_maps_another_and_has_its_outcomes_in_order(self, engine: Engine, clips: Path) -> None:
        (end,) = self._ended(engine, self._send(engine, clips, "total", ["a.mov"]), 1)

        assert end.result == {"sizes": [20, 10], "problem": "damaged"}

    def test_files_of_parts_vanish_when_the_whole_has_ended(self, engine: Engine, clips: Path) -> None:
        out = clips / "out"
        batch = self._send(engine, clips, "copies", ["a.mov"], options=Options(out=str(out)))

        (end,) = self._ended(engine, batch, 1)

        assert end.outputs == (str(out / "twice.mov"),)
        assert (out / "twice.mov").read_bytes() == (clips / "a.mov").read_bytes()
        self._settled(engine, batch)
        until = time.monotonic() + _PATIENCE_S
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

    # -- dependencies -------------------------------------------------------------------------------------

    def test_work_that_waits_for_a_failure_is_cancelled_or_run_as_it_asked(
        self, engine: Engine, clips: Path
    ) -> None:
        first = self._send(engine, clips, "measure", ["bad.mov"])
        waits = Options(after=(f"{first}.1",))
        cancelled = self._send(engine, clips, "measure", ["a.mov"], options=waits)
        run = self._send(engine, clips, "measure", ["b.mov"], options=replace(waits, on_failure="run"))

        assert self._ended(engine, cancelled, 1)[0].state is State.cancelled
        assert self._ended(engine, run, 1)[0].state is State.succeeded

    def test_work_is_held_until_what_it_waits_for_has_ended(self, engine: Engine, clips: Path) -> None:
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
        if "running-cancel" in self.lacks:
            pytest.skip("running-cancel: not supported")
        batch = self._send(engine, clips, "waits", ["a.mov"])
        until = time.monotonic() + _PATIENCE_S
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
        assert found["asset"] == str(clips / "bad.mov")
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
        engine.control("pause")
        batch = self._send(engine, clips, "measure", ["a.mov"])
        assert engine.pool()["paused"]
        assert engine.status(batch).counts.queued == 1

        engine.control("resume")

        assert self._ended(engine, batch, 1)[0].state is State.succeeded
        assert not engine.pool()["paused"]

    def test_a_pool_says_who_answers(self, engine: Engine, clips: Path) -> None:
        self._settled(engine, self._send(engine, clips, "measure", ["a.mov"]))

        assert engine.running()
        assert {"pid", "version"} <= engine.pool()["worker"].keys()

    def test_a_pool_is_asked_for_what_it_can_do_only(self, engine: Engine) -> None:
        with pytest.raises(CallerError):
            engine.control("explode")

    # -- how a pool is held -------------------------------------------------------------------------------

    @pytest.fixture
    def held(self, engine: Engine) -> Iterator[None]:
        """Nothing starts while a test looks."""
        engine.control("pause")
        yield
        engine.control("resume")
