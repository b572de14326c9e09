"""State changes go out: a real worker, a real program that hears, kills in between."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from rushes import catalog
from rushes.core.sinks import KINDS
from rushes.engines.local import LocalEngine
from rushes.runtime.configuration.event_file import event_sinks

ASIDE = Path(__file__).with_name("aside.py")
Heard = Callable[[], list[dict[str, Any]]]
ALL = json.dumps(KINDS)


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Heard:
    """A sink that writes down what it is told; a `stuck` file makes it refuse."""
    program, told = tmp_path / "hear", tmp_path / "told"
    # At one go: nobody reads half a line, and whoever is killed leaves none.
    text = f"test -e {tmp_path}/stuck && exit 1\ncat > {told}.$$ && cat {told}.$$ >> {told}\n"
    program.write_text(f"#!/bin/sh\n{text}")
    program.chmod(0o700)
    path = tmp_path / "events.toml"
    path.write_text(f'[sinks.all]\ncommand = ["{program}"]\nevents = {ALL}\n')
    monkeypatch.setenv("RUSHES_EVENTS", str(path))

    def read() -> list[dict[str, Any]]:
        whole = told.read_text().rpartition("\n")[0] if told.exists() else ""
        return [json.loads(line) for line in whole.splitlines()]

    return read


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return [one["type"].removeprefix("rushes.") for one in found]


def ended(found: list[dict[str, Any]], count: int = 1) -> bool:
    return kinds(found).count("batch.ended") >= count


def test_one_invocation_is_told_of_from_its_queueing_to_the_end_of_its_batch(
    heard: Heard, plain: Callable[[str], Any], clip: str, tmp_path: Path
) -> None:
    write = plain("write").with_options(show="dune", tags={"reel": "A001"}, out=str(tmp_path / "out"))
    batch = write.map([clip], n=1)
    batch.wait()
    until(lambda: ended(heard()))
    found = heard()
    assert kinds(found) == [
        "invocation.queued",
        "invocation.started",
        "invocation.succeeded",
        "batch.ended",
    ]
    done = found[2]
    assert (done["specversion"], done["subject"]) == ("1.0", f"{batch.id}.1")
    data = done["data"]
    assert (data["show"], data["tags"], data["asset"]) == ("dune", {"reel": "A001"}, clip)
    assert (data["state"], data["attempt"]) == ("succeeded", 1)
    assert [Path(one).name for one in data["outputs"]] == ["1.txt"]
    assert found[3]["data"]["counts"] == {"succeeded": 1}
    assert len({one["id"] for one in found}) == len(found)


def test_what_has_ended_says_what_it_cost_where_there_is_a_price(
    heard: Heard, plain: Callable[[str], Any], clip: str, prices: Callable[[str], None]
) -> None:
    prices("schema = 1\n[tiers.here]\nusd_per_hour = 3.6\n")
    batch = plain("echo").starmap((clip, {"n": n}) for n in range(2))
    batch.wait()
    until(lambda: ended(heard()))
    said = {one["subject"]: one["data"] for one in heard() if "cost_usd" in one["data"]}
    assert sorted(said) == sorted([batch.id, f"{batch.id}.1", f"{batch.id}.2"])
    assert round(said[batch.id]["cost_usd"] * 1e9) == batch.cost.nano


def test_a_failure_carries_its_stable_code(
    heard: Heard, plain: Callable[[str], Any], clip: str, tmp_path: Path
) -> None:
    plain("fails_at_first").map([clip], folder=str(tmp_path), kind="media").wait()
    until(lambda: ended(heard()))
    failed = next(one for one in heard() if one["type"] == "rushes.invocation.failed")
    assert (failed["data"]["error"]["kind"], failed["data"]["error"]["code"]) == ("media", "truncated")


def test_a_try_that_failed_is_held_with_its_reason_before_the_next(
    heard: Heard, plain: Callable[[str], Any], clip: str, tmp_path: Path
) -> None:
    plain("fails_at_first").map([clip], folder=str(tmp_path)).wait()
    until(lambda: ended(heard()))
    found = heard()
    assert [one.removeprefix("invocation.") for one in kinds(found)][1:-1] == [
        "started", "held", "started", "succeeded",
    ]  # fmt: skip
    assert found[2]["data"]["reason"] == "tool-failed; retry 1 of 2"
    assert found[2]["data"]["error"]["code"] == "tool-failed"


def test_who_stands_aside_is_told_and_for_whom(
    heard: Heard, engine: LocalEngine, clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_CPU", "1")
    small = LocalEngine()
    hold = catalog.find(f"{ASIDE}:hold")
    gates = [tmp_path / "low.gate", tmp_path / "urgent.gate"]
    low = hold.with_options(priority="background").map([clip], gate=str(gates[0]))
    until(lambda: any(slot["seconds"] > 1.1 and slot["running"] for slot in small.pool().get("slots", ())))
    urgent = hold.with_options(priority="urgent").map([clip], gate=str(gates[1]))
    until(lambda: low.progress.counts.paused == 1)
    for gate in gates:
        gate.touch()
    low.wait()
    urgent.wait()
    until(lambda: ended(heard(), 2))
    of_low = [
        one for one in heard() if one["data"]["batch"] == low.id and not one["type"].endswith("progress")
    ]
    assert [one.removeprefix("invocation.") for one in kinds(of_low)][1:-1] == [
        "started", "displaced", "resumed", "succeeded",
    ]  # fmt: skip
    assert (of_low[2]["data"]["by"], of_low[2]["data"]["state"]) == (urgent.id, "paused")
    small.close()


def test_a_sink_that_refuses_is_told_again_and_work_goes_on(
    heard: Heard,
    engine: LocalEngine,
    plain: Callable[[str], Any],
    clip: str,
    tmp_path: Path,
) -> None:
    (tmp_path / "stuck").touch()
    plain("echo").map([clip], n=1).wait()
    until(lambda: engine.pool()["events"][0]["tries"])
    assert heard() == []
    assert engine.pool()["events"][0]["error"].startswith("the command ended with status 1")
    (tmp_path / "stuck").unlink()
    until(lambda: ended(heard()))
    assert kinds(heard())[0] == "invocation.queued"
    assert engine.pool()["events"][0]["dropped"] == 0


def test_what_was_not_told_before_a_worker_was_killed_is_told_by_the_next(
    heard: Heard,
    engine: LocalEngine,
    plain: Callable[[str], Any],
    clip: str,
    tmp_path: Path,
) -> None:
    (tmp_path / "stuck").touch()
    plain("echo").map([clip] * 20, n=1).wait()
    until(lambda: engine.pool()["events"][0]["tries"])
    os.kill(engine.pool()["worker"]["pid"], signal.SIGKILL)
    (tmp_path / "stuck").unlink()
    plain("echo").map([clip], n=2).wait()
    until(lambda: ended(heard(), 2))
    ends = [one["subject"] for one in heard() if one["type"] == "rushes.invocation.succeeded"]
    assert len(set(ends)) == 21


def test_a_new_sink_hears_of_what_happens_from_now_on(
    engine: LocalEngine, plain: Callable[[str], Any], clip: str, request: pytest.FixtureRequest
) -> None:
    plain("echo").map([clip], n=1).wait()
    engine.control("stop")
    until(lambda: not engine.running())
    heard = request.getfixturevalue("heard")
    assert event_sinks(os.environ)
    second = plain("echo").map([clip], n=2)
    second.wait()
    until(lambda: ended(heard()))
    assert {one["data"]["batch"] for one in heard()} == {second.id}
