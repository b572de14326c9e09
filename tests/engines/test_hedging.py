"""Two attempts at one invocation, for real: who is done first is published, once; the other one ends."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from rushes.engines.local import LocalEngine

Find = Callable[[str], Any]
PRICES = """
schema = 1
[tiers.here]
usd_per_hour = 36
source = "a test"
as_of = "2026-01"
"""


@pytest.fixture
def hedged(
    engine: LocalEngine, plain: Find, clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LocalEngine]:
    """A pool of four cores that soon begins second attempts, and knows how long `race` takes."""
    file = tmp_path / "capacity.yaml"
    file.write_text("tiers: {}\nstragglers: {hedge: true, least: 500ms, far: 2, most_share: 1}\n")
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES)
    monkeypatch.setenv("RUSHES_PRICES", str(prices))
    monkeypatch.setenv("RUSHES_CAPACITY", str(file))
    monkeypatch.setenv("RUSHES_CPU", "4")
    made = LocalEngine()
    learnt = plain("race").with_options(out=str(tmp_path / "learnt")).map([clip] * 2, n=0)
    assert all(outcome.ok for outcome in learnt)
    yield made
    made.close()


class Pair:
    """One invocation whose first attempt crawls, and a second one beside it."""

    def __init__(self, engine: LocalEngine, plain: Find, clip: str, folder: Path) -> None:
        self.engine, self.folder, self.out = engine, folder / "marks", folder / "out"
        self.folder.mkdir()
        race = plain("race").with_options(out=str(self.out), force=True)
        self.batch = race.map([clip], n=1, folder=str(self.folder))
        until((self.folder / "second.pid").exists)

    def go(self, who: str) -> None:
        (self.folder / f"go-{who}").touch()

    def kill(self, who: str) -> None:
        os.kill(
            int(until((self.folder / f"{who}.pid").read_text)), signal.SIGKILL
        )  # it is there before its text

    def ended(self) -> tuple[Any, list[str]]:
        """Its outcome, and what became of its attempts that do not count."""
        (outcome,) = self.batch
        until(lambda: self.engine.status(self.batch.id).ended)
        found = self.engine.explain(f"{self.batch.id}.1")
        return outcome, [one["outcome"] for one in found["history"]]

    def published(self) -> str:
        assert sorted(path.name for path in self.out.iterdir()) == ["who.txt", "who.txt.rushes.json"]
        return (self.out / "who.txt").read_text()


@pytest.fixture
def pair(hedged: LocalEngine, plain: Find, clip: str, tmp_path: Path) -> Pair:
    return Pair(hedged, plain, clip, tmp_path)


@pytest.mark.parametrize("winner", ["first", "second"])
def test_whoever_is_done_first_is_published_and_the_other_is_beaten(pair: Pair, winner: str) -> None:
    (running,) = [one for one in pair.engine.status(pair.batch.id).running if "second" in one["note"]]
    assert running["invocation"] == f"{pair.batch.id}.1"
    assert "a second attempt runs beside it" in pair.engine.explain(f"{pair.batch.id}.1")["reason"]

    pair.go(winner)

    outcome, others = pair.ended()
    assert (outcome.ok, pair.published()) == (True, winner)
    assert others == ["beaten"]
    assert pair.engine.explain(f"{pair.batch.id}.1")["attempts"] == 1
    told = pair.engine.explain(f"{pair.batch.id}.1")
    both_s = told["seconds"] + sum(one["seconds"] for one in told["history"])
    assert pair.engine.status(pair.batch.id).seconds == pytest.approx(both_s)
    until(lambda: all(one["running"] is None for one in pair.engine.pool()["slots"]))
    # and the ledger has both, one of them as waste, and adds up
    found = pair.engine.costs(by="batch")
    lines = [row for row in found["lines"] if row.name == pair.batch.id]
    assert sorted((row.waste, row.attempts) for row in lines) == [(0, 1), (1, 1)]
    assert all(row.compute > 0 for row in lines)
    assert found["ledger"]["off"] == []


@pytest.mark.parametrize(("killed", "left"), [("first", "second"), ("second", "first")])
def test_one_of_a_pair_that_is_killed_leaves_the_other_at_work_and_costs_no_try(
    pair: Pair, killed: str, left: str
) -> None:
    pair.kill(killed)
    until(lambda: len(pair.engine.status(pair.batch.id).running) == 1)
    pair.go(left)

    outcome, others = pair.ended()

    assert (outcome.ok, pair.published()) == (True, left)
    assert others == ["slot-lost"]
    assert pair.engine.explain(f"{pair.batch.id}.1")["attempts"] == 1


def test_when_both_of_a_pair_are_killed_it_is_tried_again(pair: Pair) -> None:
    pair.kill("first")
    until(lambda: len(pair.engine.status(pair.batch.id).running) == 1)
    pair.kill("second")
    until((pair.folder / "third").exists)
    pair.go("third")

    outcome, others = pair.ended()

    assert (outcome.ok, pair.published()) == (True, "third")
    assert others == ["slot-lost", "slot-lost"]


def test_both_of_a_pair_end_with_their_batch(pair: Pair) -> None:
    pair.engine.cancel(pair.batch.id)

    counts = pair.engine.status(pair.batch.id).counts
    assert (counts.cancelled, counts.succeeded) == (1, 0)
    until(lambda: all(one["running"] is None for one in pair.engine.pool()["slots"]))
    assert not list(pair.out.glob("who*"))


def test_a_worker_that_is_killed_with_a_pair_at_work_is_followed_by_one_that_does_it_once(
    pair: Pair,
) -> None:
    os.kill(pair.engine.hello["pid"], signal.SIGKILL)
    pair.go("third")

    outcome, _ = pair.ended()

    assert (outcome.ok, pair.published()) == (True, "third")


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(4))
def test_in_a_storm_of_pairs_kills_and_urgent_work_each_is_published_once_and_nothing_is_left(
    hedged: LocalEngine, plain: Find, clip: str, tmp_path: Path, seed: int
) -> None:
    # given slow and quick attempts at sixty clips, and a burst that takes the pool now and then
    chance = random.Random(seed)  # noqa: S311 - repeatable
    out = tmp_path / "out"
    plain("dawdle").with_options(out=str(tmp_path / "learnt")).map([clip] * 3, n=-1).wait()
    batch = plain("dawdle").with_options(out=str(out)).starmap((clip, {"n": n}) for n in range(60))
    bursts: list[Any] = []

    # when slots are killed all the while
    begun = time.monotonic()
    while not hedged.status(batch.id).ended:
        time.sleep(chance.uniform(0.1, 0.6))
        slots = [one for one in hedged.pool()["slots"] if one["running"]]
        if slots and time.monotonic() - begun < 40.0 and chance.random() < 0.5:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(slots)["pid"], signal.SIGKILL)
        if chance.random() < 0.15 and len(bursts) < 6:
            urgent = plain("dawdle").with_options(priority="urgent", out=str(tmp_path / f"u{len(bursts)}"))
            bursts.append(urgent.starmap((clip, {"n": n}) for n in range(4)))

    # then each that was not set aside is there once, and whole
    made = {outcome.result.text for outcome in batch if outcome.ok}
    lost = [outcome.error["code"] for outcome in batch if not outcome.ok]
    assert set(lost) <= {"slot-lost"}
    assert sorted(path.stem.partition("~")[0] for path in out.glob("*.txt")) == sorted(made)
    assert len(made) + len(lost) == 60
    for burst in bursts:
        assert all(outcome.ok or outcome.error["code"] == "slot-lost" for outcome in burst)
    assert not list(out.glob(".rushes-scratch/*"))
    # and the pool has all of its cores again
    last = plain("linger").starmap((clip, {"n": n, "gate": str(tmp_path / "gate")}) for n in range(4))
    until(lambda: len(hedged.status(last.id).running) == 4)
    (tmp_path / "gate").touch()
    assert all(outcome.ok for outcome in last)
