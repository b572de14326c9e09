"""AWS does not answer at all for a while: hosts, Lambdas and a laptop that follows go on by themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsServer
from fault_plan import Plan
from fault_proxy import FaultProxy, between
from fault_studio import FaultyStudio
from waiting import until

from rushes.cli.follow import FollowEnd, follow_batch
from rushes.cli.session import Session
from rushes.cli.sinks import NothingSink
from rushes.engines.aws.engine import AwsEngine
from rushes.engines.local import LocalEngine

BATCH = "aaaaaa"


@pytest.fixture
def proxy(aws: AwsServer) -> Iterator[FaultProxy]:
    with between(aws.endpoint, None) as made:
        yield made


@pytest.fixture
def studio(  # noqa: PLR0917 - fixtures
    request: pytest.FixtureRequest,
    aws: AwsServer,
    proxy: FaultProxy,
    unique: str,
    tmp_path: Path,
    rushes_home: Path,
) -> Iterator[FaultyStudio]:
    """Hosts whose claims hold for as long as is asked for, or for longer than any test lasts."""
    lease_s = getattr(request, "param", 600)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    made = FaultyStudio(aws, proxy, unique, scratch, rushes_home, lease_s=lease_s)
    try:
        yield made
    finally:
        proxy.plan = None
        made.stop()
        engine = LocalEngine()
        engine.control("stop")
        engine.close()


class Laptop(threading.Thread):
    """A person who follows the batch, by requests that go the same way."""

    def __init__(self, studio: FaultyStudio, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(name="laptop", daemon=True)
        self.said: list[str] = []
        self.outcome: FollowEnd | None = None
        monkeypatch.setattr("rushes.cli.follow._say", self.said.append)
        variables = {
            "AWS_ENDPOINT_URL": proxy.endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        queues = ",".join(f"{one}={url}" for one, url in studio.urls.items())
        environ = {**variables, "RUSHES_TABLE": studio.name, "RUSHES_QUEUES": queues}
        self._engine = AwsEngine(environ=environ, poll_s=0.1)

    def run(self) -> None:
        engine: Any = self._engine
        self.outcome = follow_batch(Session(engine), engine, f"{BATCH}@aws", NothingSink())


def _goes_on(
    studio: FaultyStudio, proxy: FaultProxy, laptop: Laptop, count: int, silence: Callable[[], None]
) -> None:
    """Somebody works and somebody follows; then there is silence, and afterwards everything ends once."""
    studio.submit(BATCH, count, "standard")
    studio.host()
    laptop.start()
    until(lambda: studio.ended([BATCH]) > 0)
    proxy.plan = Plan(1, {"cut": 1.0})
    silence()
    proxy.plan = None
    until(lambda: studio.tally(BATCH).complete, seconds=600, pause_s=0.1)
    laptop.join(60)
    assert laptop.outcome is not None
    assert laptop.outcome.ends.counts.succeeded == count
    studio.assert_whole(BATCH, count)


def test_an_outage_costs_nobody_a_claim_and_is_said_once(
    studio: FaultyStudio, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop = Laptop(studio, proxy, monkeypatch)

    def silence() -> None:
        until(lambda: proxy.met["cut"] >= 40 and laptop.said)

    _goes_on(studio, proxy, laptop, 24, silence)
    # What was under way when its clip could not be fetched has waited, for free.
    assert {one.losses for one in studio.ledger.results(BATCH, 0, 24)} == {0}
    silent, answered = laptop.said
    assert "The batch goes on; it is asked again for an hour." in silent
    assert "answered again after" in answered


@pytest.mark.soak
@pytest.mark.parametrize("studio", [60], indirect=True)
def test_an_outage_of_minutes_and_one_of_half_of_all_requests(
    studio: FaultyStudio, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop = Laptop(studio, proxy, monkeypatch)
    studio.host()

    def silence() -> None:
        time.sleep(240)
        proxy.plan = Plan(1, {"cut": 0.5})
        time.sleep(180)

    _goes_on(studio, proxy, laptop, 200, silence)
    assert len(laptop.said) < 100
