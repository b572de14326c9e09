"""An attempt that dies behind its gate: whoever comes next ends what is there, and does not do it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rushes.core.states import State
from rushes.errors import CallerError
from rushes.ledger import Claim, Kept, WorkItem
from rushes.runtime.ownership import RECEIPT_KIND
from rushes.runtime.shared.claims.run import LEASE_S, ClaimRunner
from rushes.runtime.shared.objects.marks import mark_of
from rushes.testing.clock import FakeClock
from rushes.testing.ledger import StubLedger
from rushes.testing.store import StubStore

CLIP, OUT = "stub://cards/A001.mov", "stub://proxies/dune"
FUNCTIONS = Path(__file__).parents[2] / "claimed.py"
ONE = "k7m2qx.1"


class Died(BaseException):
    """Nothing of a process goes on once it is killed."""


class Fate:
    """Lets a process die at its n-th request behind the gate: before it is sent, or once it is answered."""

    def __init__(self) -> None:
        self.at, self.after = -1, False
        self.passed = self.dead = False
        self.requests = 0

    def ask(self, act: Callable[[], Any]) -> Any:
        if not self.passed or self.at < 0:
            return act()
        if self.dead:
            raise Died
        mine = self.requests == self.at
        self.requests += 1
        self.dead = mine
        if mine and not self.after:
            raise Died
        made = act()
        if mine:
            raise Died
        return made


class Fated:
    """A ledger or a store that a process dies at."""

    def __init__(self, real: Any, fate: Fate) -> None:
        self._real, self._fate = real, fate

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **more: self._fate.ask(
            lambda: getattr(self._real, name)(*arguments, **more)
        )

    def extend(self, claim: Claim, until: float, *, cost_nano: int = 0, intent: str = "") -> Kept:
        kept: Kept = self._real.extend(claim, until, cost_nano=cost_nano, intent=intent)
        self._fate.passed = self._fate.passed or bool(intent)
        return kept


class World:
    """A ledger, a store, and hosts that die."""

    def __init__(self, folder: Path, *, receipts: str = "beside", with_folder: bool = True) -> None:
        self.clock, self.ledger = FakeClock(), StubLedger()
        self.store = StubStore(self.clock)
        self.store.put(CLIP, b"clip")
        self.scratch, self.tally = folder / "scratch", folder / "tally"
        self.scratch.mkdir()
        spec = {
            "function": f"{FUNCTIONS}:several", "version": "1", "source_digest": "", "params": "{}",
            "show": "dune", "priority": "urgent", "deadline": None, "out": OUT, "name": None,
            "receipts": receipts, "retries": 2,
        }  # fmt: skip
        self.ledger.open("k7m2qx", spec, self.clock.now())
        params = json.dumps({"tally": str(self.tally), "folder": with_folder})
        mark = mark_of(self.store.look(CLIP))
        self.ledger.add("k7m2qx", [WorkItem(ONE, CLIP, "ab" * 32, params=params, fingerprint=mark)])

    def host(self, name: str, fate: Fate) -> ClaimRunner:
        return ClaimRunner(
            Fated(self.ledger, fate), Fated(self.store, fate), self.scratch, name,
            lambda uri: uri.rpartition("/")[2], clock=self.clock.now, sleep=self.clock.advance,
        )  # fmt: skip

    @property
    def runs(self) -> int:
        """Of the body."""
        return len(self.tally.read_text().splitlines())

    def text(self, uri: str) -> str:
        return bytes(self.store.reader(uri).readall() or b"").decode()

    def outputs(self) -> dict[str, str]:
        return {
            one.uri: self.text(one.uri)
            for one in self.store.listing(OUT)
            if not one.uri.endswith(".rushes.json")
        }

    def assert_whole(self) -> None:
        entry = self.ledger.entry(ONE)
        assert entry is not None
        assert entry.end is not None
        assert entry.state is State.succeeded
        data = json.loads(entry.end.data)
        assert data["outputs"] == [f"{OUT}/A001-{name}" for name in ("a.txt", "b", "c.txt")]
        for fact in data["published"]:
            receipt = json.loads(self.text(fact["receipt"]))
            assert receipt["kind"] == RECEIPT_KIND
            assert {one["path"]: one["sha256"] for one in receipt["outputs"]}[fact["path"]] == fact["sha256"]
            if not fact["path"].endswith("/A001-b"):
                found = self.store.look(fact["path"])
                assert (found.sha256, found.mark) == (fact["sha256"], fact["mark"])


@pytest.mark.parametrize("after", [False, True])
def test_wherever_it_dies_behind_the_gate_what_is_there_is_not_done_again(
    tmp_path: Path, *, after: bool
) -> None:
    again, not_again = 0, 0
    for at in range(99):
        folder = tmp_path / str(at)
        folder.mkdir()
        world, fate = World(folder), Fate()
        fate.at, fate.after = at, after
        try:
            world.host("host-a", fate).run(ONE)
        except Died:
            before = world.outputs()
        else:
            break
        said = len(before) == 4 and f"{OUT}/A001-c.txt" in before
        world.clock.advance(LEASE_S)
        world.host("host-b", Fate()).run(ONE)
        world.assert_whole()
        assert world.runs == (1 if said else 2), at
        again, not_again = again + (not said), not_again + said
        if said:
            assert world.outputs() == before
    assert again > 10
    assert not_again >= 2  # before the end is said, and once it is said
    assert at > 15


def test_what_was_about_to_be_published_is_said_with_the_leave_and_gone_with_the_end(tmp_path: Path) -> None:
    world, fate = World(tmp_path), Fate()
    fate.at = 0
    with pytest.raises(Died):
        world.host("host-a", fate).run(ONE)
    world.clock.advance(LEASE_S)
    claim = world.ledger.claim(ONE, "host-b", world.clock.now(), world.clock.now() + 60)
    assert isinstance(claim, Claim)
    assert [one["path"] for one in json.loads(claim.intent)["made"]["published"]] == [
        f"{OUT}/A001-{name}" for name in ("a.txt", "b", "c.txt")
    ]


def _published(world: World) -> None:
    """The first host publishes all of it, and dies before it can say so."""
    fate = Fate()
    host = world.host("host-a", fate)

    def die(*_: Any) -> None:
        raise Died

    host.ledger.finish = die  # type: ignore[method-assign, assignment]
    with pytest.raises(Died):
        host.run(ONE)
    world.clock.advance(LEASE_S)


def test_without_receipts_files_are_known_by_what_they_are(tmp_path: Path) -> None:
    world = World(tmp_path, receipts="none", with_folder=False)
    _published(world)
    before = world.outputs()
    world.host("host-b", Fate()).run(ONE)
    assert (world.runs, world.outputs()) == (1, before)
    entry = world.ledger.entry(ONE)
    assert entry is not None
    assert (entry.state, entry.losses) == (State.succeeded, 1)


@pytest.mark.parametrize("what", ["output", "receipt", "gone"])
def test_what_somebody_has_changed_since_is_not_taken_for_the_result(tmp_path: Path, what: str) -> None:
    world = World(tmp_path, with_folder=False)
    _published(world)
    if what == "gone":
        world.store._objects.pop(f"{OUT}/A001-a.txt")
    else:
        world.store.put(f"{OUT}/A001-a.txt{'' if what == 'output' else '.rushes.json'}", b"theirs")
    world.host("host-b", Fate()).run(ONE)
    entry = world.ledger.entry(ONE)
    assert entry is not None
    assert world.runs == 2
    assert entry.state is (State.succeeded if what == "gone" else State.failed)


def test_an_intent_that_the_ledger_cannot_take_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)

    def too_big(*_: Any, intent: str = "", **__: Any) -> Kept:
        if intent:
            raise CallerError("too large.", code="result-too-big")
        return "kept"

    monkeypatch.setattr(world.ledger, "extend", too_big)
    world.host("host-a", Fate()).run(ONE)
    assert world.outputs() == {}
