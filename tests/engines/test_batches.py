"""What a submitter is promised: every invocation ends once, and what is known is not done again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from rushes import CallerError, MediaError, Resources
from rushes.core.states import State
from rushes.engines.local import LocalEngine

Find = Callable[[str], Any]


def states(batch: Any) -> list[str]:
    return sorted(outcome.finished.state.value for outcome in batch)


def test_every_invocation_of_a_batch_ends_once_with_its_own_result(plain: Find, clip: str) -> None:
    batch = plain("echo").starmap((clip, {"n": n}) for n in range(3000))

    assert sorted(outcome.result.n for outcome in batch) == list(range(3000))
    assert batch.progress.counts.succeeded == 3000
    assert batch.progress.ended is not None


def test_remote_waits_for_one_result(plain: Find, clip: str) -> None:
    assert plain("echo").remote(clip, n=7).n == 7


def test_remote_raises_what_went_wrong(plain: Find, clip: str, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cut short"):
        plain("fails_at_first").remote(clip, folder=str(tmp_path), kind="media")


def test_a_result_that_is_known_is_not_made_again(plain: Find, clip: str) -> None:
    first = plain("echo").remote(clip, n=1)

    again = next(iter(plain("echo").map([clip], n=1)))

    assert again.finished.cached
    assert again.result.pid == first.pid


def test_force_makes_a_known_result_again(plain: Find, clip: str) -> None:
    plain("echo").remote(clip, n=1)

    again = next(iter(plain("echo").with_options(force=True).map([clip], n=1)))

    assert not again.finished.cached


def test_a_changed_source_is_not_known(plain: Find, clip: str) -> None:
    plain("echo").remote(clip, n=1)
    Path(clip).write_bytes(b"another clip")

    again = next(iter(plain("echo").map([clip], n=1)))

    assert not again.finished.cached


def test_results_are_not_shared_between_shows(plain: Find, clip: str) -> None:
    plain("echo").with_options(show="dune").remote(clip, n=1)

    other = next(iter(plain("echo").with_options(show="alien").map([clip], n=1)))

    assert not other.finished.cached


def test_the_same_work_twice_in_a_batch_is_done_once(plain: Find, clip: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    batch = plain("linger").map([clip, clip, clip], n=1, gate=str(gate))
    gate.write_text("")

    outcomes = list(batch)

    assert len({outcome.result.pid for outcome in outcomes}) == 1
    assert sum(outcome.finished.cached for outcome in outcomes) == 2


def test_an_output_that_exists_unchanged_is_known_and_one_that_was_deleted_is_made_again(
    plain: Find, clip: str, tmp_path: Path
) -> None:
    write = plain("write").with_options(out=str(tmp_path / "out"))
    for name in "012":
        (tmp_path / name).write_text(name)
    assert [o.finished.cached for o in _numbered(write, tmp_path, 3)] == [False] * 3
    (tmp_path / "out" / "1.txt").unlink()

    again = {o.finished.result["file"][-5:]: o.finished.cached for o in _numbered(write, tmp_path, 3)}

    assert again == {"0.txt": True, "1.txt": False, "2.txt": True}
    assert (tmp_path / "out" / "1.txt").exists()


def _numbered(function: Any, folder: Path, count: int) -> Any:
    return function.starmap((str(folder / str(n)), {"n": n}) for n in range(count))


def test_two_results_of_one_clip_get_two_names(plain: Find, clip: str, tmp_path: Path) -> None:
    function = plain("same_name").with_options(out=str(tmp_path / "out"))
    outputs = {o.outputs[0] for o in function.starmap([(clip, {"n": 1}), (clip, {"n": 2})])}

    assert len(outputs) == 2
    assert {Path(path).read_text() for path in outputs} == {"1", "2"}


def test_a_known_output_is_copied_to_another_place(plain: Find, clip: str, tmp_path: Path) -> None:
    plain("write").with_options(out=str(tmp_path / "one")).remote(clip, n=4)

    copied = next(iter(plain("write").with_options(out=str(tmp_path / "two")).map([clip], n=4)))

    assert copied.finished.cached
    assert copied.outputs == (str(tmp_path / "two" / "4.txt"),)
    assert (tmp_path / "two" / "4.txt").read_bytes() == (tmp_path / "one" / "4.txt").read_bytes()
    assert str(copied.result.file) == str(tmp_path / "two" / "4.txt")


def test_an_output_comes_with_its_receipt_and_leaves_no_scratch(
    plain: Find, clip: str, tmp_path: Path
) -> None:
    plain("write").with_options(out=str(tmp_path / "out"), show="dune").remote(clip, n=4)

    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    receipt = json.loads((tmp_path / "out" / "4.txt.rushes.json").read_text())
    assert names == ["4.txt", "4.txt.rushes.json"]
    assert receipt["show"] == "dune"
    assert receipt["params"] == {"n": 4}


def test_a_platform_failure_is_tried_again_and_a_media_failure_is_not(
    plain: Find, clip: str, tmp_path: Path
) -> None:
    kinds = {"platform": State.succeeded, "media": State.failed, "bug": State.failed}
    for number, (kind, expected) in enumerate(kinds.items()):
        call = {"n": number, "folder": str(tmp_path), "kind": kind}
        outcome = next(iter(plain("fails_at_first").map([clip], **call)))
        assert outcome.finished.state is expected

    assert sorted(p.name for p in tmp_path.glob("?.?")) == ["0.1", "0.2", "1.1", "2.1"]


def test_a_bug_in_a_body_names_its_line_and_keeps_its_traceback_in_the_log(
    engine: LocalEngine, plain: Find, clip: str, tmp_path: Path
) -> None:
    batch = plain("fails_at_first").map([clip], folder=str(tmp_path), kind="bug")
    outcome = next(iter(batch))

    assert "raised ValueError at plain.py:" in (outcome.error or {})["message"]
    log = engine.explain(outcome.finished.invocation)["log"]
    assert "Traceback" in Path(log).read_text()


def test_work_that_waits_for_another_runs_after_it(plain: Find, clip: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = plain("linger").spawn(clip, n=1, gate=str(gate))
    second = plain("echo").with_options(after=[first]).spawn(clip, n=2)
    assert second.batch.progress.counts.held == 1
    gate.write_text("")

    assert second.result().n == 2


def test_work_that_waits_for_a_failure_is_cancelled_or_runs_as_it_was_told(
    plain: Find, clip: str, tmp_path: Path
) -> None:
    bad = plain("fails_at_first").spawn(clip, n=1, folder=str(tmp_path), kind="media")
    stops = plain("echo").with_options(after=[bad]).map([clip], n=2)
    goes_on = plain("echo").with_options(after=[bad], on_failure="run").map([clip], n=3)
    after_those = plain("echo").with_options(after=[stops]).map([clip], n=4)

    assert states(stops) == ["cancelled"]
    assert states(goes_on) == ["succeeded"]
    assert states(after_those) == ["cancelled"]


def test_cancel_ends_what_waits_and_what_runs_and_leaves_nothing_behind(
    plain: Find, clip: str, tmp_path: Path
) -> None:
    function = plain("linger_writing").with_options(out=str(tmp_path / "out"))
    batch = function.starmap((clip, {"n": n, "gate": str(tmp_path / "never")}) for n in range(300))
    batch.cancel()

    assert batch.progress.counts.cancelled == 300
    assert states(batch) == ["cancelled"] * 300
    assert list((tmp_path / "out").iterdir()) == []


def test_cancel_leaves_nothing_of_an_attempt_that_it_interrupts_at_any_step(
    plain: Find, clip: str, tmp_path: Path
) -> None:
    gate = tmp_path / "never"
    batch = plain("interrupted").with_options(out=str(tmp_path / "out")).map([clip], n=1, gate=str(gate))
    until(gate.with_suffix(".began").exists)
    batch.cancel()

    assert states(batch) == ["cancelled"]
    assert list((tmp_path / "out").iterdir()) == []


def test_each_of_thousands_ends_once_when_a_batch_is_cancelled_in_the_middle(
    engine: LocalEngine, plain: Find, clip: str
) -> None:
    count = 30_000  # what is stopped in one turn, several times
    plain("echo").remote(clip, n=0)
    engine.control("pause")
    batch = plain("echo").starmap((clip, {"n": n}) for n in range(1, count + 1))
    engine.control("resume")
    until(lambda: batch.progress.counts.succeeded)

    batch.cancel()
    outcomes = list(batch)

    counts = batch.progress.counts
    assert (counts.queued, counts.running, counts.failed) == (0, 0, 0)
    assert counts.succeeded + counts.cancelled == count
    assert len(outcomes) == len({outcome.finished.invocation for outcome in outcomes}) == count
    assert plain("echo").remote(clip, n=count + 1).n == count + 1


def test_cancel_of_a_small_part_leaves_other_batches_alone(plain: Find, clip: str, tmp_path: Path) -> None:
    others = plain("echo").starmap((clip, {"n": n}) for n in range(500))
    batch = plain("linger").starmap((clip, {"n": n, "gate": str(tmp_path / "never")}) for n in range(4))
    batch.cancel()

    assert states(others) == ["succeeded"] * 500


def test_retry_queues_what_failed_again(engine: LocalEngine, plain: Find, clip: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    batch = plain("linger").map([clip], n=1, gate=str(gate))
    batch.cancel()
    gate.write_text("")

    assert engine.retry(batch.id) == 1
    assert states(batch) == ["succeeded"]
    assert engine.status(batch.id).counts.cancelled == 0


def test_prints_and_log_lines_of_a_body_are_in_its_log(engine: LocalEngine, plain: Find, clip: str) -> None:
    batch = plain("says").map([clip], n=3)
    batch.wait()

    text = Path(engine.explain(f"{batch.id}.1")["log"]).read_text()
    assert "printed 3" in text
    assert "logged 3" in text


def test_an_unknown_batch_is_named(engine: LocalEngine) -> None:
    with pytest.raises(CallerError, match="zzzzzz"):
        engine.status("zzzzzz")
    with pytest.raises(CallerError, match="zzzzzz"):
        engine.results("zzzzzz")


def test_work_that_is_larger_than_the_pool_is_refused(plain: Find, clip: str) -> None:
    with pytest.raises(CallerError, match="memory"):
        _needing(plain("echo"), memory="900TiB").map([clip], n=1)


def _needing(function: Any, **needs: Any) -> Any:
    copy = function.with_options()
    copy._declared = replace(function._declared, resources=Resources(**needs))
    return copy


def test_a_slot_serves_hundreds_of_batches(plain: Find, clip: str) -> None:
    echo = plain("echo")

    assert [echo.remote(clip, n=n).n for n in range(300)] == list(range(300))
