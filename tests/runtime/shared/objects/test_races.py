"""Attempts of one work that publish at the same time, in any order, and may die at any request."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.errors import CallerError, PlatformError, RushesError
from rushes.runtime.attempts.task import Made
from rushes.runtime.ownership import RECEIPT_KIND
from rushes.runtime.shared.objects.publication import Target, publish_made
from rushes.stored import Stored
from rushes.testing.clock import FakeClock
from rushes.testing.store import StubStore

OUT, TARGET = "stub://proxies", "stub://proxies/A001.txt"
SOURCE = Stored("stub://cards/A001.mov", 1, "m", 0.0)


class Died(BaseException):
    """Nothing of a process goes on once it is killed."""


class Turns:
    """Lets one attempt after another do its next request, as a list says."""

    def __init__(self, order: Sequence[int], deaths: dict[int, int]) -> None:
        self._order, self._left = list(order), dict(deaths)
        self._changed = threading.Condition()
        self._alive: set[int] = set()

    def begin(self, who: int) -> None:
        with self._changed:
            self._alive.add(who)

    def end(self, who: int) -> None:
        with self._changed:
            self._alive.discard(who)
            self._changed.notify_all()

    @contextmanager
    def turn(self, who: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._next() == who, 10)
            if self._order:
                self._order.pop(0)
            if who in self._left:
                self._left[who] -= 1
                if self._left[who] < 0:
                    self._alive.discard(who)
                    self._changed.notify_all()
                    raise Died
            try:
                yield
            finally:
                self._changed.notify_all()

    def _next(self) -> int:
        while self._order and self._order[0] not in self._alive:
            self._order.pop(0)
        return self._order[0] if self._order else min(self._alive)


class InTurn:
    """A store of which each request waits for its turn."""

    def __init__(self, store: StubStore, turns: Turns, who: int) -> None:
        self._store, self._turns, self._who = store, turns, who

    def __getattr__(self, name: str) -> Any:
        found: Callable[..., Any] = getattr(self._store, name)

        def call(*arguments: Any, **more: Any) -> Any:
            with self._turns.turn(self._who):
                return found(*arguments, **more)

        return call


def attempt(store: Any, folder: Path, who: int) -> None:
    """Publish what no other attempt has made."""
    folder.mkdir()
    (folder / "A001.txt").write_text(f"made by {who}")
    sha = hashlib.sha256(f"made by {who}".encode()).hexdigest()
    path, receipt = str(folder / "A001.txt"), str(folder / "A001.txt.rushes.json")
    output = {"name": "A001.txt", "path": path, "sha256": sha, "size_bytes": 9}
    Path(receipt).write_text(
        json.dumps({"kind": RECEIPT_KIND, "key": "", "invocation": "", "source": {}, "outputs": [output]})
    )
    made = Made("{}", (path,), receipt, published=[{**output, "receipt": receipt}])
    publish_made(made, Target(store, OUT, folder, "ab" * 32, SOURCE, "k7m2qx.1", who))


@settings(max_examples=60)
@given(
    order=st.lists(st.integers(0, 1), max_size=24),
    deaths=st.dictionaries(st.integers(0, 1), st.integers(0, 9)),
)
def test_one_output_is_left_with_the_receipt_of_it(order: list[int], deaths: dict[int, int]) -> None:
    store, turns = StubStore(FakeClock()), Turns(order, deaths)
    with TemporaryDirectory() as name:
        folder = Path(name)

        def work(who: int) -> None:
            try:
                attempt(InTurn(store, turns, who), folder / str(who), who)
            except (RushesError, Died):
                pass
            finally:
                turns.end(who)

        threads = [threading.Thread(target=work, args=(who,)) for who in (0, 1)]
        for who in (0, 1):
            turns.begin(who)
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        if not deaths:
            assert_one_result(store)
        attempt(store, folder / "2", 2)  # whoever takes over in the end
    assert_one_result(store)
    if not deaths:
        assert store.look(TARGET).sha256 != hashlib.sha256(b"made by 2").hexdigest()


def assert_one_result(store: StubStore) -> None:
    receipt = json.loads(bytes(store.reader(f"{TARGET}.rushes.json").readall() or b""))
    assert receipt["outputs"][0]["sha256"] == store.look(TARGET).sha256


class Beaten(InTurn):
    """A store into which somebody puts an output just before an attempt does."""

    def __init__(self, store: StubStore) -> None:
        super().__init__(store, Turns([], {}), 0)
        self._turns.begin(0)

    def publish(self, source: Path, uri: str, sha256: str, **more: Any) -> Stored:
        if uri == TARGET:
            self._store.put(TARGET, b"somebody else's")
        return self._store.publish(source, uri, sha256, **more)


def test_who_put_its_receipt_first_and_not_its_output_leaves_none_that_describes_it(tmp_path: Path) -> None:
    store = StubStore(FakeClock())
    with pytest.raises(PlatformError) as caught:
        attempt(Beaten(store), tmp_path / "0", 0)
    assert caught.value.code == "target-taken"
    receipt = json.loads(bytes(store.reader(f"{TARGET}.rushes.json").readall() or b""))
    assert receipt == {"kind": RECEIPT_KIND, "withdrawn": True, "outputs": []}
    with pytest.raises(CallerError) as left_alone:  # and what is there is still somebody's
        attempt(store, tmp_path / "1", 1)
    assert left_alone.value.code == "target-exists"


def test_a_receipt_that_was_withdrawn_makes_room_for_the_next(tmp_path: Path) -> None:
    store = StubStore(FakeClock())
    with pytest.raises(PlatformError):
        attempt(Beaten(store), tmp_path / "0", 0)
    del store._objects[TARGET]  # somebody has moved it away
    attempt(store, tmp_path / "1", 1)
    assert_one_result(store)
