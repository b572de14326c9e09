"""Everything that is on AWS, while requests fail and workers are killed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aws_server import AwsServer
from fault_plan import Plan
from fault_proxy import FaultProxy, between
from fault_studio import FaultyStudio

from rushes.engines.local import LocalEngine


@pytest.fixture
def proxy(aws: AwsServer) -> Iterator[FaultProxy]:
    with between(aws.endpoint, Plan(seed=1)) as made:
        yield made


@pytest.fixture
def studio(
    aws: AwsServer, proxy: FaultProxy, unique: str, tmp_path: Path, rushes_home: Path
) -> Iterator[FaultyStudio]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    made = FaultyStudio(aws, proxy, unique, scratch, rushes_home)
    try:
        yield made
    finally:
        made.stop()
        engine = LocalEngine()
        engine.control("stop")
        engine.close()


def _proven(studio: FaultyStudio, count: int, kills: int, seconds: float) -> None:
    """Half of it for Lambdas and hosts, half for hosts alone; somebody is killed as the work gets on."""
    studio.listen()
    for _ in range(2):
        studio.host()
    batches = {"aaaaaa": "urgent", "bbbbbb": "standard"}
    for batch, priority in batches.items():
        studio.submit(batch, count // 2, priority)
    drawn, end = random.Random(1), time.monotonic() + seconds  # noqa: S311 - not a secret
    for number in range(1, kills + 1):
        enough = count * number // (kills + 1)
        _until(lambda enough=enough: studio.ended(list(batches)) >= enough, end)  # type: ignore[misc]
        studio.kill(drawn)
    _until(lambda: all(studio.tally(one).complete for one in batches), end)
    for batch in batches:
        studio.assert_whole(batch, count // 2)


def _until(condition: Callable[[], bool], end: float) -> None:
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.1)


@pytest.mark.soak
def test_killed_and_throttled_everything_ends_once(studio: FaultyStudio) -> None:
    _proven(studio, 40, 4, 240)
