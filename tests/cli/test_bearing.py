"""A batch is followed through silence: said once, ended by an answer, an hour, or a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rushes.batch import Batch
from rushes.cli.bearing import Bearing
from rushes.core.silence import BORNE_S
from rushes.declaration import Result
from rushes.errors import CallerError, PlatformError
from rushes.testing.clock import FakeClock
from rushes.testing.stub import StubEngine

GONE = PlatformError(
    "could not read batch k7m2qx: 10.0.0.1: ConnectTimeoutError.", code="service-unreachable"
)
EXPIRED = CallerError("the credentials have expired.", code="no-credentials", fix="Sign in again.")


@pytest.fixture
def said() -> list[str]:
    return []


def bearing(said: list[str], clock: FakeClock) -> Bearing:
    return Bearing("k7m2qx@dev", said.append, clock.now)


def test_a_silence_is_said_once_and_its_end_too(said: list[str]) -> None:
    clock = FakeClock()
    it = bearing(said, clock)
    it.answered()
    for _ in range(20):
        rest_s = it.failed(GONE)
        assert rest_s is not None
        clock.advance(10.0)
    it.answered()
    it.answered()
    assert said == [
        f"{GONE.message} The batch goes on; it is asked again for an hour.",
        "answered again after 3 m 20 s",
    ]


def test_credentials_that_have_ended_are_said_with_the_next_step(said: list[str]) -> None:
    assert bearing(said, FakeClock()).failed(EXPIRED) is not None
    assert said == [
        "the credentials have expired. Sign in again. The batch goes on; it is asked again for an hour."
    ]


def test_after_an_hour_it_is_given_up_and_the_batch_is_named(said: list[str]) -> None:
    clock = FakeClock()
    it = bearing(said, clock)
    assert it.failed(GONE) is not None
    clock.advance(BORNE_S)
    assert it.failed(GONE) is None
    assert said[-1] == "left running: rushes follow k7m2qx@dev"


def test_what_cannot_be_sent_is_said_once_for_each_time_that_it_stops(said: list[str]) -> None:
    it = bearing(said, FakeClock())
    for waits in ("", "no queue.", "no queue.", "no table.", "", "", "no queue."):
        it.sending(waits)
    assert said == ["no queue. The rest of the list is sent once that is answered."] * 2


@pytest.fixture
def silent(engine: StubEngine, monkeypatch: pytest.MonkeyPatch) -> StubEngine:
    """An engine of which five answers are lost, one after another, and nobody rests between them."""
    monkeypatch.setattr("rushes.core.silence.backoff_s", lambda *_, **__: 0.0)
    answer, lost = engine.results, iter(range(5))

    def results(*arguments: Any, **more: Any) -> Sequence[Any]:
        if next(lost, None) is not None:
            raise GONE
        return answer(*arguments, **more)

    monkeypatch.setattr(engine, "results", results)
    return engine


@pytest.mark.usefixtures("silent", "folder")
def test_a_run_goes_on_through_silence(rushes: Callable[..., Any]) -> None:
    done = rushes("run", "fun.py:size", "clips")
    assert done.exit_code == 0
    assert done.stderr.count("could not read batch") == 1
    assert done.stderr.count("answered again") == 1


@pytest.mark.usefixtures("folder")
def test_a_program_that_follows_goes_on_too(silent: StubEngine, rushes: Callable[..., Any]) -> None:
    sent = rushes("submit", "fun.py:size", "clips").stdout.strip()
    total = silent.status(sent).counts.total
    assert len(list(Batch(silent, sent, Result, total))) == total > 0
