"""Spare slot processes: when they are opened and closed, what becomes of one, and what it has loaded."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rushes.core.classes import DEFAULT_CLASSES
from rushes.core.events import Capacity
from rushes.core.spares import SparePolicy
from rushes.runtime.dispatch import spares as module
from rushes.runtime.dispatch.spares import COMES_UP_S, REST_S, Spares
from rushes.runtime.wire import WIRE

GIB = 2.0**30
UNUSED_S = SparePolicy().unused_s


class Process:
    """A slot process without a process."""

    def __init__(self, number: int, environment: str, *_: Any, prepared: bool) -> None:
        assert prepared
        self.number, self.environment = number, environment
        self.ready = self.killed = self.let_went = False
        self.began = self.alive = 0.0
        self.said: list[Any] | None = []
        self.process = SimpleNamespace(poll=lambda: None)

    def hear(self) -> list[Any] | None:
        return self.said

    def kill(self) -> None:
        self.killed = True

    def let_go(self) -> None:
        self.let_went = True


class Bench:
    """A pool of two cores in which one slot is held by a class, and its spares; `at` lets a time come."""

    def __init__(self, priority: str = "background") -> None:
        self.now = 1000.0
        self.run = SimpleNamespace(waits_since=0.0, paused_since=0.0, ask=lambda number: number)
        self.standing: set[int] = set()
        slot = SimpleNamespace(
            number=1, environment="py:src", given=[1 << 32 | 1], began=self.now, ready=True
        )
        state = SimpleNamespace(
            queue=SimpleNamespace(priority=priority), shape=SimpleNamespace(preemptible=True)
        )
        swarms = SimpleNamespace(stands=lambda number: number in self.standing)
        self.pool: Any = SimpleNamespace(
            now=self.now, slots={1: slot}, spares=[], dying=[], draining=False, home=None,
            size=Capacity(2.0, 8 * GIB), running={1 << 32 | 1: self.run}, batches={1: state},
            environments={"py:src": {"executable": "python"}}, run_on=lambda *_: self.run,
            scheduler=SimpleNamespace(classes=DEFAULT_CLASSES, swarms=swarms),
        )  # fmt: skip
        self.listening: list[Any] = []
        self.spares = Spares(cast("Any", self.pool), self.listening.append, self.listening.remove)

    def at(self, seconds: float) -> list[Any]:
        for slot in self.pool.spares:
            slot.began = slot.began or self.pool.now
            slot.alive = slot.alive or self.pool.now
        self.pool.now = self.now + seconds
        self.spares.tick()
        found: list[Any] = self.pool.spares
        return found

    def come_up(self, wire: int = WIRE) -> Any:
        (slot,) = self.pool.spares
        slot.said = [(["ready", wire, 1, ""], b"")]
        self.spares.hear(slot)
        slot.said = []
        return slot


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bench]:
    monkeypatch.setattr(module, "SlotProcess", Process)
    return Bench


def test_one_is_opened_beside_work_that_holds_its_slot_for_long(bench: Callable[..., Bench]) -> None:
    one = bench()

    assert not one.at(1.5)
    (spare,) = one.at(3.0)

    assert spare.environment == "py"
    assert one.listening == [spare]
    assert one.at(9.0) == [spare]


@pytest.mark.parametrize("priority", ["interactive", "urgent"])
def test_none_is_opened_where_nobody_would_stand_aside(bench: Callable[..., Bench], priority: str) -> None:
    one = bench(priority)
    one.pool.batches[1].shape.preemptible = priority != "urgent"

    assert not one.at(30.0)


def test_none_is_opened_while_somebody_stands_aside_for_a_swarm(bench: Callable[..., Bench]) -> None:
    one = bench()
    one.run.paused_since = one.now + 5.0
    one.standing = {1 << 32 | 1}

    assert not one.at(30.0)
    one.standing = set()  # it is held for its budget, and keeps its slot
    assert one.at(32.0)


def test_none_is_opened_while_a_slot_comes_up(bench: Callable[..., Bench]) -> None:
    one = bench()
    one.pool.slots[2] = SimpleNamespace(number=2, environment="py:src", given=[], began=0.0, ready=False)

    assert not one.at(30.0)


def test_none_is_opened_for_a_worker_that_is_to_end(bench: Callable[..., Bench]) -> None:
    one = bench()
    one.pool.draining = True

    assert not one.at(30.0)


def test_it_is_a_slot_of_any_source_of_its_interpreter(bench: Callable[..., Bench]) -> None:
    one = bench()
    one.at(3.0)
    spare = one.come_up()

    assert one.spares.take(7, "other:src") is None
    slot = one.spares.take(7, "py:another")

    assert slot is spare
    assert (slot.number, slot.environment, slot.ready) == (7, "py:another", True)
    assert not one.pool.spares
    assert one.listening == [spare]


def test_one_that_is_not_ready_yet_is_nearer_to_it_than_a_new_one(bench: Callable[..., Bench]) -> None:
    one = bench()
    (spare,) = one.at(3.0)

    slot = one.spares.take(7, "py:src")

    assert slot is spare
    assert not slot.ready


def test_one_that_nobody_could_have_used_for_long_is_closed(bench: Callable[..., Bench]) -> None:
    one = bench()
    one.at(3.0)
    spare = one.come_up()
    one.pool.running.clear()
    one.pool.slots.clear()

    assert one.at(UNUSED_S) == [spare]
    assert not one.at(3.0 + UNUSED_S)

    assert spare.let_went
    assert one.pool.dying == [spare]
    assert not one.listening


@pytest.mark.parametrize("how", ["died", "slow", "foreign"])
def test_where_one_did_not_come_up_none_is_tried_for_a_while(bench: Callable[..., Bench], how: str) -> None:
    one = bench()
    (spare,) = one.at(3.0)
    if how == "died":
        spare.said = None
        one.spares.hear(spare)
    elif how == "foreign":
        one.come_up(WIRE + 1)
    else:
        one.at(5.0)
        one.at(4.0 + COMES_UP_S + 1.0)

    assert spare.killed
    assert one.pool.dying == [spare]
    assert not one.at(10.0 + COMES_UP_S)
    assert one.at(10.0 + COMES_UP_S + REST_S)


def test_one_that_died_after_it_came_up_is_replaced(bench: Callable[..., Bench]) -> None:
    one = bench()
    one.at(3.0)
    spare = one.come_up()
    spare.said = None
    one.spares.hear(spare)

    (other,) = one.at(5.0)

    assert other is not spare


def test_the_first_encode_of_a_spare_loads_nothing_but_its_function(media: Any, tmp_path: Any) -> None:
    """What `prepare` names is held against what an encode, from its clip to its published output, loads."""
    script = """
        import json, subprocess, sys
        from pathlib import Path
        import rushes.runtime.slots.slot
        from rushes.runtime.slots.preparing import prepare
        prepare()
        before = set(sys.modules)
        started, run = [], subprocess.run
        subprocess.run = lambda argv, **how: started.append(argv) or run(argv, **how)
        from rushes import catalog
        from rushes.asset import Asset
        from rushes.runtime.attempts.attempt import Task, run_attempt
        clip, out = sys.argv[1:]
        made = catalog.find("transcode")
        params = made.params_model(speed="ultrafast")
        task = Task(made, Asset(clip), params, "x.1", 1, out=out, logs=Path(out))
        run_attempt(task, lambda *_: None, lambda _: None, lambda: False)
        assert list(Path(out).glob("*.mp4")), "nothing was made"
        print(json.dumps([sorted(set(sys.modules) - before), started]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(media("h264.mp4")), str(tmp_path / "out")],
        check=True,
        capture_output=True,
        text=True,
    )

    loaded, started = json.loads(done.stdout)
    assert not [name for name in loaded if name.partition(".")[0] in {"rushes", "av", "ffmpeg", "pydantic"}]
    assert started == []
