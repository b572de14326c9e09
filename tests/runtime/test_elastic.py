"""The size of the pool over time, on a clock of the test's own and with the real scheduler."""

from __future__ import annotations

import json
import os
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rushes.core.events import Capacity, QueueKey, Shape
from rushes.core.scheduler import Scheduler
from rushes.core.states import State
from rushes.errors import CallerError
from rushes.runtime.configuration.capacity_file import CapacityFile
from rushes.runtime.dispatch.pool import QUEUED, RUNNING
from rushes.runtime.scaling.elastic import EVERY_S, Elastic

GIB = float(1 << 30)
MIDNIGHT = 1_700_006_400.0
SLOTS = """
tiers:
  here: {cpu: 1, memory: 2GiB, purchase: owned, region: here}
fleets:
  here:
"""


class Desk:
    """A pool of sixteen cores; `at` lets time come, `queue` says what waits and runs."""

    def __init__(self, file: Path | None, text: str = "") -> None:
        whole = Capacity(cpu=16.0, memory=64 * GIB, gpu=1.0)
        self.scheduler = Scheduler(whole)
        self.taken = 0.0
        self.pool = SimpleNamespace(
            capacity=whole, size=whole, now=MIDNIGHT, paused=False, batches={}, feed=self._feed,
            scheduler=SimpleNamespace(expected_s=lambda _: 60.0, taken=Capacity(0.0, 0.0), classes=()),
        )  # fmt: skip
        if file is not None:
            file.write_text(SLOTS + text)
        self.elastic = Elastic(
            cast("Any", self.pool), "here", None if file is None else CapacityFile(file, {})
        )

    def _feed(self, event: Any) -> None:
        self.scheduler.handle(event, self.pool.now)
        assert self.scheduler.snapshot().capacity["cpu"] == self.pool.size.cpu

    def after(self, seconds: float) -> float:
        """Its cores after so many seconds of turns."""
        until = self.pool.now + seconds
        while self.pool.now < until:
            self.pool.now += min(EVERY_S, until - self.pool.now)
            self.elastic.tick()
        return float(self.pool.size.cpu)

    def queue(self, waiting: int, running: int = 0) -> None:
        counts = [0] * len(State)
        counts[QUEUED], counts[RUNNING] = waiting, running
        state = SimpleNamespace(
            counts=counts, stopping=None, shape=Shape("b", "e", "f"), queue=QueueKey("standard", "dune")
        )
        self.pool.batches = {1: state}
        self.pool.scheduler.taken = Capacity(float(running), 0.0)


@pytest.fixture(autouse=True)
def greenwich(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_without_a_file_the_pool_has_the_whole_machine_and_nothing_is_done() -> None:
    desk = Desk(None)
    desk.queue(500)

    assert desk.after(60.0) == 16.0
    assert desk.elastic.describe()["tiers"] == []


def test_a_pool_begins_with_what_is_kept_warm_and_grows_with_its_work(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "c.yaml", "    {minimum: 2, maximum: 12, steps: [{from: 1, hosts: 12}]}")
    assert desk.pool.size == Capacity(cpu=2.0, memory=4 * GIB, gpu=1.0)

    desk.queue(40)

    assert desk.after(EVERY_S) == 12.0
    assert desk.elastic.describe()["tiers"][0]["reason"].startswith(
        "12 hosts: 40 invocations are not finished"
    )


def test_what_is_known_of_how_long_work_takes_sizes_the_pool(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "c.yaml", "    {maximum: 16, drain: {standard: 10m}}")

    desk.queue(50)  # of a minute each

    assert desk.after(EVERY_S) == 5.0


def test_idle_slots_go_after_the_idle_time_and_not_before(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "c.yaml", "    {minimum: 1, maximum: 8, idle: 5m, steps: [{from: 1, hosts: 8}]}")
    desk.queue(40, 0)
    desk.after(EVERY_S)
    desk.queue(0, 8)
    assert desk.after(600.0) == 8.0  # they work

    desk.queue(0, 0)

    assert desk.after(290.0) == 8.0
    assert desk.after(20.0) == 1.0


def test_by_day_there_are_fewer_and_what_runs_when_the_day_begins_goes_on(tmp_path: Path) -> None:
    # given a workstation that gives sixteen slots at night, and two from eight on
    desk = Desk(
        tmp_path / "c.yaml",
        "    {maximum: 16, steps: [{from: 1, hosts: 16}], schedule: [{from: 8, to: 20, maximum: 2}]}",
    )
    desk.pool.now = MIDNIGHT + 8 * 3600 - 10.0
    desk.queue(500, 16)
    desk.elastic.tick()
    assert desk.after(4.0) == 16.0

    # when it is eight o'clock and all of them work
    assert desk.after(10.0) == 2.0

    # then as many leave as are too many, one by one as their work ends
    (tier,) = desk.elastic.describe()["tiers"]
    assert (tier["hosts"], tier["busy"], tier["leaving"]) == (2, 2, 14)
    desk.queue(500, 5)
    desk.after(EVERY_S)
    assert desk.elastic.describe()["tiers"][0]["leaving"] == 3
    assert desk.after(12 * 3600.0) == 16.0


def test_a_pool_without_a_slot_does_not_wait_for_the_next_turn_with_its_first_work(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "c.yaml", "    {maximum: 4, idle: 10s, calm: 0s}")
    assert desk.pool.size.cpu == 0.0

    desk.queue(1)
    desk.pool.now += 0.01
    desk.elastic.tick()

    assert desk.pool.size.cpu == 1.0


def test_a_pool_never_has_more_than_the_machine(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "c.yaml", "    {maximum: 50, steps: [{from: 1, hosts: 50}]}")

    desk.queue(999)

    assert desk.after(120.0) == 16.0


def test_a_person_s_word_goes_before_the_policy_until_it_is_taken_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "c.yaml", "    {maximum: 8, idle: 1m, calm: 0s, steps: [{from: 1, hosts: 8}]}")
    desk.queue(99)
    desk.after(EVERY_S)

    desk.elastic.pin(3)
    assert desk.pool.size.cpu == 3.0
    assert desk.after(600.0) == 3.0
    assert desk.elastic.describe()["pinned"] == 3

    desk.elastic.pin(None)
    assert desk.pool.size.cpu == 8.0


def test_without_a_file_a_person_may_resize_the_pool_and_give_it_back() -> None:
    desk = Desk(None)

    desk.elastic.pin(5)
    assert desk.pool.size == Capacity(cpu=5.0, memory=64 * GIB, gpu=1.0)
    desk.elastic.pin(0)
    assert desk.pool.size.cpu == 0.0
    desk.elastic.pin(None)

    assert desk.pool.size == desk.pool.capacity


def test_more_slots_than_the_machine_has_are_refused_and_nothing_changes() -> None:
    desk = Desk(None)

    with pytest.raises(CallerError) as refused:
        desk.elastic.pin(17)

    assert refused.value.code == "bad-pool-size"
    assert desk.pool.size.cpu == 16.0


def test_a_file_that_has_changed_is_taken_and_one_that_cannot_be_used_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.yaml"
    desk = Desk(file, "    {minimum: 4, maximum: 8}")
    assert desk.pool.size.cpu == 4.0

    file.write_text(SLOTS + "    {minimum: 6, maximum: 8}")
    assert desk.after(EVERY_S) == 6.0
    file.write_text(SLOTS + "    {minimum: 9, maximum: 8}")
    assert desk.after(EVERY_S) == 6.0
    assert "cannot have 9" in desk.elastic.describe()["problem"]
    file.write_text("{")
    desk.after(EVERY_S)
    assert "c.yaml cannot be read" in desk.elastic.describe()["problem"]
    file.write_text(SLOTS + "    {minimum: 7, maximum: 8}")

    assert desk.after(EVERY_S) == 7.0
    assert desk.elastic.describe()["problem"] == ""
    assert "still holds" in capsys.readouterr().err


TOML = """
[tiers.here]
cpu = 1
memory = "1GiB"
purchase = "owned"
region = "here"
[fleets.here]
maximum = 3
minimum = 3
"""


@pytest.mark.parametrize(("name", "text"), [("c.toml", TOML), ("c.json", json.dumps(tomllib.loads(TOML)))])
def test_a_file_may_be_toml_or_json(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)

    assert CapacityFile(file, {}).read().scaling.fleets[0].minimum == 3


@pytest.mark.parametrize("text", [None, "tiers: [", "tiers: {}\nfleet: {}"])
def test_a_file_that_cannot_be_used_is_refused_by_its_name(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "c.yaml"
    if text is not None:
        file.write_text(text)
        os.utime(file)

    with pytest.raises(CallerError) as refused:
        CapacityFile(file, {}).read()

    assert refused.value.code == "bad-capacity"
    assert "c.yaml" in refused.value.message
